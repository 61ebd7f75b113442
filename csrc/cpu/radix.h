// A stable parallel radix sort of packed coordinates.
#pragma once
#include <cstdint>
#include <memory>

#include "parallel.h"

namespace pcseg {

struct Entry {
    uint64_t key;
    int64_t row;
};

// Entries sorted by key, equal keys in their original order; keys are below `limit` < 2^63. Entries that are already in
// order cost one pass. After the last follows one more, with a key above all.
class Sorted {
   public:
    template <class KeyOf>  // key_of(row)
    Sorted(int64_t size, uint64_t limit, int64_t threads, KeyOf key_of)
        : entries_(new Entry[size + 1]), size_(size) {
        parallel_blocks(threads, size, 1 << 12, [&](int64_t begin, int64_t end) {
            for (int64_t row = begin; row < end; ++row) entries_[row] = {key_of(row), row};
        });
        sort(limit, threads);
        entries_[size] = {UINT64_MAX, -1};
    }
    const Entry& operator[](int64_t i) const { return entries_[i]; }
    int64_t size() const { return size_; }
    int64_t first_not_below(uint64_t key) const;
    bool came_in_order() const { return came_in_order_; }

   private:
    void sort(uint64_t limit, int64_t threads);

    std::unique_ptr<Entry[]> entries_;
    int64_t size_;
    bool came_in_order_;
};

}  // namespace pcseg
