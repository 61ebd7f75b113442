// The micro-kernels of sparse convolution, written once in vector types; sparse_conv_<isa>.cpp compiles them for its
// instruction set by defining VECTOR_BYTES and TILE_ROWS. Includes no C++ library header (see CMakeLists.txt).
//
// A tile keeps TILE_ROWS x 2 vectors of sums in registers. For output channel o and row m, products are added in the
// order (offset, input channel), whatever the tile, the block or the thread.
#include "sparse_conv.h"

namespace pcseg {
namespace {

template <class T>
struct VectorOf {
    typedef T type __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(T)), may_alias));
    static constexpr int64_t size = VECTOR_BYTES / sizeof(T);
};

constexpr int64_t kDepth = 128;      // input channels a panel of weights has in cache at a time
constexpr int64_t kPrefetch = 24;    // pairs to look ahead
constexpr int64_t kPrefetchLines = 8;

// Walks over the pairs of a block ahead of the work and asks for their rows.
template <class T>
class Prefetcher {
   public:
    Prefetcher(const Runs& runs, const T* feats, int64_t cin)
        : runs_(runs), feats_(feats), cin_(cin), offset_(runs.first_offset), pair_(runs.begin[offset_]) {
        lines_ = (cin * static_cast<int64_t>(sizeof(T)) + 63) / 64;
        if (lines_ > kPrefetchLines) lines_ = kPrefetchLines;
        advance(kPrefetch);
    }

    void advance(int64_t pairs) {
        while (pairs > 0) {
            while (pair_ >= runs_.end[offset_]) {
                if (offset_ + 1 >= runs_.last_offset) return;
                pair_ = runs_.begin[++offset_];
            }
            int64_t count = runs_.end[offset_] - pair_;
            if (count > pairs) count = pairs;
            for (int64_t i = pair_; i < pair_ + count; ++i) {
                const char* row = reinterpret_cast<const char*>(feats_ + runs_.rows_in[i] * cin_);
                for (int64_t line = 0; line < lines_; ++line) __builtin_prefetch(row + 64 * line);
            }
            pair_ += count;
            pairs -= count;
        }
    }

   private:
    const Runs& runs_;
    const T* feats_;
    int64_t cin_, offset_, pair_, lines_;
};

// out[rows_out[i]][0..] += feats[rows_in[i]][:depth] @ weights, for ROWS pairs and VECTORS vectors of channels.
template <class T, int ROWS, int VECTORS>
void conv_tile(const T* feats, int64_t cin, int64_t depth, const int32_t* rows_in, const T* weights, T* out,
               int64_t out_stride, const int32_t* rows_out) {
    using Vector = typename VectorOf<T>::type;
    constexpr int64_t width = VectorOf<T>::size;
    Vector sum[ROWS][VECTORS];
    const T* row[ROWS];
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
        row[i] = feats + rows_in[i] * cin;
#pragma GCC unroll 2
        for (int j = 0; j < VECTORS; ++j)
            sum[i][j] = *reinterpret_cast<const Vector*>(out + rows_out[i] * out_stride + j * width);
    }
    for (int64_t c = 0; c < depth; ++c) {
        Vector weight[VECTORS];
#pragma GCC unroll 2
        for (int j = 0; j < VECTORS; ++j) weight[j] = *reinterpret_cast<const Vector*>(weights + j * width);
        weights += VECTORS * width;
#pragma GCC unroll 16
        for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 2
            for (int j = 0; j < VECTORS; ++j) sum[i][j] += row[i][c] * weight[j];
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 2
        for (int j = 0; j < VECTORS; ++j)
            *reinterpret_cast<Vector*>(out + rows_out[i] * out_stride + j * width) = sum[i][j];
    }
}

// partial[c][0..] += sum over pairs of feats[rows_in[p]][c] * grad[rows_out[p]][0..], for ROWS input channels c.
template <class T, int ROWS, int VECTORS>
void weight_grad_tile(const T* feats, int64_t cin, const int32_t* rows_in, const T* grad, int64_t grad_stride,
                      const int32_t* rows_out, int64_t pairs, T* partial, int64_t padded) {
    using Vector = typename VectorOf<T>::type;
    constexpr int64_t width = VectorOf<T>::size;
    Vector sum[ROWS][VECTORS];
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 2
        for (int j = 0; j < VECTORS; ++j)
            sum[i][j] = *reinterpret_cast<const Vector*>(partial + i * padded + j * width);
    }
    for (int64_t p = 0; p < pairs; ++p) {
        const T* from = feats + rows_in[p] * cin;
        const T* to = grad + rows_out[p] * grad_stride;
        Vector value[VECTORS];
#pragma GCC unroll 2
        for (int j = 0; j < VECTORS; ++j) value[j] = *reinterpret_cast<const Vector*>(to + j * width);
#pragma GCC unroll 16
        for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 2
            for (int j = 0; j < VECTORS; ++j) sum[i][j] += from[i] * value[j];
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 2
        for (int j = 0; j < VECTORS; ++j)
            *reinterpret_cast<Vector*>(partial + i * padded + j * width) = sum[i][j];
    }
}

template <class T>
using ConvTile = void (*)(const T*, int64_t, int64_t, const int32_t*, const T*, T*, int64_t, const int32_t*);
template <class T>
using WeightGradTile = void (*)(const T*, int64_t, const int32_t*, const T*, int64_t, const int32_t*, int64_t, T*,
                                int64_t);

