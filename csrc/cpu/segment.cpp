// Sums and maxima over segments: elements are sorted by segment, then reduced block by block. Sums over many segments
// need no sort: each thread computes the sums of a range of segments.
#include <algorithm>
#include <vector>

#include "index.h"
#include "memory.h"

namespace pcseg {
namespace {

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

int64_t scratch_rows(int64_t elements) { return 2 * ((elements + block_size - 1) / block_size); }

// out[segment[e]] += weight[e] * values[row[e]], as defined in pcseg.h.
template <class T>
struct Sum {
    const T* values;
    int64_t channels;
    const int64_t* row;
    const T* weight;
    const int64_t* segment;
    int64_t elements, segments;
    T* out;

    void add(int64_t e, T* __restrict sum) const {
        const T* __restrict value = values + (row ? row[e] : e) * channels;
        const T factor = weight ? weight[e] : T(1);
        for (int64_t c = 0; c < channels; ++c) sum[c] += factor * value[c];
    }

    // Each thread passes over all elements and adds those of its range of segments in their order.
    void by_range(int64_t threads) const {
        constexpr int64_t piece = 4096, ahead = 16;
        prefer_large_pages(out, segments * channels * sizeof(T));
        parallel_tasks(threads, threads, [&](int64_t task, int64_t) {
            const int64_t first = segments * task / threads, last = segments * (task + 1) / threads;
            std::fill_n(out + first * channels, (last - first) * channels, T(0));
            std::vector<int64_t> mine(piece);
            for (int64_t begin = 0; begin < elements; begin += piece) {
                int64_t found = 0;  // without a branch, which would be mispredicted
                for (int64_t e = begin; e < std::min(elements, begin + piece); ++e) {
                    mine[found] = e;
                    found += segment[e] >= first && segment[e] < last;
                }
                for (int64_t i = 0; i < found; ++i) {
                    if (i + ahead < found) {
                        const int64_t later = mine[i + ahead];
                        fetch_row(out + segment[later] * channels, channels);
                        fetch_row(values + (row ? row[later] : later) * channels, channels);
                    }
                    add(mine[i], out + segment[mine[i]] * channels);
                }
            }
        });
    }

    void by_order(int64_t* workspace, int64_t threads) const {
        const Order order(segment, elements, segments, workspace);
        std::vector<T> scratch(scratch_rows(elements) * channels, T(0));
        std::fill_n(out, segments * channels, T(0));
        by_block(
            order, elements, threads,
            [&](int64_t s, int64_t from, int64_t to, int64_t part) {
                T* sum = part < 0 ? out + s * channels : scratch.data() + part * channels;
                for (int64_t place = from; place < to; ++place) {
                    if (!row) order.fetch(place, values, channels);
                    add(order.element(place), sum);
                }
            },
            [&](int64_t s, int64_t part) {
                for (int64_t c = 0; c < channels; ++c) out[s * channels + c] += scratch[part * channels + c];
            });
    }
};

template <class T>
void weighted_sum(const Sum<T>& sum, int64_t rows, int64_t* workspace, int64_t threads) {
    check_index("segment", sum.segment, sum.elements, sum.segments, threads);
    if (sum.row != nullptr) check_index("row", sum.row, sum.elements, rows, threads);
    // With few segments threads would be idle. The choice does not depend on their number, so neither does the
    // rounding.
    sum.segments > sum.elements / 512 ? sum.by_range(threads) : sum.by_order(workspace, threads);
}

template <class T>
bool greater(T value, T best) {
    return !(value <= best) & (best == best);  // the first NaN wins
}

template <class T>
void segment_max(const T* values, int64_t channels, const int64_t* segment, int64_t elements, int64_t segments, T* out,
                 int64_t* arg, int64_t* workspace, int64_t threads) {
    check_index("segment", segment, elements, segments, threads);
    const Order order(segment, elements, segments, workspace);
    std::vector<T> scratch(scratch_rows(elements) * channels);
    std::vector<int64_t> scratch_arg(scratch.size());
    by_block(
        order, elements, threads,
        [&](int64_t s, int64_t from, int64_t to, int64_t part) {
            T* __restrict best = part < 0 ? out + s * channels : scratch.data() + part * channels;
            int64_t* which = part < 0 ? arg + s * channels : scratch_arg.data() + part * channels;
            thread_local std::vector<int32_t> steps;  // places since `from`, as wide as a float: one vector loop
            steps.assign(channels, 0);
            int32_t* __restrict step = steps.data();
            std::copy_n(values + order.element(from) * channels, channels, best);
            for (int64_t place = from + 1; place < to; ++place) {
                order.fetch(place, values, channels);
                const T* __restrict value = values + order.element(place) * channels;
                const int32_t here = place - from;
                for (int64_t c = 0; c < channels; ++c) {
                    const bool wins = greater(value[c], best[c]);
                    best[c] = wins ? value[c] : best[c];
                    step[c] = wins ? here : step[c];
                }
            }
            for (int64_t c = 0; c < channels; ++c) which[c] = order.element(from + step[c]);
        },
        [&](int64_t s, int64_t part) {
            for (int64_t c = 0; c < channels; ++c) {
                const int64_t to = s * channels + c, from = part * channels + c;
                if (arg[to] >= 0 && !greater(scratch[from], out[to])) continue;
                out[to] = scratch[from];
                arg[to] = scratch_arg[from];
            }
        });
}

}  // namespace
}  // namespace pcseg

int pcseg_weighted_sum(int64_t dtype, const void* values, int64_t rows, int64_t channels, const int64_t* row,
                       const void* weight, const int64_t* segment, int64_t elements, int64_t segments, void* out,
                       int64_t* workspace, int64_t threads) {
    return pcseg::guarded([&] {
        const auto run = [&](auto zero) {
            using T = decltype(zero);
            pcseg::weighted_sum<T>({static_cast<const T*>(values), channels, row, static_cast<const T*>(weight),
                                    segment,
                                    elements, segments, static_cast<T*>(out)}, rows, workspace, threads);
        };
        dtype == PCSEG_FLOAT64 ? run(double{}) : run(float{});
    });
}

int pcseg_segment_max(int64_t dtype, const void* values, int64_t channels, const int64_t* segment, int64_t elements,
                      int64_t segments, void* out, int64_t* arg, int64_t* workspace, int64_t threads) {
    return pcseg::guarded([&] {
        if (dtype == PCSEG_FLOAT64)
            pcseg::segment_max(static_cast<const double*>(values), channels, segment, elements, segments,
                               static_cast<double*>(out), arg, workspace, threads);
        else
            pcseg::segment_max(static_cast<const float*>(values), channels, segment, elements, segments,
                               static_cast<float*>(out), arg, workspace, threads);
    });
}
