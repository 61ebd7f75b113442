// Depthwise convolution for AVX-512.
#if defined(__x86_64__)
#define VECTOR_BYTES 64
#define MOST_ROWS 5
#include "depthwise_kernels.h"

const pcseg::DepthwiseWeightGrad pcseg::depthwise_avx512 = pcseg::weight_grad;
#endif
