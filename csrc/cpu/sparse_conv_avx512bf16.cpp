// Sparse convolution of bfloat16 for AVX-512 that multiplies it.
#if defined(PCSEG_WITH_AVX512BF16)
#include <immintrin.h>

#define VECTOR_BYTES 64
#define TILE_ROWS 12
#include "sparse_conv_kernels.h"

namespace pcseg {

template <class Vector>
static inline __attribute__((always_inline)) Vector add_product(Vector sum, Bfloat16Pair term, Vector terms) {
    const int both = term.first.bits | term.second.bits << 16;
    return (Vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(both), (__m512bh)terms);
}

const Kernels<Bfloat16> sparse_conv_avx512bf16 = kernels<Bfloat16>;

}  // namespace pcseg
#endif
