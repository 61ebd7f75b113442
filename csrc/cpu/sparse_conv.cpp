// Sparse convolution and its weight gradient: cutting the work into blocks of output rows that fit into the cache.
//
// A block's output rows are visited offset by offset; the pairs of one offset with output rows in the block lie
// together in the map, so nothing is scattered, no two threads write one row, and nothing gathered is stored.
#include "sparse_conv.h"

#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "isa.h"
#include "memory.h"
#include "parallel.h"
#include "status.h"

namespace pcseg {
namespace {

const KernelTable& kernel_table() {
#if defined(__x86_64__)
    if (isa() == Isa::avx512) return sparse_conv_avx512;
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

int64_t round_up(int64_t size, int64_t unit) { return (size + unit - 1) / unit * unit; }

struct Map {
    const int32_t* pairs;
    int64_t n_pairs;
    const int64_t* starts;
    int64_t n_offsets, in_rows, out_rows;

    void check() const {
        bool good = starts[0] == 0 && starts[n_offsets] == n_pairs;
        for (int64_t k = 0; k < n_offsets; ++k) good = good && starts[k] <= starts[k + 1];
        if (!good) throw BadInput{"starts: do not cut the " + std::to_string(n_pairs) + " pairs into groups"};
    }

    // Output rows in a block: enough for about `pairs` pairs an offset, which pays for touching that offset's weights.
    int64_t block_rows(int64_t pairs, int64_t bytes_per_row, int64_t most_bytes) const {
        const int64_t wanted = pairs * n_offsets * out_rows / std::max<int64_t>(n_pairs, 1);
        return std::clamp<int64_t>(round_up(wanted, 16), 16, std::max<int64_t>(16, most_bytes / bytes_per_row));
    }
};

// The runs of consecutive blocks, from output row `row` on, for offsets [first, last).
class Walk {
   public:
    Walk(const Map& map, int64_t row, int64_t first, int64_t last)
        : map_(map), first_(first), last_(last), begin_(map.n_offsets), end_(map.n_offsets) {
        const int32_t* out = map.pairs + map.n_pairs;
        for (int64_t k = first; k < last; ++k)
            end_[k] = std::lower_bound(out + map.starts[k], out + map.starts[k + 1], row) - out;
    }

    // Moves on to rows [row0, row1); throws if the pairs there are not what a map holds, so that no kernel can stray.
    Runs next(int64_t row0, int64_t row1) {
        const int32_t* in = map_.pairs;
        const int32_t* out = map_.pairs + map_.n_pairs;
        for (int64_t k = first_; k < last_; ++k) {
            begin_[k] = end_[k];
            const int64_t limit = std::min(begin_[k] + row1 - row0, map_.starts[k + 1]);
            end_[k] = std::lower_bound(out + begin_[k], out + limit, row1) - out;
            uint32_t bad = 0;
            for (int64_t p = begin_[k]; p < end_[k]; ++p) {
                bad |= static_cast<uint32_t>(in[p]) >= static_cast<uint32_t>(map_.in_rows);
                bad |= static_cast<uint32_t>(out[p] - row0) >= static_cast<uint32_t>(row1 - row0);
            }
            for (int64_t p = begin_[k] + 1; p < end_[k]; ++p) bad |= out[p] <= out[p - 1];
            if (bad)
                throw BadInput{"pairs: offset " + std::to_string(k) + " has a row out of range or out of order near "
                               "output row " + std::to_string(row0) + "; pass a map made by kernel_map"};
            seen_ += end_[k] - begin_[k];
        }
        return {in, out, begin_.data(), end_.data(), first_, last_, row0};
    }

    int64_t seen() const { return seen_; }

   private:
    const Map& map_;
    int64_t first_, last_, seen_ = 0;
    std::vector<int64_t> begin_, end_;
};

void check_seen(const Map& map, int64_t seen) {
    if (seen != map.n_pairs)
        throw BadInput{"pairs: output rows are out of range or out of order; pass a map made by kernel_map"};
}

// Weights in the order the tiles read them, padded with zeros to whole vectors.
template <class T>
void pack(const T* weight, int64_t step_k, int64_t step_in, int64_t step_out, int64_t n_offsets, int64_t cin,
          int64_t cout, T* packed, int64_t threads) {
    const int64_t vector = kernels<T>().vector, padded = round_up(cout, vector);
    parallel_tasks(threads, n_offsets, [&](int64_t k, int64_t) {
        T* to = packed + k * cin * padded;
        for (int64_t column = 0; column < padded; column += 2 * vector) {
            const int64_t width = std::min(2 * vector, padded - column);
            for (int64_t c = 0; c < cin; ++c)
                for (int64_t o = column; o < column + width; ++o)
                    *to++ = o < cout ? weight[k * step_k + c * step_in + o * step_out] : T(0);
        }
    });
}

// What becomes of the sums on their way out, while they are in the cache; NULLs where it is nothing.
template <class T>
struct Finish {
    const T *scale, *shift, *residual;
};

template <class T>
void convolve(const Map& map, const T* feats, int64_t cin, const T* packed, T* out, int64_t cout, Finish<T> finish,
              int64_t threads) {
    const Kernels<T>& kernel = kernels<T>();
    const int64_t padded = round_up(cout, kernel.vector);
    const int64_t rows = map.block_rows(96, padded * sizeof(T), 1 << 18);
    const int64_t blocks = (map.out_rows + rows - 1) / rows;
    prefer_large_pages(out, map.out_rows * cout * sizeof(T));
    const int64_t per_task = std::clamp<int64_t>(blocks / (8 * threads), 1, 16);
    std::atomic<int64_t> seen{0};
    parallel_tasks(threads, (blocks + per_task - 1) / per_task, [&](int64_t task, int64_t) {
        const int64_t first = task * per_task * rows, last = std::min(map.out_rows, first + per_task * rows);
        std::vector<T> spare(padded == cout ? 0 : rows * padded);  // whole vectors, where `out` has none
        Walk walk(map, first, 0, map.n_offsets);
        for (int64_t row = first; row < last; row += rows) {
            const int64_t end = std::min(last, row + rows);
            T* block_out = spare.empty() ? out + row * cout : spare.data();
            std::memset(block_out, 0, (end - row) * padded * sizeof(T));
            kernel.conv({walk.next(row, end), feats, cin, packed, padded, block_out, padded});
            if (finish.scale != nullptr) {
                kernel.finish({block_out, padded, out + row * cout, end - row, cout, finish.scale, finish.shift,
                               finish.residual == nullptr ? nullptr : finish.residual + row * cout});
                continue;
            }
            for (int64_t r = row; r < end && !spare.empty(); ++r)
                std::memcpy(out + r * cout, block_out + (r - row) * padded, cout * sizeof(T));
        }
        seen += walk.seen();
    });
    check_seen(map, seen);
}

// Ranges of output rows whose sums are made apart and then added in order: few enough for the memory they take, and
// a function of sizes alone, since the cuts decide the rounding.
int64_t weight_grad_ranges(int64_t elements, int64_t out_rows) {
    const int64_t by_memory = (int64_t{1} << 23) / std::max<int64_t>(elements, 1);
    return std::clamp<int64_t>(std::min(by_memory, out_rows / 4096), 1, 16);
}

template <class T>
void weight_grad(const Map& map, const T* feats, int64_t cin, const T* grad, int64_t cout, T* out, T* workspace,
                 int64_t threads) {
    const Kernels<T>& kernel = kernels<T>();
    const int64_t padded = round_up(cout, kernel.vector), size = map.n_offsets * cin * padded;
    const int64_t ranges = weight_grad_ranges(map.n_offsets * cin * round_up(cout, 64 / sizeof(T)), map.out_rows);
    const int64_t rows = map.block_rows(128, (cin + padded) * sizeof(T), 1 << 18);
    const int64_t range_rows = round_up((map.out_rows + ranges - 1) / ranges, rows);
    prefer_large_pages(workspace, ranges * size * sizeof(T));
    // Threads beyond the ranges share a range's offsets out; that changes no sum.
    const int64_t shares = std::min<int64_t>(map.n_offsets, threads <= 1 ? 1 : (4 * threads + ranges - 1) / ranges);
    std::atomic<int64_t> seen{0};
    parallel_tasks(threads, ranges * shares, [&](int64_t task, int64_t) {
        const int64_t range = task / shares, share = task % shares;
        const int64_t k0 = map.n_offsets * share / shares, k1 = map.n_offsets * (share + 1) / shares;
        const int64_t first = std::min(map.out_rows, range * range_rows), last = std::min(map.out_rows, first + range_rows);
        T* partial = workspace + range * size;
        std::memset(partial + k0 * cin * padded, 0, (k1 - k0) * cin * padded * sizeof(T));
        std::vector<T> spare(padded == cout ? 0 : rows * padded);  // zeros beyond the channels there are
        Walk walk(map, first, k0, k1);
        for (int64_t row = first; row < last; row += rows) {
            const int64_t end = std::min(last, row + rows);
            for (int64_t r = row; r < end && !spare.empty(); ++r)
                std::memcpy(spare.data() + (r - row) * padded, grad + r * cout, cout * sizeof(T));
            kernel.weight_grad({walk.next(row, end), feats, cin, spare.empty() ? grad + row * cout : spare.data(),
                                padded, padded, partial});
        }
        seen += walk.seen();
    });
    check_seen(map, seen);
    parallel_tasks(threads, map.n_offsets, [&](int64_t k, int64_t) {
        for (int64_t c = k * cin; c < (k + 1) * cin; ++c)
            for (int64_t o = 0; o < cout; ++o) {
                T sum = workspace[c * padded + o];
                for (int64_t range = 1; range < ranges; ++range) sum += workspace[range * size + c * padded + o];
                out[c * cout + o] = sum;
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
            pcseg::pack(static_cast<const T*>(weight), weight_k, weight_in, weight_out, n_offsets, cin, cout,
                        static_cast<T*>(packed), threads);
            pcseg::convolve(map, static_cast<const T*>(feats), cin, static_cast<const T*>(packed),
                            static_cast<T*>(out), cout,
                            {static_cast<const T*>(scale), static_cast<const T*>(shift),
                             static_cast<const T*>(residual)}, threads);
        };
        dtype == PCSEG_FLOAT64 ? run(double{}) : run(float{});
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
                               static_cast<T*>(weight_grad), static_cast<T*>(workspace), threads);
        };
        dtype == PCSEG_FLOAT64 ? run(double{}) : run(float{});
    });
}
