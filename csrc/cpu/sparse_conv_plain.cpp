// Sparse convolution for all machines.
#define VECTOR_BYTES 16
#define TILE_ROWS 4
#define MOST_VECTORS 2
#include "sparse_conv_kernels.h"

const pcseg::KernelTable pcseg::sparse_conv_plain = {pcseg::kernels<float>, pcseg::kernels<double>};
