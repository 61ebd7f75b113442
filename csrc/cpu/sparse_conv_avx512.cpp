// Sparse convolution for AVX-512.
#if defined(__x86_64__)
#define VECTOR_BYTES 64
#define TILE_ROWS 12
#define MOST_VECTORS 4
#include "sparse_conv_kernels.h"

const pcseg::KernelTable pcseg::sparse_conv_avx512 = {pcseg::kernels<float>, pcseg::kernels<double>};
#endif
