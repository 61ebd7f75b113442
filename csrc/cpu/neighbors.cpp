// Nearest neighbors with a k-d tree for each sample.
#include <unordered_map>
#include <vector>

#include "kd_tree.h"
#include "status.h"

namespace pcseg {
namespace {

using kd_tree::Tree;

void neighbors(const double* query, int64_t queries, const double* position, int64_t count, int64_t k, double radius,
                const int64_t* query_sample, const int64_t* point_sample, int64_t* index, double* distance,
                int64_t threads) {
    std::unordered_map<int64_t, int64_t> tree_of;
    std::vector<Tree> trees;
    for (int64_t i = 0; i < count; ++i) {
        const auto [found, fresh] = tree_of.try_emplace(point_sample ? point_sample[i] : 0, trees.size());
        if (fresh) trees.emplace_back();
        trees[found->second].points.push_back({{position[3 * i], position[3 * i + 1], position[3 * i + 2]}, i});
    }
    for (Tree& tree : trees) tree.build(threads);
    parallel_blocks(threads, queries, kd_tree::kQueriesPerTask, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            Best best(k, radius * radius, index + i * k, distance + i * k);
            const auto found = tree_of.find(query_sample ? query_sample[i] : 0);
            if (found != tree_of.end()) trees[found->second].search(query + 3 * i, best);
            best.finish();
        }
    });
}

}  // namespace
}  // namespace pcseg

int pcseg_neighbors(const double* query, int64_t queries, const double* points, int64_t n_points, int64_t k,
                     double radius, const int64_t* query_sample, const int64_t* point_sample, int64_t* index,
                     double* distance, int64_t threads) {
    return pcseg::guarded([&] {
        pcseg::neighbors(query, queries, points, n_points, k, radius, query_sample, point_sample, index, distance,
                          threads);
    });
}
