// What sparse_conv.cpp hands to the kernels of one instruction set. Plain data: see CMakeLists.txt on headers.
#pragma once
#include <stdint.h>

namespace pcseg {

// One block of output rows of a map: for offset k, the pairs begin[k] to end[k] have their output rows in the block.
struct Runs {
    const int32_t* rows_in;
    const int32_t* rows_out;
    const int64_t* begin;
    const int64_t* end;
    int64_t first_offset, last_offset;  // offsets [first, last)
    int64_t row0;                       // first output row of the block
};

template <class T>
struct ConvBlock {
    Runs runs;
    const T* feats;  // (rows, cin)
    int64_t cin;
    const T* packed;     // per offset: panels of 2 vectors of output channels, the last perhaps of 1; each (cin, width)
    int64_t padded;      // output channels rounded up to whole vectors
    T* out;              // row0's row
    int64_t out_stride;  // at least `padded`
};

// Finished sums of some rows on their way out: to = relu(from * scale + shift + residual). `to` may be `from`.
template <class T>
struct FinishBlock {
    const T* from;
    int64_t from_stride;
    T* to;  // (rows, channels)
    int64_t rows, channels;
    const T* scale;     // (channels)
    const T* shift;     // (channels)
    const T* residual;  // (rows, channels), or NULL
};

template <class T>
struct WeightGradBlock {
    Runs runs;
    const T* feats;
    int64_t cin;
    const T* grad;  // row0's row
    int64_t grad_stride;
    int64_t padded;
    T* partial;  // (offsets, cin, padded), added to
};

template <class T>
struct Kernels {
    int64_t vector;  // elements of one vector
    void (*conv)(const ConvBlock<T>&);
    void (*finish)(const FinishBlock<T>&);
    void (*weight_grad)(const WeightGradBlock<T>&);
};

// One pair of tables for each instruction set, from the file of that name.
struct KernelTable {
    Kernels<float> f32;
    Kernels<double> f64;
};
extern const KernelTable sparse_conv_plain;
#if defined(__x86_64__)
extern const KernelTable sparse_conv_avx2;
extern const KernelTable sparse_conv_avx512;
#endif

}  // namespace pcseg
