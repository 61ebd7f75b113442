// The innermost loops of sparse convolution, written once with vector types for all instruction sets and types.
// Includes no C++ library header (see CMakeLists.txt).
//
// A tile keeps TILE_ROWS x 2 vectors of sums in registers. For output channel o and row m, products are added in the
// order (offset, input channel), whatever the tile, the block or the thread.
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

// out[rows_out[i]][0..] += feats[rows_in[i]][:depth] @ weights, for ROWS pairs and VECTORS vectors of channels.
template <class T, int ROWS, int VECTORS>
void conv_tile(const Term<T>* feats, int64_t terms, int64_t depth, const int32_t* rows_in, const Term<T>* weights,
               Sum<T>* out, int64_t out_stride, const int32_t* rows_out) {
    using Vector = typename VectorOf<T>::type;
    constexpr int64_t width = VectorOf<T>::size;
    Vector sum[ROWS][VECTORS];
    const Term<T>* row[ROWS];
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i) {
        row[i] = feats + rows_in[i] * terms;
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
            for (int j = 0; j < VECTORS; ++j) sum[i][j] = add_product(sum[i][j], row[i][c], weight[j]);
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
void weight_grad_tile(const Term<T>* feats, int64_t cin, const int32_t* rows_in, const Term<T>* grad,
                      int64_t grad_stride, const int32_t* rows_out, int64_t pairs, Sum<T>* partial, int64_t padded) {
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
        const Term<T>* from = feats + rows_in[p] * cin;
        const Term<T>* to = grad + rows_out[p] * grad_stride;
        Vector value[VECTORS];
#pragma GCC unroll 2
        for (int j = 0; j < VECTORS; ++j) value[j] = *reinterpret_cast<const Vector*>(to + j * width);
#pragma GCC unroll 16
        for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 2
            for (int j = 0; j < VECTORS; ++j) sum[i][j] = add_product(sum[i][j], from[i], value[j]);
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
using ConvTile = void (*)(const Term<T>*, int64_t, int64_t, const int32_t*, const Term<T>*, Sum<T>*, int64_t,
                          const int32_t*);
template <class T>
using WeightGradTile = void (*)(const Term<T>*, int64_t, const int32_t*, const Term<T>*, int64_t, const int32_t*,
                                int64_t, Sum<T>*, int64_t);

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

}  // namespace
}  // namespace pcseg
