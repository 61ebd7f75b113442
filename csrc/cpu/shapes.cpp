// In which directions points spread: normals of a surface, and the main axes of covariances.
#include <algorithm>

#include "eigen3.h"
#include "parallel.h"
#include "status.h"

namespace pcseg {
namespace {

constexpr int64_t kPointsPerTask = 1024;

// The covariance of a point and its neighbors, as offsets from it; -1: none.
void covariance(const double* position, int64_t own, const int64_t* near, int64_t k, double* out) {
    double sum[3] = {0, 0, 0}, product[9] = {0, 0, 0, 0, 0, 0, 0, 0, 0}, count = 1;
    for (int64_t i = 0; i < k; ++i) {
        if (near[i] < 0) continue;
        double offset[3];
        for (int a = 0; a < 3; ++a) offset[a] = position[3 * near[i] + a] - position[3 * own + a];
        for (int a = 0; a < 3; ++a) {
            sum[a] += offset[a];
            for (int b = 0; b < 3; ++b) product[3 * a + b] += offset[a] * offset[b];
        }
        count += 1;
    }
    for (int a = 0; a < 3; ++a)
        for (int b = 0; b < 3; ++b) out[3 * a + b] = product[3 * a + b] / count - sum[a] / count * (sum[b] / count);
}

}  // namespace
}  // namespace pcseg

int pcseg_normals(const double* position, const int64_t* near, int64_t points, int64_t k, float* normal,
                  int64_t threads) {
    return pcseg::guarded([&] {
        pcseg::parallel_blocks(threads, points, pcseg::kPointsPerTask, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                double spread[9];
                pcseg::covariance(position, i, near + i * k, k, spread);
                const pcseg::Eigen3 axes(spread);
                for (int a = 0; a < 3; ++a) normal[3 * i + a] = static_cast<float>(axes.vectors[3 * a]);
            }
        });
    });
}

int pcseg_main_axes(const float* matrix, int64_t count, float* values, float* vectors, int64_t threads) {
    return pcseg::guarded([&] {
        pcseg::parallel_blocks(threads, count, pcseg::kPointsPerTask, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                double whole[9];
                std::copy_n(matrix + 9 * i, 9, whole);
                const pcseg::Eigen3 axes(whole);
                for (int a = 0; a < 3; ++a) values[3 * i + a] = static_cast<float>(axes.values[a]);
                for (int a = 0; a < 9; ++a) vectors[9 * i + a] = static_cast<float>(axes.vectors[a]);
            }
        });
    });
}
