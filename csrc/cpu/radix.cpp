// The sort of radix.h, least significant digit first; each block counts and places its own entries.
#include "radix.h"

#include <atomic>
#include <utility>
#include <vector>

namespace pcseg {
namespace {

constexpr int kDigit = 11;
constexpr int64_t kBuckets = 1 << kDigit;
constexpr int64_t kGrain = 1 << 15;

}  // namespace

int64_t Sorted::first_not_below(uint64_t key) const {
    const auto below = [](const Entry& entry, uint64_t bound) { return entry.key < bound; };
    return std::lower_bound(entries_.get(), entries_.get() + size_, key, below) - entries_.get();
}

void Sorted::sort(uint64_t limit, int64_t threads) {
    const int64_t size = size_;
    std::atomic<bool> in_order{true};
    parallel_blocks(threads, size, kGrain, [&](int64_t begin, int64_t end) {
        bool good = true;
        for (int64_t i = std::max<int64_t>(begin, 1); i < end; ++i) good &= entries_[i - 1].key <= entries_[i].key;
        if (!good) in_order = false;
    });
    came_in_order_ = in_order;
    if (came_in_order_) return;

    std::unique_ptr<Entry[]> other(new Entry[size + 1]);
    std::vector<int64_t> places((size + kGrain - 1) / kGrain * kBuckets);
    for (int shift = 0; shift < 64 && (limit - 1) >> shift; shift += kDigit) {
        const auto digit = [shift](const Entry& entry) { return entry.key >> shift & (kBuckets - 1); };
        std::fill(places.begin(), places.end(), 0);
        parallel_blocks(threads, size, kGrain, [&](int64_t begin, int64_t end) {
            int64_t* count = places.data() + begin / kGrain * kBuckets;
            for (int64_t i = begin; i < end; ++i) ++count[digit(entries_[i])];
        });
        int64_t place = 0;
        for (int64_t bucket = 0; bucket < kBuckets; ++bucket)
            for (size_t at = bucket; at < places.size(); at += kBuckets) place += std::exchange(places[at], place);
        parallel_blocks(threads, size, kGrain, [&](int64_t begin, int64_t end) {
            int64_t* to = places.data() + begin / kGrain * kBuckets;
            for (int64_t i = begin; i < end; ++i) other[to[digit(entries_[i])]++] = entries_[i];
        });
        std::swap(entries_, other);
    }
}

}  // namespace pcseg
