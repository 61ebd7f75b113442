// Sums over the nearest neighbors of each point, one neighbor after another in float32; no neighbor is kept.
#include <cmath>
#include <vector>

#include "kd_tree.h"
#include "status.h"

namespace pcseg {
namespace {

struct Sums {  // for each point; written once
    float* first;
    float* second;
    float* mean;
    float* total;
    float* squares;
    float* nearest;
};

struct Surroundings {
    const float* place;
    const float* columns;
    int64_t width, few, all;

    // near: the point itself or one in its place, then its neighbors; -1, which stands for the point, where there are
    // fewer.
    void sum(int64_t own, const int64_t* near, const Sums& out) const {
        float sum[3] = {0, 0, 0}, product[9] = {0, 0, 0, 0, 0, 0, 0, 0, 0};
        float *mean = out.mean + width * own, *total = out.total + width * own, *squares = out.squares + width * own;
        std::fill_n(total, width, 0.0f);
        std::fill_n(squares, width, 0.0f);
        for (int64_t i = 1; i <= all; ++i) {
            const int64_t other = near[i] < 0 ? own : near[i];
            float offset[3];
            for (int a = 0; a < 3; ++a) offset[a] = place[3 * other + a] - place[3 * own + a];
            if (i == 1)
                out.nearest[own] = std::sqrt(offset[0] * offset[0] + offset[1] * offset[1] + offset[2] * offset[2]);
            for (int a = 0; a < 3; ++a) {
                sum[a] += offset[a];
                for (int b = 0; b < 3; ++b) product[3 * a + b] += offset[a] * offset[b];
            }
            for (int64_t c = 0; c < width; ++c) {
                const float value = columns[other * width + c];
                total[c] += value;
                squares[c] += value * value;
            }
            if (i != few) continue;
            std::copy_n(sum, 3, out.first + 6 * own);
            std::copy_n(product, 9, out.second + 18 * own);
            for (int64_t c = 0; c < width; ++c) mean[c] = total[c] / static_cast<float>(few);
        }
        std::copy_n(sum, 3, out.first + 6 * own + 3);
        std::copy_n(product, 9, out.second + 18 * own + 9);
    }

    void run(const double* position, int64_t points, const Sums& out, int64_t threads) const {
        kd_tree::Tree tree;
        tree.points.resize(points);
        for (int64_t i = 0; i < points; ++i)
            tree.points[i] = {{position[3 * i], position[3 * i + 1], position[3 * i + 2]}, i};
        tree.build(threads);
        parallel_blocks(threads, points, kd_tree::kQueriesPerTask, [&](int64_t begin, int64_t end) {
            std::vector<int64_t> near(all + 1);
            std::vector<double> distance(all + 1);
            for (int64_t i = begin; i < end; ++i) {  // in the order of the tree: the next searches where the last did
                Best best(all + 1, kInfinity, near.data(), distance.data());
                tree.search(tree.points[i].at, best);
                best.finish();
                sum(tree.points[i].index, near.data(), out);
            }
        });
    }
};

}  // namespace
}  // namespace pcseg

int pcseg_surroundings(const double* position, const float* place, const float* columns, int64_t width, int64_t points,
                       int64_t few, int64_t all, float* first, float* second, float* mean, float* total, float* squares,
                       float* nearest, int64_t threads) {
    return pcseg::guarded([&] {
        if (points == 0) return;
        const pcseg::Surroundings around{place, columns, width, few, all};
        around.run(position, points, {first, second, mean, total, squares, nearest}, threads);
    });
}