// tiles[vectors - 1][rows - 1], for every number of rows up to TILE_ROWS.
template <class T, int ROWS>
struct Tiles {
    static void fill(ConvTile<T> (*conv)[TILE_ROWS], WeightGradTile<T> (*weight_grad)[TILE_ROWS]) {
        conv[0][ROWS - 1] = conv_tile<T, ROWS, 1>;
        conv[1][ROWS - 1] = conv_tile<T, ROWS, 2>;
        weight_grad[0][ROWS - 1] = weight_grad_tile<T, ROWS, 1>;
        weight_grad[1][ROWS - 1] = weight_grad_tile<T, ROWS, 2>;
        Tiles<T, ROWS - 1>::fill(conv, weight_grad);
    }
};
template <class T>
struct Tiles<T, 0> {
    static void fill(ConvTile<T> (*)[TILE_ROWS], WeightGradTile<T> (*)[TILE_ROWS]) {}
};

template <class T>
struct Table {
    ConvTile<T> conv[2][TILE_ROWS];
    WeightGradTile<T> weight_grad[2][TILE_ROWS];
    Table() { Tiles<T, TILE_ROWS>::fill(conv, weight_grad); }
};

// Calls body(first, count) over [0, size) in tiles of nearly equal size, none above TILE_ROWS: an almost empty last
// tile would cost as much time as a full one.
template <class Body>
void for_each_tile(int64_t size, Body body) {
    const int64_t tiles = (size + TILE_ROWS - 1) / TILE_ROWS;
    for (int64_t t = 0, first = 0; t < tiles; ++t) {
        const int64_t count = (size - first + tiles - t - 1) / (tiles - t);
        body(first, count);
        first += count;
    }
}

template <class T>
void conv_block(const ConvBlock<T>& block) {
    static const Table<T> table;
    constexpr int64_t width = VectorOf<T>::size;
    const Runs& runs = block.runs;
    Prefetcher<T> prefetcher(runs, block.feats, block.cin);
    T* out = block.out - runs.row0 * block.out_stride;
    for (int64_t k = runs.first_offset; k < runs.last_offset; ++k) {
        const int64_t pairs = runs.end[k] - runs.begin[k];
        if (pairs == 0) continue;
        const int32_t* rows_in = runs.rows_in + runs.begin[k];
        const int32_t* rows_out = runs.rows_out + runs.begin[k];
        const T* weights = block.packed + k * block.cin * block.padded;
        for (int64_t c = 0; c < block.cin; c += kDepth) {
            const int64_t depth = block.cin - c < kDepth ? block.cin - c : kDepth;
            for (int64_t column = 0; column < block.padded; column += 2 * width) {
                const int64_t vectors = block.padded - column > width ? 2 : 1;
                const T* panel = weights + column * block.cin + c * vectors * width;
                const bool first = c == 0 && column == 0;
                for_each_tile(pairs, [&](int64_t pair, int64_t count) {
                    if (first) prefetcher.advance(count);
                    table.conv[vectors - 1][count - 1](block.feats + c, block.cin, depth, rows_in + pair, panel,
                                                       out + column, block.out_stride, rows_out + pair);
                });
            }
        }
    }
}

// In plain loops, which the compiler turns into vectors. A sum that is not a number stays so, as in torch's relu.
template <class T>
void finish_block(const FinishBlock<T>& block) {
    for (int64_t r = 0; r < block.rows; ++r) {
        const T* from = block.from + r * block.from_stride;
        const T* residual = block.residual == nullptr ? nullptr : block.residual + r * block.channels;
        T* to = block.to + r * block.channels;
#pragma GCC ivdep
        for (int64_t o = 0; o < block.channels; ++o) {
            T value = from[o] * block.scale[o] + block.shift[o];
            if (residual != nullptr) value += residual[o];
            to[o] = value < 0 ? T(0) : value;
        }
    }
}

template <class T>
void weight_grad_block(const WeightGradBlock<T>& block) {
    static const Table<T> table;
    constexpr int64_t width = VectorOf<T>::size;
    const Runs& runs = block.runs;
    const T* grad = block.grad - runs.row0 * block.grad_stride;
    for (int64_t k = runs.first_offset; k < runs.last_offset; ++k) {
        T* partial = block.partial + k * block.cin * block.padded;
        // Pairs in pieces whose rows of both sides fit into the first cache.
        const int64_t bytes = (block.cin + block.padded) * static_cast<int64_t>(sizeof(T));
        const int64_t piece = bytes > 512 ? 64 : 128;
        for (int64_t p = runs.begin[k]; p < runs.end[k]; p += piece) {
            const int64_t pairs = runs.end[k] - p < piece ? runs.end[k] - p : piece;
            for (int64_t column = 0; column < block.padded; column += 2 * width) {
                const int64_t vectors = block.padded - column > width ? 2 : 1;
                for_each_tile(block.cin, [&](int64_t c, int64_t count) {
                    table.weight_grad[vectors - 1][count - 1](
                        block.feats + c, block.cin, runs.rows_in + p, grad + column, block.grad_stride,
                        runs.rows_out + p, pairs, partial + c * block.padded + column, block.padded);
                });
            }
        }
    }
}

template <class T>
constexpr Kernels<T> kernels = {VectorOf<T>::size, conv_block<T>, finish_block<T>, weight_grad_block<T>};
constexpr KernelTable kernel_table = {kernels<float>, kernels<double>};

}  // namespace
}  // namespace pcseg
