// Sparse convolution of bfloat16 for AVX-512 with bfloat16 products.
#if defined(PCSEG_WITH_AVX512BF16)
#include <immintrin.h>

#define VECTOR_BYTES 64
#define TILE_ROWS 12
#define MOST_VECTORS 4
#include "sparse_conv_kernels.h"

namespace pcseg {

template <class Vector>
static inline __attribute__((always_inline)) Vector add_product(Vector sum, Bfloat16Pair term, Vector terms) {
    const int both = term.first.bits | term.second.bits << 16;
    return (Vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(both), (__m512bh)terms);
}

// Interleaves the rows of two pairs into terms: to[p][c] = {from[rows[2p]][c], from[rows[2p + 1]][c]}, 0 beyond the
// last.
static inline void interleave(const Bfloat16* from, int64_t stride, const int32_t* rows, int64_t pairs,
                              Bfloat16Pair* to) {
    for (int64_t p = 0; p < pairs; p += 2, to += stride) {
        const bool two = p + 1 < pairs;
        const Bfloat16 *first = from + rows[p] * stride, *second = from + rows[two ? p + 1 : p] * stride;
        for (int64_t c = 0; c < stride; c += 16) {
            const __mmask16 some = stride - c < 16 ? (1 << (stride - c)) - 1 : 0xffff;
            const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(some, first + c));
            const __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(two ? some : 0, second + c));
            _mm512_mask_storeu_epi32(to + c, some, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
        }
    }
}

const Kernels<Bfloat16> sparse_conv_avx512bf16 = kernels<Bfloat16>;

}  // namespace pcseg
#endif
