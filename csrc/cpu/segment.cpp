// Sums and maxima over segments: elements are put in the order of their segments, then reduced block by block.
#include <algorithm>
#include <vector>

#include "parallel.h"
#include "status.h"

namespace pcseg {
namespace {

// Elements of a block. Blocks are cut by this alone, so the order of additions depends on nothing else.
constexpr int64_t block_size = 2048;

// The order of the elements by segment, ascending within each; identity (nullptr) where they come that way.
class Order {
   public:
    Order(const int64_t* segment, int64_t elements, int64_t segments, int64_t* room) : segment_(segment) {
        std::vector<int64_t> next(segments + 1, 0);
        bool sorted = true;
        for (int64_t e = 0; e < elements; ++e) {
            if (segment[e] < 0 || segment[e] >= segments) throw BadInput{"segment: a number is out of range"};
            sorted &= e == 0 || segment[e - 1] <= segment[e];
            ++next[segment[e] + 1];
        }
        if (sorted) return;
        for (int64_t s = 0; s < segments; ++s) next[s + 1] += next[s];
        for (int64_t e = 0; e < elements; ++e) room[next[segment[e]]++] = e;
        order_ = room;
    }
    int64_t element(int64_t place) const { return order_ ? order_[place] : place; }
    int64_t segment(int64_t place) const { return segment_[element(place)]; }

   private:
    const int64_t* segment_;
    const int64_t* order_ = nullptr;
};

// What a block knows of a segment that it shares with the block before or after it.
struct Part {
    int64_t segment = -1;
    int64_t row = 0;  // of the scratch memory
};

// Calls reduce(segment, from, to, part) for each run of one segment within a block, part being -1 where the run is the
// whole segment, else the scratch row (two a block) that takes its share; then merge(segment, part) for the shares, one
// after the other in the order of the elements.
template <class Reduce, class Merge>
void by_block(const Order& order, int64_t elements, int64_t threads, Reduce&& reduce, Merge&& merge) {
    const int64_t blocks = (elements + block_size - 1) / block_size;
    std::vector<Part> parts(2 * blocks);
    parallel_tasks(threads, blocks, [&](int64_t block, int64_t) {
        const int64_t begin = block * block_size, end = std::min(elements, begin + block_size);
        for (int64_t from = begin, to; from < end; from = to) {
            const int64_t segment = order.segment(from);
            for (to = from + 1; to < end && order.segment(to) == segment;) ++to;
            const bool before = from == begin && from > 0 && order.segment(from - 1) == segment;
            const bool after = to == end && to < elements && order.segment(to) == segment;
            const int64_t part = before ? 2 * block : after ? 2 * block + 1 : -1;
            if (part >= 0) parts[part] = {segment, part};
            reduce(segment, from, to, part);
        }
    });
    for (const Part& part : parts)
        if (part.segment >= 0) merge(part.segment, part.row);
}

int64_t scratch_rows(int64_t elements) { return 2 * ((elements + block_size - 1) / block_size); }

template <class T>
void weighted_sum(const T* values, int64_t channels, const int64_t* row, const T* weight, const int64_t* segment,
                  int64_t elements, int64_t segments, T* out, int64_t* room, int64_t threads) {
    const Order order(segment, elements, segments, room);
    std::vector<T> scratch(scratch_rows(elements) * channels, T(0));
    by_block(
        order, elements, threads,
        [&](int64_t s, int64_t from, int64_t to, int64_t part) {
            T* sum = part < 0 ? out + s * channels : scratch.data() + part * channels;
            for (int64_t place = from; place < to; ++place) {
                const int64_t e = order.element(place);
                const T* value = values + (row ? row[e] : e) * channels;
                const T factor = weight ? weight[e] : T(1);
                for (int64_t c = 0; c < channels; ++c) sum[c] += factor * value[c];
            }
        },
        [&](int64_t s, int64_t part) {
            for (int64_t c = 0; c < channels; ++c) out[s * channels + c] += scratch[part * channels + c];
        });
}

template <class T>
bool greater(T value, T best) {
    return value > best || (value != value && best == best);  // the first NaN wins
}

template <class T>
void segment_max(const T* values, int64_t channels, const int64_t* segment, int64_t elements, int64_t segments, T* out,
                 int64_t* arg, int64_t* room, int64_t threads) {
    const Order order(segment, elements, segments, room);
    std::vector<T> scratch(scratch_rows(elements) * channels);
    std::vector<int64_t> scratch_arg(scratch.size());
    by_block(
        order, elements, threads,
        [&](int64_t s, int64_t from, int64_t to, int64_t part) {
            T* best = part < 0 ? out + s * channels : scratch.data() + part * channels;
            int64_t* which = part < 0 ? arg + s * channels : scratch_arg.data() + part * channels;
            const int64_t first = order.element(from);
            std::copy_n(values + first * channels, channels, best);
            std::fill_n(which, channels, first);
            for (int64_t place = from + 1; place < to; ++place) {
                const int64_t e = order.element(place);
                const T* value = values + e * channels;
                for (int64_t c = 0; c < channels; ++c) {
                    const bool wins = greater(value[c], best[c]);
                    best[c] = wins ? value[c] : best[c];
                    which[c] = wins ? e : which[c];
                }
            }
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

int pcseg_weighted_sum(int64_t dtype, const void* values, int64_t channels, const int64_t* row, const void* weight,
                       const int64_t* segment, int64_t elements, int64_t segments, void* out, int64_t* room,
                       int64_t threads) {
    return pcseg::guarded([&] {
        if (dtype == PCSEG_FLOAT64)
            pcseg::weighted_sum(static_cast<const double*>(values), channels, row, static_cast<const double*>(weight),
                                segment, elements, segments, static_cast<double*>(out), room, threads);
        else
            pcseg::weighted_sum(static_cast<const float*>(values), channels, row, static_cast<const float*>(weight),
                                segment, elements, segments, static_cast<float*>(out), room, threads);
    });
}

int pcseg_segment_max(int64_t dtype, const void* values, int64_t channels, const int64_t* segment, int64_t elements,
                      int64_t segments, void* out, int64_t* arg, int64_t* room, int64_t threads) {
    return pcseg::guarded([&] {
        if (dtype == PCSEG_FLOAT64)
            pcseg::segment_max(static_cast<const double*>(values), channels, segment, elements, segments,
                               static_cast<double*>(out), arg, room, threads);
        else
            pcseg::segment_max(static_cast<const float*>(values), channels, segment, elements, segments,
                               static_cast<float*>(out), arg, room, threads);
    });
}
