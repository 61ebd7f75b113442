// The kernel of depthwise.h; depthwise_<isa>.cpp compiles it for its instruction set by defining VECTOR_BYTES and
// MOST_ROWS, the rows of a convolution's kernel whose sums fit in registers. Includes no C++ library header (see
// CMakeLists.txt).
#include "depthwise.h"

namespace pcseg {
namespace {

template <int WIDTH>
struct VectorOf {
    typedef float type __attribute__((vector_size(WIDTH * sizeof(float)), aligned(sizeof(float)), may_alias));
};
template <>
struct VectorOf<1> {
    typedef float type;
};

constexpr float kZeros[16] = {};

// For WIDTH channels from `channel` on, adds row y of the output to rows [row, row + ROWS) of the sums. The products of
// a row are added up in registers, from left to right. Beyond the border of the maps there are zeros.
template <int KERNEL, int ROWS, int WIDTH>
void add_row(const DepthwiseMaps& work, int64_t y, int64_t channel, int64_t row, float* sum) {
    using Vector = typename VectorOf<WIDTH>::type;
    const int64_t channels = work.channels, stride = work.stride, dilation = work.dilation, width = work.width;
    const float* grad = work.grad + y * work.out_width * channels + channel;
    const float* from[ROWS];
    int64_t step[ROWS];  // between pixels
#pragma GCC unroll 5
    for (int i = 0; i < ROWS; ++i) {
        const int64_t there = y * stride + (row + i) * dilation - work.padding;
        const bool inside = there >= 0 && there < work.height;
        from[i] = inside ? work.maps + there * width * channels + channel : kZeros;
        step[i] = inside ? channels : 0;
    }
    Vector part[ROWS][KERNEL] = {};
    for (int64_t x = 0; x < work.out_width; ++x) {
        const Vector value = *reinterpret_cast<const Vector*>(grad + x * channels);
        const int64_t first = x * stride - work.padding, last = first + (KERNEL - 1) * dilation;
        if (first >= 0 && last < width) {
#pragma GCC unroll 5
            for (int i = 0; i < ROWS; ++i) {
                const float* at = from[i] + first * step[i];
#pragma GCC unroll 5
                for (int j = 0; j < KERNEL; ++j)
                    part[i][j] += value * *reinterpret_cast<const Vector*>(at + j * dilation * step[i]);
            }
        } else {
#pragma GCC unroll 5
            for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 5
                for (int j = 0; j < KERNEL; ++j) {
                    const int64_t there = first + j * dilation;
                    const float* at = there >= 0 && there < width ? from[i] + there * step[i] : kZeros;
                    part[i][j] += value * *reinterpret_cast<const Vector*>(at);
                }
            }
        }
    }
#pragma GCC unroll 5
    for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 5
        for (int j = 0; j < KERNEL; ++j)
            *reinterpret_cast<Vector*>(sum + ((row + i) * KERNEL + j) * channels + channel) += part[i][j];
    }
}

// The channels from `channel` on, as many at a time as fit, then half as many, down to one.
template <int KERNEL, int WIDTH>
void add_channels(const DepthwiseMaps& work, int64_t y, int64_t channel, float* sum) {
    constexpr int rows = KERNEL < MOST_ROWS ? KERNEL : MOST_ROWS, left = KERNEL % rows;
    for (; channel + WIDTH <= work.channels; channel += WIDTH) {
        int64_t row = 0;
        for (; row + rows <= KERNEL; row += rows) add_row<KERNEL, rows, WIDTH>(work, y, channel, row, sum);
        if constexpr (left > 0) add_row<KERNEL, left, WIDTH>(work, y, channel, row, sum);
    }
    if constexpr (WIDTH > 1) add_channels<KERNEL, WIDTH / 2 == 2 ? 1 : WIDTH / 2>(work, y, channel, sum);
}

void weight_grad(const DepthwiseMaps& work, int64_t begin, int64_t end, float* sum) {
    constexpr int width = VECTOR_BYTES / sizeof(float);
    for (int64_t y = begin; y < end; ++y)
        work.kernel == 3 ? add_channels<3, width>(work, y, 0, sum) : add_channels<5, width>(work, y, 0, sum);
}

}  // namespace
}  // namespace pcseg
