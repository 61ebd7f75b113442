// The weight gradient of depthwise convolutions. A task adds up a band of rows of one map, row by row: so all channels
// of the pixels that a row needs are in the cache together.
#include "depthwise.h"

#include <algorithm>
#include <string>
#include <vector>

#include "isa.h"
#include "parallel.h"
#include "status.h"

namespace pcseg {
namespace {

constexpr int64_t kBand = 16;  // rows of the output

DepthwiseWeightGrad depthwise_weight_grad() {
#if defined(__x86_64__)
    if (isa() >= Isa::avx512) return depthwise_avx512;
    if (isa() == Isa::avx2) return depthwise_avx2;
#endif
    return depthwise_plain;
}

void check(const DepthwiseMaps& first, int64_t out_height) {
    const int64_t reach = (first.kernel - 1) * first.dilation - 2 * first.padding;
    const bool fits = (out_height - 1) * first.stride + reach < first.height &&
                      (first.out_width - 1) * first.stride + reach < first.width;
    const bool known = first.kernel == 3 || first.kernel == 5;
    if (known && first.stride > 0 && first.padding >= 0 && first.dilation > 0 && (fits || !out_height || !first.out_width))
        return;
    throw BadInput{"depthwise convolution: a gradient of " + std::to_string(out_height) + " x " +
                   std::to_string(first.out_width) + " pixels does not fit the maps and the kernel"};
}

void weight_grad(const DepthwiseMaps& first, int64_t samples, int64_t out_height, float* out, int64_t threads) {
    check(first, out_height);
    const int64_t area = first.kernel * first.kernel, size = area * first.channels;
    const int64_t bands = (out_height + kBand - 1) / kBand;
    const DepthwiseWeightGrad add = depthwise_weight_grad();
    std::vector<float> sums((samples * bands + 1) * size);
    parallel_tasks(threads, samples * bands, [&](int64_t task, int64_t) {
        DepthwiseMaps work = first;
        work.maps += task / bands * work.height * work.width * work.channels;
        work.grad += task / bands * out_height * work.out_width * work.channels;
        const int64_t begin = task % bands * kBand;
        add(work, begin, std::min(begin + kBand, out_height), sums.data() + task * size);
    });
    float* total = sums.data() + samples * bands * size;
    for (int64_t task = 0; task < samples * bands; ++task)
        for (int64_t i = 0; i < size; ++i) total[i] += sums[task * size + i];
    for (int64_t i = 0; i < area; ++i)
        for (int64_t c = 0; c < first.channels; ++c) out[c * area + i] = total[i * first.channels + c];
}

}  // namespace
}  // namespace pcseg

int pcseg_depthwise_weight_grad(const float* maps, int64_t samples, int64_t height, int64_t width, int64_t channels,
                                const float* grad, int64_t out_height, int64_t out_width, int64_t kernel,
                                int64_t stride, int64_t padding, int64_t dilation, float* out, int64_t threads) {
    return pcseg::guarded([&] {
        pcseg::weight_grad({maps, grad, height, width, channels, out_width, kernel, stride, padding, dilation}, samples,
                           out_height, out, threads);
    });
}
