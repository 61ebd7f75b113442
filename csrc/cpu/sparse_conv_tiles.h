// The innermost loops of sparse convolution, written once with vector types for all instruction sets and types.
// Includes no C++ library header (see CMakeLists.txt).
//
// A tile keeps up to TILE_ROWS rows x 2 vectors of sums in registers, or fewer rows of 3 or 4 vectors (tile_rows).
// For output channel o and row m, products are added in the order (offset, input channel), whatever the tile, the block
// or the thread.
#include "sparse_conv.h"

namespace pcseg {
namespace {

// A vector of sums, or of as many terms, which have the same size.
template <class T>
struct VectorOf {
    typedef Sum<T> type __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(T)), may_alias));
    static constexpr int64_t size = VECTOR_BYTES / sizeof(Sum<T>);
};

// Returns sum + term * terms. For Bfloat16Pair it is defined in the file of the instruction set.
template <class Vector, class T>
inline __attribute__((always_inline)) Vector add_product(Vector sum, T term, Vector terms) {
    return sum + term * terms;
}

// out[rows_out[i]][0..] += feats[rows_in[i]][:depth] @ weights, for ROWS pairs and VECTORS vectors of channels. The
// first `lines` cache lines of the input rows ahead[:ROWS] are prefetched: those of the next tile, as a rule.
template <class T, int ROWS, int VECTORS>
void conv_tile(const Term<T>* feats, int64_t terms, int64_t depth, const int32_t* rows_in, const Term<T>* weights,
               Sum<T>* out, int64_t out_stride, const int32_t* rows_out, const int32_t* ahead, int64_t lines) {
    using Vector = typename VectorOf<T>::type;
    constexpr int64_t width = VectorOf<T>::size;
    Vector sum[ROWS][VECTORS];
    const Term<T>* row[ROWS];
    Sum<T>* to[ROWS];
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
        row[i] = feats + rows_in[i] * terms + depth;
        to[i] = out + rows_out[i] * out_stride;
#pragma GCC unroll 4
        for (int j = 0; j < VECTORS; ++j) sum[i][j] = *reinterpret_cast<const Vector*>(to[i] + j * width);
    }
    for (int i = 0; i < ROWS && lines > 0; ++i) {
        const char* next = reinterpret_cast<const char*>(feats + ahead[i] * terms);
        __builtin_prefetch(next);
        for (int64_t line = 1; line < lines; ++line) __builtin_prefetch(next + 64 * line);
    }
    for (int64_t c = -depth; c < 0; ++c) {
        Vector weight[VECTORS];
#pragma GCC unroll 4
        for (int j = 0; j < VECTORS; ++j) weight[j] = *reinterpret_cast<const Vector*>(weights + j * width);
        weights += VECTORS * width;
#pragma GCC unroll 16
        for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 4
            for (int j = 0; j < VECTORS; ++j) sum[i][j] = add_product(sum[i][j], row[i][c], weight[j]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 4
        for (int j = 0; j < VECTORS; ++j) *reinterpret_cast<Vector*>(to[i] + j * width) = sum[i][j];
    }
}

// Cache lines to prefetch, that of pair p at from + rows[p] * bytes.
struct Ahead {
    const char* from;
    int64_t bytes;
    const int32_t* rows;
};

// partial[c][0..] += sum over pairs of feats[rows_in[p]][c] * grad[rows_out[p]][0..], for ROWS input channels c.
template <class T, int ROWS, int VECTORS>
void weight_grad_tile(const Term<T>* feats, int64_t cin, const int32_t* rows_in, const Term<T>* grad,
                      int64_t grad_stride, const int32_t* rows_out, int64_t pairs, Sum<T>* partial, int64_t padded,
                      Ahead ahead) {
    using Vector = typename VectorOf<T>::type;
    constexpr int64_t width = VectorOf<T>::size;
    Vector sum[ROWS][VECTORS];
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 4
        for (int j = 0; j < VECTORS; ++j)
            sum[i][j] = *reinterpret_cast<const Vector*>(partial + i * padded + j * width);
    }
    for (int64_t p = 0; p < pairs; ++p) {
        const Term<T>* from = feats + rows_in[p] * cin;
        const Term<T>* to = grad + rows_out[p] * grad_stride;
        __builtin_prefetch(ahead.from + ahead.rows[p] * ahead.bytes);
        Vector value[VECTORS];
#pragma GCC unroll 4
        for (int j = 0; j < VECTORS; ++j) value[j] = *reinterpret_cast<const Vector*>(to + j * width);
#pragma GCC unroll 16
        for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 4
            for (int j = 0; j < VECTORS; ++j) sum[i][j] = add_product(sum[i][j], from[i], value[j]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 4
        for (int j = 0; j < VECTORS; ++j)
            *reinterpret_cast<Vector*>(partial + i * padded + j * width) = sum[i][j];
    }
}

template <class T>
using ConvTile = void (*)(const Term<T>*, int64_t, int64_t, const int32_t*, const Term<T>*, Sum<T>*, int64_t,
                          const int32_t*, const int32_t*, int64_t);
template <class T>
using WeightGradTile = void (*)(const Term<T>*, int64_t, const int32_t*, const Term<T>*, int64_t, const int32_t*,
                                int64_t, Sum<T>*, int64_t, Ahead);

// The most rows of a tile of so many vectors.
constexpr int64_t tile_rows(int64_t vectors) {
    return vectors <= 2 ? TILE_ROWS : vectors == 3 ? 2 * TILE_ROWS / 3 : TILE_ROWS / 2;
}

// Tiles by vectors - 1 and rows - 1.
template <class T>
struct Table {
    ConvTile<T> conv[MOST_VECTORS][TILE_ROWS];
    WeightGradTile<T> weight_grad[MOST_VECTORS][TILE_ROWS];
    Table() { fill<MOST_VECTORS, tile_rows(MOST_VECTORS)>(); }

   private:
    template <int VECTORS, int ROWS>
    void fill() {
        conv[VECTORS - 1][ROWS - 1] = conv_tile<T, ROWS, VECTORS>;
        weight_grad[VECTORS - 1][ROWS - 1] = weight_grad_tile<T, ROWS, VECTORS>;
        if constexpr (ROWS > 1)
            fill<VECTORS, ROWS - 1>();
        else if constexpr (VECTORS > 1)
            fill<VECTORS - 1, tile_rows(VECTORS - 1)>();
    }
};

// Calls body(first, count) over [0, size) in tiles of nearly equal size, none above `most`: an almost empty last tile
// would cost as much time as a full one. Divides in 32 bits and for all tiles at once: older processors divide slowly.
template <class Body>
void for_each_tile(int64_t size, int64_t most, Body body) {
    if (size == 0) return;
    const uint32_t all = static_cast<uint32_t>(size), per_tile = static_cast<uint32_t>(most);
    const uint32_t tiles = (all + per_tile - 1) / per_tile, least = all / tiles, larger = all - least * tiles;
    uint32_t first = 0;
    for (uint32_t t = 0; t < tiles; ++t) {
        const uint32_t count = least + (t < larger);
        body(first, count);
        first += count;
    }
}

}  // namespace
}  // namespace pcseg
