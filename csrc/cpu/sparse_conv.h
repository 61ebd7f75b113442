// Arguments that sparse_conv.cpp passes to the kernels of one instruction set. Plain data: see CMakeLists.txt on
// headers.
#pragma once
#include <stdint.h>

namespace pcseg {

struct Bfloat16 {
    uint16_t bits;
};
struct Bfloat16Pair {
    Bfloat16 first, second;
};

// Numbers stored as T are multiplied as Terms of one or two numbers, and the products are added in a Sum.
template <class T>
struct Arithmetic {
    typedef T Term;
    typedef T Sum;
};
template <>
struct Arithmetic<Bfloat16> {
    typedef Bfloat16Pair Term;
    typedef float Sum;
};
template <class T>
using Term = typename Arithmetic<T>::Term;
template <class T>
using Sum = typename Arithmetic<T>::Sum;
template <class T>
constexpr int64_t kNumbers = sizeof(Term<T>) / sizeof(T);  // numbers in a term

static inline float wide(float value) { return value; }
static inline double wide(double value) { return value; }
static inline float wide(Bfloat16 value) {
    const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
    float result;
    __builtin_memcpy(&result, &bits, sizeof(result));
    return result;
}
static inline void store(float value, float& to) { to = value; }
static inline void store(double value, double& to) { to = value; }
static inline void store(float value, Bfloat16& to) {  // to nearest, ties to even
    uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof(bits));
    to.bits = value == value ? (bits + 0x7fff + (bits >> 16 & 1)) >> 16 : 0x7fc0;
}

// One block of output rows of a map: for offset k, the pairs begin[k] to end[k] have their output rows in the block.
struct Runs {
    const int32_t* rows_in;
    const int32_t* rows_out;  // directly behind rows_in in memory, on which prefetching relies
    const int64_t* begin;
    const int64_t* end;
    int64_t first_offset, last_offset;  // offsets [first, last)
    int64_t row0;                       // first output row of the block
};

template <class T>
struct ConvBlock {
    Runs runs;
    const Term<T>* feats;  // (rows, terms)
    int64_t terms;         // input channels, in terms
    const Term<T>* packed;  // per offset: panels (terms, width) of most_vectors vectors of channels, the last less
    int64_t padded;         // output channels rounded up to whole vectors
    Sum<T>* out;            // row0's row
    int64_t out_stride;     // at least `padded`
};

// Finished sums of some rows and their output: to = relu(from * scale + shift + residual). `to` may be `from`.
template <class T>
struct FinishBlock {
    const Sum<T>* from;
    int64_t from_stride;
    T* to;  // (rows, channels)
    int64_t rows, channels;
    const Sum<T>* scale;  // (channels), or NULL: then to = from
    const Sum<T>* shift;  // (channels)
    const T* residual;    // (rows, channels), or NULL
};

constexpr int64_t kPiece = 64;  // most pairs that a tile of the weight gradient adds up at a time

template <class T>
struct WeightGradBlock {
    Runs runs;
    const T* feats;
    int64_t cin;
    const T* grad;  // row0's row
    int64_t grad_stride;
    int64_t padded;
    Sum<T>* partial;  // (offsets, cin, padded), added to
    Term<T>* workspace;    // kPiece / 2 * (cin + padded) terms, where a term has two numbers
};

template <class T>
struct Kernels {
    int64_t vector;        // sums in one vector
    int64_t most_vectors;  // of output channels in a panel of weights
    // The first offset with a pair whose rows are not in [0, in_rows) and [row0, row0 + out_rows) or whose output rows
    // do not ascend, or -1.
    int64_t (*bad_offset)(const Runs&, int64_t in_rows, int64_t out_rows);
    void (*conv)(const ConvBlock<T>&);
    void (*finish)(const FinishBlock<T>&);
    void (*weight_grad)(const WeightGradBlock<T>&);
};

// One table for each instruction set, from the file of that name, and one more where it multiplies bfloat16.
struct KernelTable {
    Kernels<float> f32;
    Kernels<double> f64;
};
extern const KernelTable sparse_conv_plain;
#if defined(__x86_64__)
extern const KernelTable sparse_conv_avx2;
extern const KernelTable sparse_conv_avx512;
#endif
#if defined(PCSEG_WITH_AVX512BF16)
extern const Kernels<Bfloat16> sparse_conv_avx512bf16;
#endif

}  // namespace pcseg
