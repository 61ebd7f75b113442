// Depthwise convolution for AVX2 and FMA.
#if defined(__x86_64__)
#define VECTOR_BYTES 32
#define MOST_ROWS 2
#include "depthwise_kernels.h"

const pcseg::DepthwiseWeightGrad pcseg::depthwise_avx2 = pcseg::weight_grad;
#endif
