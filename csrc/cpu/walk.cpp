// Where random walks on the neighbor graph of a scan end: Chebyshev's iteration (Golub and Varga, Numerische Mathematik
// 1961), whose steps are known beforehand, so that no sum depends on the number of threads.
#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "parallel.h"
#include "status.h"

namespace pcseg {
namespace {

constexpr int64_t kNodesPerTask = 1024;

template <int64_t kTogether>  // columns
struct Walk {
    const int64_t* starts;
    const int32_t* ends;
    const float* weight;
    const uint8_t* fixed;
    float leak;
    int64_t width;  // a multiple of kTogether

    // The next estimate of a node: x + d, where d = keep * d + change * r, r the residual.
    void step(int64_t n, const float* __restrict x, const float* __restrict prior, float keep, float change,
              float* __restrict d, float* __restrict next) const {
        if (fixed[n]) {
            std::copy_n(x + n * width, width, next + n * width);
            return;
        }
        float total = 0;
        for (int64_t e = starts[n]; e < starts[n + 1]; ++e) total += weight[e];
        const float scale = total >= std::numeric_limits<float>::min() ? 1 / total : 0;
        for (int64_t first = 0; first < width; first += kTogether) {
            float sum[kTogether] = {};
            for (int64_t e = starts[n]; e < starts[n + 1]; ++e) {
                const float* other = x + ends[e] * width + first;
                for (int64_t k = 0; k < kTogether; ++k) sum[k] += weight[e] * other[k];
            }
            for (int64_t k = 0; k < kTogether; ++k) {
                const int64_t at = n * width + first + k;
                const float residual = scale * sum[k] - x[at] + leak * (prior[at] - x[at]);
                d[at] = keep * d[at] + change * residual;
                next[at] = x[at] + d[at];
            }
        }
    }
};

// Copies of rows (nodes, columns) between strides.
void restride(const float* from, int64_t from_stride, float* to, int64_t to_stride, int64_t nodes, int64_t columns) {
    for (int64_t n = 0; n < nodes; ++n) std::copy_n(from + n * from_stride, columns, to + n * to_stride);
}

template <int64_t kTogether>
void run(Walk<kTogether> walk, int64_t nodes, const float* prior, int64_t columns, int64_t steps, float* x,
         int64_t threads) {
    walk.width = (columns + kTogether - 1) / kTogether * kTogether;
    const int64_t size = nodes * walk.width;
    std::vector<float> d(size), from(size), to(size), goal(size);
    restride(x, columns, from.data(), walk.width, nodes, columns);
    if (prior != nullptr) restride(prior, columns, goal.data(), walk.width, nodes, columns);
    // The eigenvalues lie between leak and 2 + leak.
    const double middle = 1 + static_cast<double>(walk.leak);
    double ratio = 1 / middle;
    for (int64_t i = 0; i < steps; ++i) {
        const double last = ratio;
        if (i > 0) ratio = 1 / (2 * middle - last);
        const auto keep = static_cast<float>(i > 0 ? ratio * last : 0);
        const auto change = static_cast<float>(i > 0 ? 2 * ratio : ratio);
        parallel_blocks(threads, nodes, kNodesPerTask, [&](int64_t begin, int64_t end) {
            for (int64_t n = begin; n < end; ++n)
                walk.step(n, from.data(), goal.data(), keep, change, d.data(), to.data());
        });
        std::swap(from, to);
    }
    restride(from.data(), walk.width, x, columns, nodes, columns);
}

}  // namespace
}  // namespace pcseg

int pcseg_random_walk(const int64_t* starts, const int32_t* ends, const float* weight, int64_t nodes,
                      const uint8_t* fixed, const float* prior, int64_t width, double leak, int64_t steps, float* x,
                      int64_t threads) {
    return pcseg::guarded([&] {
        const auto part = static_cast<float>(leak);
        if (width <= 8)
            pcseg::run(pcseg::Walk<8>{starts, ends, weight, fixed, part, 0}, nodes, prior, width, steps, x, threads);
        else
            pcseg::run(pcseg::Walk<16>{starts, ends, weight, fixed, part, 0}, nodes, prior, width, steps, x, threads);
    });
}
