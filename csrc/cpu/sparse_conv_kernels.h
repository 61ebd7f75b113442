// The kernels of sparse convolution on a block of rows; sparse_conv_<isa>.cpp compiles them for its instruction set by
// defining VECTOR_BYTES, TILE_ROWS and MOST_VECTORS. Includes no C++ library header (see CMakeLists.txt).
#include "sparse_conv_tiles.h"

namespace pcseg {
namespace {

constexpr int64_t kDepth = 128;  // terms of input channels of a panel of weights in the cache at a time
constexpr int64_t kLine = 64;    // bytes of a cache line
constexpr int64_t kPrefetchLines = 8;

inline int64_t lines_of(int64_t bytes) { return (bytes + kLine - 1) / kLine; }

// Vectors of the panel of output channels that begins at `column` of `padded`.
template <class T>
int64_t panel_vectors(int64_t padded, int64_t column) {
    const int64_t left = (padded - column) / VectorOf<T>::size;
    return left < MOST_VECTORS ? left : MOST_VECTORS;
}

inline int64_t bad_offset(const Runs& runs, int64_t in_rows, int64_t out_rows) {
    const uint32_t most_in = static_cast<uint32_t>(in_rows), most_out = static_cast<uint32_t>(out_rows);
    for (int64_t k = runs.first_offset; k < runs.last_offset; ++k) {
        const int64_t pairs = runs.end[k] - runs.begin[k];
        if (pairs == 0) continue;
        const int32_t *in = runs.rows_in + runs.begin[k], *out = runs.rows_out + runs.begin[k];
        const uint32_t last = static_cast<uint32_t>(out[pairs - 1] - runs.row0);
        uint32_t bad = out[0] < runs.row0 || last >= most_out || static_cast<uint32_t>(in[0]) >= most_in;
        for (int64_t p = 1; p < pairs; ++p) bad |= static_cast<uint32_t>(in[p]) >= most_in || out[p] <= out[p - 1];
        if (bad) return k;
    }
    return -1;
}

template <class T>
void conv_block(const ConvBlock<T>& block) {
    static const Table<T> table;
    constexpr int64_t width = VectorOf<T>::size;
    const Runs& runs = block.runs;
    Sum<T>* out = block.out - runs.row0 * block.out_stride;
    const int64_t row_lines = lines_of(block.terms * sizeof(Term<T>));
    for (int64_t k = runs.first_offset; k < runs.last_offset; ++k) {
        const int64_t pairs = runs.end[k] - runs.begin[k];
        if (pairs == 0) continue;
        const int32_t* rows_in = runs.rows_in + runs.begin[k];
        const int32_t* rows_out = runs.rows_out + runs.begin[k];
        // Rows to prefetch after the last tile. It reads as many as a tile has, so at most all pairs from here on and
        // then as many output rows, which lie behind; what is not of the next tile is prefetched in vain.
        const int32_t* next = runs.rows_in + runs.begin[k + 1 < runs.last_offset ? k + 1 : k];
        const Term<T>* weights = block.packed + k * block.terms * block.padded;
        for (int64_t c = 0; c < block.terms; c += kDepth) {
            const int64_t depth = block.terms - c < kDepth ? block.terms - c : kDepth;
            for (int64_t column = 0; column < block.padded; column += MOST_VECTORS * width) {
                const int64_t vectors = panel_vectors<T>(block.padded, column);
                const Term<T>* panel = weights + column * block.terms + c * vectors * width;
                const bool first = c == 0 && column == 0;
                const int64_t lines = !first ? 0 : row_lines < kPrefetchLines ? row_lines : kPrefetchLines;
                for_each_tile(pairs, tile_rows(vectors), [&](int64_t pair, int64_t count) {
                    const int32_t* ahead = pair + count < pairs ? rows_in + pair + count : next;
                    table.conv[vectors - 1][count - 1](block.feats + c, block.terms, depth, rows_in + pair, panel,
                                                       out + column, block.out_stride, rows_out + pair, ahead, lines);
                });
            }
        }
    }
}

// Plain loops, which the compiler vectorizes. A NaN stays NaN, as in torch's relu.
template <class T>
void finish_block(const FinishBlock<T>& block) {
    for (int64_t r = 0; r < block.rows; ++r) {
        const Sum<T>* from = block.from + r * block.from_stride;
        const T* residual = block.residual == nullptr ? nullptr : block.residual + r * block.channels;
        T* to = block.to + r * block.channels;
        if (block.scale == nullptr) {
            for (int64_t o = 0; o < block.channels; ++o) store(from[o], to[o]);
            continue;
        }
#pragma GCC ivdep
        for (int64_t o = 0; o < block.channels; ++o) {
            Sum<T> value = from[o] * block.scale[o] + block.shift[o];
            if (residual != nullptr) value += wide(residual[o]);
            store(value < 0 ? Sum<T>(0) : value, to[o]);
        }
    }
}

template <class T>
void weight_grad_block(const WeightGradBlock<T>& block) {
    static const Table<T> table;
    constexpr int64_t width = VectorOf<T>::size;
    const Runs& runs = block.runs;
    const T* grad = block.grad - runs.row0 * block.grad_stride;
    const int64_t in_bytes = block.cin * sizeof(T), out_bytes = block.grad_stride * sizeof(T);
    const int64_t in_lines = lines_of(in_bytes), lines = in_lines + lines_of(out_bytes);
    const int64_t prefetched = lines <= kPrefetchLines ? lines : 0;  // longer rows come fast enough
    const char* out_lines = reinterpret_cast<const char*>(grad);
    int32_t in_order[kPiece / 2];  // the rows of a piece once it is interleaved
    for (int32_t p = 0; p < kPiece / 2; ++p) in_order[p] = p;
    for (int64_t k = runs.first_offset; k < runs.last_offset; ++k) {
        Sum<T>* partial = block.partial + k * block.cin * block.padded;
        for_each_tile(runs.end[k] - runs.begin[k], kPiece, [&](int64_t pair, int64_t pairs) {
            const int64_t p = runs.begin[k] + pair, next = p + 2 * pairs <= runs.end[k] ? p + pairs : p;
            const int32_t *rows_in = runs.rows_in + p, *rows_out = runs.rows_out + p;
            const int32_t *ahead_in = runs.rows_in + next, *ahead_out = runs.rows_out + next;
            const Term<T> *from, *to;
            if constexpr (kNumbers<T> == 1) {
                from = block.feats, to = grad;
            } else {  // a term is a channel of two pairs: interleave() of the instruction set's file
                interleave(block.feats, block.cin, rows_in, pairs, block.workspace);
                interleave(grad, block.grad_stride, rows_out, pairs, block.workspace + kPiece / 2 * block.cin);
                from = block.workspace, to = block.workspace + kPiece / 2 * block.cin;
                rows_in = rows_out = in_order;
                pairs = (pairs + 1) / 2;
            }
            int64_t line = 0;  // of the rows of the next piece, to be prefetched by the tile
            for (int64_t column = 0; column < block.padded; column += MOST_VECTORS * width) {
                const int64_t vectors = panel_vectors<T>(block.padded, column);
                for_each_tile(block.cin, tile_rows(vectors), [&](int64_t c, int64_t count) {
                    Ahead ahead = {reinterpret_cast<const char*>(block.feats), 0, ahead_in};  // the same line: none
                    if (line < prefetched)
                        ahead = line < in_lines ? Ahead{ahead.from + kLine * line, in_bytes, ahead_in}
                                                : Ahead{out_lines + kLine * (line - in_lines), out_bytes, ahead_out};
                    ++line;
                    table.weight_grad[vectors - 1][count - 1](
                        from + c, block.cin, rows_in, to + column, block.grad_stride, rows_out, pairs,
                        partial + c * block.padded + column, block.padded, ahead);
                });
            }
        });
    }
}

template <class T>
constexpr Kernels<T> kernels = {VectorOf<T>::size, MOST_VECTORS,  bad_offset,
                                conv_block<T>,     finish_block<T>, weight_grad_block<T>};

}  // namespace
}  // namespace pcseg
