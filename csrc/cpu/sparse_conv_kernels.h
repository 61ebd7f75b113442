// The kernels of sparse convolution on a block of rows; sparse_conv_<isa>.cpp compiles them for its instruction set by
// defining VECTOR_BYTES and TILE_ROWS. Includes no C++ library header (see CMakeLists.txt).
#include "sparse_conv_tiles.h"

namespace pcseg {
namespace {

constexpr int64_t kDepth = 128;  // terms of input channels of a panel of weights in the cache at a time
constexpr int64_t kPrefetch = 24;  // pairs to look ahead
constexpr int64_t kPrefetchLines = 8;

// Runs ahead over the pairs of a block and prefetches their rows.
template <class T>
class Prefetcher {
   public:
    Prefetcher(const Runs& runs, const Term<T>* feats, int64_t terms)
        : runs_(runs), feats_(feats), terms_(terms), offset_(runs.first_offset), pair_(runs.begin[offset_]) {
        lines_ = (terms * static_cast<int64_t>(sizeof(Term<T>)) + 63) / 64;
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
                const char* row = reinterpret_cast<const char*>(feats_ + runs_.rows_in[i] * terms_);
                for (int64_t line = 0; line < lines_; ++line) __builtin_prefetch(row + 64 * line);
            }
            pair_ += count;
            pairs -= count;
        }
    }

   private:
    const Runs& runs_;
    const Term<T>* feats_;
    int64_t terms_, offset_, pair_, lines_;
};

template <class T>
void conv_block(const ConvBlock<T>& block) {
    static const Table<T> table;
    constexpr int64_t width = VectorOf<T>::size;
    const Runs& runs = block.runs;
    Prefetcher<T> prefetcher(runs, block.feats, block.terms);
    Sum<T>* out = block.out - runs.row0 * block.out_stride;
    for (int64_t k = runs.first_offset; k < runs.last_offset; ++k) {
        const int64_t pairs = runs.end[k] - runs.begin[k];
        if (pairs == 0) continue;
        const int32_t* rows_in = runs.rows_in + runs.begin[k];
        const int32_t* rows_out = runs.rows_out + runs.begin[k];
        const Term<T>* weights = block.packed + k * block.terms * block.padded;
        for (int64_t c = 0; c < block.terms; c += kDepth) {
            const int64_t depth = block.terms - c < kDepth ? block.terms - c : kDepth;
            for (int64_t column = 0; column < block.padded; column += 2 * width) {
                const int64_t vectors = block.padded - column > width ? 2 : 1;
                const Term<T>* panel = weights + column * block.terms + c * vectors * width;
                const bool first = c == 0 && column == 0;
                for_each_tile(pairs, [&](int64_t pair, int64_t count) {
                    if (first) prefetcher.advance(count);
                    table.conv[vectors - 1][count - 1](block.feats + c, block.terms, depth, rows_in + pair, panel,
                                                       out + column, block.out_stride, rows_out + pair);
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
    int32_t in_order[kPiece / 2];  // the rows of a piece once it is interleaved
    for (int32_t p = 0; p < kPiece / 2; ++p) in_order[p] = p;
    for (int64_t k = runs.first_offset; k < runs.last_offset; ++k) {
        Sum<T>* partial = block.partial + k * block.cin * block.padded;
        // Pieces of pairs whose rows of both sides fit into the L1 cache.
        const int64_t bytes = (block.cin + block.padded) * static_cast<int64_t>(sizeof(T));
        const int64_t piece = bytes > 512 ? kPiece / 2 : kPiece;
        for (int64_t p = runs.begin[k]; p < runs.end[k]; p += piece) {
            int64_t pairs = runs.end[k] - p < piece ? runs.end[k] - p : piece;
            const int32_t *rows_in = runs.rows_in + p, *rows_out = runs.rows_out + p;
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
            for (int64_t column = 0; column < block.padded; column += 2 * width) {
                const int64_t vectors = block.padded - column > width ? 2 : 1;
                for_each_tile(block.cin, [&](int64_t c, int64_t count) {
                    table.weight_grad[vectors - 1][count - 1](
                        from + c, block.cin, rows_in, to + column, block.grad_stride, rows_out, pairs,
                        partial + c * block.padded + column, block.padded);
                });
            }
        }
    }
}

template <class T>
constexpr Kernels<T> kernels = {VectorOf<T>::size, conv_block<T>, finish_block<T>, weight_grad_block<T>};

}  // namespace
}  // namespace pcseg
