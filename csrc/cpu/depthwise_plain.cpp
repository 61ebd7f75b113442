// Depthwise convolution for all machines.
#define VECTOR_BYTES 16
#define MOST_ROWS 2
#include "depthwise_kernels.h"

const pcseg::DepthwiseWeightGrad pcseg::depthwise_plain = pcseg::weight_grad;
