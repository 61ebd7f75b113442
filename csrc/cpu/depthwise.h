// The weight gradient of depthwise convolutions of maps, compiled for several instruction sets (see isa.h).
#pragma once
#include <stdint.h>

namespace pcseg {

// maps (height, width, channels) and grad (out_height, out_width, channels) of one sample. A pixel of the output at
// (y, x) was made of those at (y * stride + i * dilation - padding, x * stride + j * dilation - padding).
struct DepthwiseMaps {
    const float *maps, *grad;
    int64_t height, width, channels, out_width, kernel, stride, padding, dilation;
};

// Adds the rows [begin, end) of the output to sum (kernel, kernel, channels). kernel: 3 or 5.
using DepthwiseWeightGrad = void (*)(const DepthwiseMaps& work, int64_t begin, int64_t end, float* sum);
extern const DepthwiseWeightGrad depthwise_plain, depthwise_avx2, depthwise_avx512;

}  // namespace pcseg
