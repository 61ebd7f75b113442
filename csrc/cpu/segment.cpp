// Sums over segments: elements are sorted by segment, then reduced block by block. Sums over many segments need no sort:
// each thread computes the sums of a range of segments.
#include "segment.h"

#include "memory.h"

namespace pcseg {
namespace {

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

    void in_ranges(int64_t threads) const {
        prefer_large_pages(out, segments * channels * sizeof(T));
        by_range(
            segment, elements, segments, threads,
            [&](int64_t first, int64_t last) { std::fill_n(out + first * channels, (last - first) * channels, T(0)); },
            [&](int64_t e) {
                fetch_row(out + segment[e] * channels, channels);
                fetch_row(values + (row ? row[e] : e) * channels, channels);
            },
            [&](int64_t e) { add(e, out + segment[e] * channels); }, [](int64_t, int64_t) {});
    }

    void in_order(int64_t* workspace, int64_t threads) const {
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
    many_segments(sum.elements, sum.segments) ? sum.in_ranges(threads) : sum.in_order(workspace, threads);
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
