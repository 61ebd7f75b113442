// What sums and extremes over segments share: elements in the order of their segments, reduced block by block.
#pragma once
#include <algorithm>
#include <vector>

#include "index.h"

namespace pcseg {

// Elements of a block. Blocks depend on nothing else, and so does the order of additions.
constexpr int64_t block_size = 2048;

template <class T>
void fetch_row(const T* row, int64_t channels) {
    const size_t bytes = std::min(channels * sizeof(T), size_t(512));
    for (size_t byte = 0; byte < bytes; byte += 64) __builtin_prefetch(reinterpret_cast<const char*>(row) + byte);
}

// The elements by segment, ascending within each: place p holds element(p), segment s has places start[s] to start[s +
// 1].
class Order {
   public:
    std::vector<int64_t> start;

    Order(const int64_t* segment, int64_t elements, int64_t segments, int64_t* workspace) : start(segments + 2, 0) {
        bool sorted = true;
        for (int64_t e = 0; e < elements; ++e) {
            sorted &= e == 0 || segment[e - 1] <= segment[e];
            ++start[segment[e] + 2];
        }
        for (int64_t s = 0; s < segments; ++s) start[s + 2] += start[s + 1];
        if (sorted) {  // places are elements
            start.erase(start.begin());
            return;
        }
        // Afterwards start[s + 1] is the end of s.
        for (int64_t e = 0; e < elements; ++e) workspace[start[segment[e] + 1]++] = e;
        start.pop_back();
        order_ = workspace;
    }
    int64_t element(int64_t place) const { return order_ ? order_[place] : place; }

    // Prefetches a row: the hardware cannot predict it where places are not elements.
    template <class T>
    void fetch(int64_t place, const T* values, int64_t channels) const {
        if (order_ == nullptr || place + ahead >= start.back()) return;
        fetch_row(values + order_[place + ahead] * channels, channels);
    }

   private:
    static constexpr int64_t ahead = 16;
    const int64_t* order_ = nullptr;
};

// Calls reduce(segment, from, to, part) for each run of places of one segment within a block; part is -1 if the run is
// the whole segment, else the scratch row (two per block) of its partial result. Then calls merge(segment, part) for
// the partial results, one after the other in the order of places.
template <class Reduce, class Merge>
void by_block(const Order& order, int64_t elements, int64_t threads, Reduce&& reduce, Merge&& merge) {
    const int64_t blocks = (elements + block_size - 1) / block_size;
    std::vector<int64_t> shared(2 * blocks, -1);  // the segment of each scratch row in use
    parallel_tasks(threads, blocks, [&](int64_t block, int64_t) {
        const int64_t begin = block * block_size, end = std::min(elements, begin + block_size);
        int64_t segment = std::upper_bound(order.start.begin(), order.start.end(), begin) - order.start.begin() - 1;
        for (int64_t from = begin, to; from < end; from = to) {
            while (order.start[segment + 1] <= from) ++segment;
            to = std::min(end, order.start[segment + 1]);
            const bool whole = order.start[segment] == from && order.start[segment + 1] == to;
            const int64_t part = whole ? -1 : 2 * block + (from != begin);
            if (!whole) shared[part] = segment;
            reduce(segment, from, to, part);
        }
    });
    for (size_t part = 0; part < shared.size(); ++part)
        if (shared[part] >= 0) merge(shared[part], part);
}

inline int64_t scratch_rows(int64_t elements) { return 2 * ((elements + block_size - 1) / block_size); }

// Cuts the segments into a range a thread: calls start(first, last) for the range, add(e) for each of its elements in
// their order, fetch(e) some elements before, and finish(first, last).
template <class Start, class Fetch, class Add, class Finish>
void by_range(const int64_t* segment, int64_t elements, int64_t segments, int64_t threads, Start&& start, Fetch&& fetch,
              Add&& add, Finish&& finish) {
    constexpr int64_t piece = 4096, ahead = 16;
    parallel_tasks(threads, threads, [&](int64_t task, int64_t) {
        const int64_t first = segments * task / threads, last = segments * (task + 1) / threads;
        start(first, last);
        std::vector<int64_t> mine(piece);
        for (int64_t begin = 0; begin < elements; begin += piece) {
            int64_t found = 0;  // without a branch, which would be mispredicted
            for (int64_t e = begin; e < std::min(elements, begin + piece); ++e) {
                mine[found] = e;
                found += segment[e] >= first && segment[e] < last;
            }
            for (int64_t i = 0; i < found; ++i) {
                if (i + ahead < found) fetch(mine[i + ahead]);
                add(mine[i]);
            }
        }
        finish(first, last);
    });
}

// With few segments threads would be idle in by_range. The choice does not depend on their number, so neither does the
// rounding.
inline bool many_segments(int64_t elements, int64_t segments) { return segments > elements / 512; }

}  // namespace pcseg
