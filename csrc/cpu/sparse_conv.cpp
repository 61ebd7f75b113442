// Sparse convolution and its weight gradient: cutting the work into blocks of output rows that fit into the cache.
//
// A block's output rows are computed offset by offset; the pairs of one offset with output rows in the block are
// consecutive in the map, so no two threads write the same row, and gathered rows are not stored.
#include <atomic>
#include <cstring>
#include <type_traits>
#include <vector>

#include "isa.h"
#include "memory.h"
#include "parallel.h"
#include "sparse_conv_walk.h"
#include "status.h"

namespace pcseg {
namespace {

const KernelTable& kernel_table() {
#if defined(__x86_64__)
    if (isa() >= Isa::avx512) return sparse_conv_avx512;
    if (isa() == Isa::avx2) return sparse_conv_avx2;
#endif
    return sparse_conv_plain;
}
template <class T>
const Kernels<T>& kernels();
template <>
const Kernels<float>& kernels() { return kernel_table().f32; }
template <>
const Kernels<double>& kernels() { return kernel_table().f64; }
template <>
const Kernels<Bfloat16>& kernels() {
#if defined(PCSEG_WITH_AVX512BF16)
    if (isa() == Isa::avx512bf16) return sparse_conv_avx512bf16;
#endif
    throw BadInput{"bfloat16: not multiplied by this machine (pcseg_has_bfloat16); convert it to float32"};
}

// Weights in the order in which tiles read them, padded with zeros to whole vectors.
template <class T>
void pack(const T* weight, int64_t step_k, int64_t step_in, int64_t step_out, int64_t n_offsets, int64_t cin,
          int64_t cout, T* packed, int64_t threads) {
    const int64_t vector = kernels<T>().vector, panel = kernels<T>().most_vectors * vector;
    const int64_t padded = round_up(cout, vector);
    parallel_tasks(threads, n_offsets, [&](int64_t k, int64_t) {
        T* to = packed + k * cin * padded;
        for (int64_t column = 0; column < padded; column += panel) {
            const int64_t width = std::min(panel, padded - column);
            for (int64_t c = 0; c < cin; c += kNumbers<T>)
                for (int64_t o = column; o < column + width; ++o)
                    for (int64_t i = c; i < c + kNumbers<T>; ++i)
                        *to++ = o < cout ? weight[k * step_k + i * step_in + o * step_out] : T{};
        }
    });
}

// Scale, shift and residual, applied to the sums while they are in the cache; NULL for none.
template <class T>
struct Finish {
    const Sum<T> *scale, *shift;
    const T* residual;
};

template <class T>
void convolve(const Map& map, const T* feats, int64_t cin, const T* packed, T* out, int64_t cout, Finish<T> finish,
              int64_t threads) {
    const Kernels<T>& kernel = kernels<T>();
    const int64_t padded = round_up(cout, kernel.vector);
    // Not all of a small map in a few blocks: each thread has some. No sum depends on the blocks.
    const int64_t share = std::max<int64_t>(16, round_up(map.out_rows / (4 * std::max<int64_t>(threads, 1)), 16));
    const int64_t rows = std::min(share, map.block_rows(192, padded * sizeof(Sum<T>), 1 << 18));
    const int64_t blocks = (map.out_rows + rows - 1) / rows;
    prefer_large_pages(out, map.out_rows * cout * sizeof(T));
    const int64_t per_task = std::clamp<int64_t>(blocks / (16 * threads), 1, 16);
    std::atomic<int64_t> seen{0};
    parallel_tasks(threads, (blocks + per_task - 1) / per_task, [&](int64_t task, int64_t) {
        const int64_t first = task * per_task * rows, last = std::min(map.out_rows, first + per_task * rows);
        // Sums in whole vectors, where the rows of `out` are not whole vectors.
        std::vector<Sum<T>> spare(std::is_same_v<T, Sum<T>> && padded == cout ? 0 : rows * padded);
        Walk walk(map, kernel, first, 0, map.n_offsets);
        for (int64_t row = first; row < last; row += rows) {
            const int64_t end = std::min(last, row + rows);
            Sum<T>* sums = spare.empty() ? reinterpret_cast<Sum<T>*>(out + row * cout) : spare.data();
            std::memset(sums, 0, (end - row) * padded * sizeof(Sum<T>));
            kernel.conv({walk.next(row, end), reinterpret_cast<const Term<T>*>(feats), cin / kNumbers<T>,
                         reinterpret_cast<const Term<T>*>(packed), padded, sums, padded});
            if (finish.scale != nullptr || !spare.empty())
                kernel.finish({sums, padded, out + row * cout, end - row, cout, finish.scale, finish.shift,
                               finish.residual == nullptr ? nullptr : finish.residual + row * cout});
        }
        seen += walk.seen();
    });
    check_seen(map, seen);
}

// Ranges of output rows whose sums are computed separately and then added in order: few enough to limit their memory,
// and a function of sizes alone, since they determine the rounding.
int64_t weight_grad_ranges(int64_t elements, int64_t out_rows) {
    const int64_t by_memory = (int64_t{1} << 23) / std::max<int64_t>(elements, 1);
    return std::clamp<int64_t>(std::min(by_memory, out_rows / 4096), 1, 16);
}

template <class T>
void weight_grad(const Map& map, const T* feats, int64_t cin, const T* grad, int64_t cout, T* out,
                 Sum<T>* workspace, int64_t threads) {
    const Kernels<T>& kernel = kernels<T>();
    const int64_t padded = round_up(cout, kernel.vector), size = map.n_offsets * cin * padded;
    const int64_t ranges = weight_grad_ranges(map.n_offsets * cin * round_up(cout, 64 / sizeof(Sum<T>)), map.out_rows);
    const int64_t rows = map.block_rows(512, (cin + padded) * sizeof(T), 1 << 18);
    const int64_t range_rows = round_up((map.out_rows + ranges - 1) / ranges, rows);
    prefer_large_pages(workspace, ranges * size * sizeof(Sum<T>));
    // Where there are more threads than ranges, several share the offsets of a range, which changes no sum.
    const int64_t shares = std::min<int64_t>(map.n_offsets, threads <= 1 ? 1 : (4 * threads + ranges - 1) / ranges);
    std::atomic<int64_t> seen{0};
    parallel_tasks(threads, ranges * shares, [&](int64_t task, int64_t) {
        const int64_t range = task / shares, share = task % shares;
        const int64_t k0 = map.n_offsets * share / shares, k1 = map.n_offsets * (share + 1) / shares;
        const int64_t first = std::min(map.out_rows, range * range_rows);
        const int64_t last = std::min(map.out_rows, first + range_rows);
        Sum<T>* partial = workspace + range * size;
        std::memset(partial + k0 * cin * padded, 0, (k1 - k0) * cin * padded * sizeof(Sum<T>));
        std::vector<T> spare(padded == cout ? 0 : rows * padded);  // padded with zeros to whole vectors
        std::vector<Term<T>> interleaved(kNumbers<T> == 1 ? 0 : kPiece / 2 * (cin + padded));
        Walk walk(map, kernel, first, k0, k1);
        for (int64_t row = first; row < last; row += rows) {
            const int64_t end = std::min(last, row + rows);
            for (int64_t r = row; r < end && !spare.empty(); ++r)
                std::memcpy(spare.data() + (r - row) * padded, grad + r * cout, cout * sizeof(T));
            kernel.weight_grad({walk.next(row, end), feats, cin, spare.empty() ? grad + row * cout : spare.data(),
                                padded, padded, partial, interleaved.data()});
        }
        seen += walk.seen();
    });
    check_seen(map, seen);
    parallel_tasks(threads, map.n_offsets, [&](int64_t k, int64_t) {
        for (int64_t c = k * cin; c < (k + 1) * cin; ++c)
            for (int64_t o = 0; o < cout; ++o) {
                Sum<T> sum = workspace[c * padded + o];
                for (int64_t range = 1; range < ranges; ++range) sum += workspace[range * size + c * padded + o];
                store(sum, out[c * cout + o]);
            }
    });
}

}  // namespace
}  // namespace pcseg

