// The greatest or smallest of each segment, and the first element that has it.
#include <limits>
#include <memory>

#include "isa.h"
#include "memory.h"
#include "segment.h"
#include "segment_compare.h"

namespace pcseg {
namespace {

template <class T>
struct Extreme {
    Compare<T> compare;
    T start;
    int64_t none;
    const T* values;
    int64_t channels;
    const int64_t* segment;
    int64_t elements, segments;
    T* out;
    int64_t* arg;

    void in_ranges(int64_t threads) const {
        const int64_t size = segments * channels;
        const std::unique_ptr<int32_t[]> step(new int32_t[size]);
        prefer_large_pages(step.get(), size * sizeof(int32_t));
        prefer_large_pages(out, size * sizeof(T));
        prefer_large_pages(arg, size * sizeof(int64_t));
        by_range(
            segment, elements, segments, threads,
            [&](int64_t first, int64_t last) {
                std::fill_n(out + first * channels, (last - first) * channels, start);
                std::fill_n(step.get() + first * channels, (last - first) * channels, -1);
            },
            [&](int64_t e) {
                fetch_row(out + segment[e] * channels, channels);
                fetch_row(step.get() + segment[e] * channels, channels);
                fetch_row(values + e * channels, channels);
            },
            [&](int64_t e) {
                const int64_t to = segment[e] * channels;
                compare(values + e * channels, channels, e, out + to, step.get() + to);
            },
            [&](int64_t first, int64_t last) {
                for (int64_t i = first * channels; i < last * channels; ++i) {
                    arg[i] = step[i] < 0 ? none : step[i];
                    out[i] = step[i] < 0 ? T(0) : out[i];
                }
            });
    }

    void in_order(int64_t* workspace, int64_t threads) const {
        const Order order(segment, elements, segments, workspace);
        std::vector<T> scratch(scratch_rows(elements) * channels);
        std::vector<int64_t> scratch_arg(scratch.size());
        std::fill_n(out, segments * channels, T(0));
        std::fill_n(arg, segments * channels, none);
        by_block(
            order, elements, threads,
            [&](int64_t s, int64_t from, int64_t to, int64_t part) {
                T* best = part < 0 ? out + s * channels : scratch.data() + part * channels;
                int64_t* which = part < 0 ? arg + s * channels : scratch_arg.data() + part * channels;
                thread_local std::vector<int32_t> step;  // places since `from`
                step.assign(channels, -1);
                std::fill_n(best, channels, start);
                for (int64_t place = from; place < to; ++place) {
                    order.fetch(place, values, channels);
                    compare(values + order.element(place) * channels, channels, place - from, best, step.data());
                }
                for (int64_t c = 0; c < channels; ++c) {
                    which[c] = step[c] < 0 ? none : order.element(from + step[c]);
                    best[c] = step[c] < 0 ? T(0) : best[c];
                }
            },
            [&](int64_t s, int64_t part) {
                for (int64_t c = 0; c < channels; ++c) {
                    const int64_t to = s * channels + c, from = part * channels + c;
                    if (scratch_arg[from] == none) continue;
                    int32_t step = 0;
                    if (arg[to] != none) compare(scratch.data() + from, 1, 1, out + to, &step);
                    if (arg[to] != none && step == 0) continue;
                    out[to] = scratch[from];
                    arg[to] = scratch_arg[from];
                }
            });
    }
};

template <class T>
void extreme(Extreme<T> work, int64_t rule, int64_t* workspace, int64_t threads) {
    check_index("segment", work.segment, work.elements, work.segments, threads);
    using Limits = std::numeric_limits<T>;
    work.start = rule == PCSEG_ABOVE_LOWEST ? Limits::lowest() : rule == PCSEG_BELOW_HIGHEST ? Limits::max() : T(0);
    work.none = rule == PCSEG_GREATEST ? -1 : work.elements;
    const bool countable = work.elements <= std::numeric_limits<int32_t>::max();
    countable && many_segments(work.elements, work.segments) ? work.in_ranges(threads)
                                                             : work.in_order(workspace, threads);
}

const CompareTable& compare_table() {
#if defined(__x86_64__)
    if (isa() != Isa::plain) return segment_compare_avx2;
#endif
    return segment_compare_plain;
}

}  // namespace

const CompareTable segment_compare_plain = make_compare_table();

}  // namespace pcseg

int pcseg_segment_extreme(int64_t dtype, const void* values, int64_t channels, const int64_t* segment, int64_t elements,
                          int64_t segments, int64_t rule, void* out, int64_t* arg, int64_t* workspace,
                          int64_t threads) {
    return pcseg::guarded([&] {
        const auto run = [&](auto compare, auto zero) {
            using T = decltype(zero);
            pcseg::extreme<T>({compare, zero, 0, static_cast<const T*>(values), channels, segment, elements, segments,
                               static_cast<T*>(out), arg}, rule, workspace, threads);
        };
        const pcseg::CompareTable& table = pcseg::compare_table();
        dtype == PCSEG_FLOAT64 ? run(table.of_double[rule], double{}) : run(table.of_float[rule], float{});
    });
}
