// Sparse convolution for AVX2 and FMA.
#if defined(__x86_64__)
#define VECTOR_BYTES 32
#define TILE_ROWS 6
#define MOST_VECTORS 2
#include "sparse_conv_kernels.h"

const pcseg::KernelTable pcseg::sparse_conv_avx2 = {pcseg::kernels<float>, pcseg::kernels<double>};
#endif