using pcseg::Map;

int64_t pcseg_padded(int64_t channels, int64_t dtype) {
    return pcseg::round_up(channels, dtype == PCSEG_FLOAT64 ? 8 : 16);
}

int pcseg_sparse_conv(int64_t dtype, const void* feats, int64_t in_rows, int64_t cin, const void* weight,
                      int64_t weight_k, int64_t weight_in, int64_t weight_out, const int32_t* pairs, int64_t n_pairs,
                      const int64_t* starts, int64_t n_offsets, void* out, int64_t out_rows, int64_t cout,
                      const void* scale, const void* shift, const void* residual, void* packed, int64_t threads) {
    return pcseg::guarded([&] {
        const Map map{pairs, n_pairs, starts, n_offsets, in_rows, out_rows};
        map.check();
        const auto run = [&](auto zero) {
            using T = decltype(zero);
            using Sum = pcseg::Sum<T>;
            if (cin % pcseg::kNumbers<T> != 0) throw pcseg::BadInput{"cin: odd; bfloat16 is multiplied in pairs"};
            pcseg::pack(static_cast<const T*>(weight), weight_k, weight_in, weight_out, n_offsets, cin, cout,
                        static_cast<T*>(packed), threads);
            pcseg::convolve(map, static_cast<const T*>(feats), cin, static_cast<const T*>(packed),
                            static_cast<T*>(out), cout,
                            {static_cast<const Sum*>(scale), static_cast<const Sum*>(shift),
                             static_cast<const T*>(residual)}, threads);
        };
        dtype == PCSEG_FLOAT64 ? run(double{}) : dtype == PCSEG_BFLOAT16 ? run(pcseg::Bfloat16{}) : run(float{});
    });
}

int64_t pcseg_weight_grad_workspace(int64_t dtype, int64_t cin, int64_t cout, int64_t n_offsets, int64_t out_rows) {
    const int64_t elements = n_offsets * cin * pcseg_padded(cout, dtype);
    return elements * pcseg::weight_grad_ranges(elements, out_rows);
}

int pcseg_sparse_conv_weight_grad(int64_t dtype, const void* feats, int64_t in_rows, int64_t cin, const void* grad,
                                  int64_t out_rows, int64_t cout, const int32_t* pairs, int64_t n_pairs,
                                  const int64_t* starts, int64_t n_offsets, void* weight_grad, void* workspace,
                                  int64_t threads) {
    return pcseg::guarded([&] {
        const Map map{pairs, n_pairs, starts, n_offsets, in_rows, out_rows};
        map.check();
        const auto run = [&](auto zero) {
            using T = decltype(zero);
            pcseg::weight_grad(map, static_cast<const T*>(feats), cin, static_cast<const T*>(grad), cout,
                               static_cast<T*>(weight_grad), static_cast<pcseg::Sum<T>*>(workspace), threads);
        };
        dtype == PCSEG_FLOAT64 ? run(double{}) : dtype == PCSEG_BFLOAT16 ? run(pcseg::Bfloat16{}) : run(float{});
    });
}
