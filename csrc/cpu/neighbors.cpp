// Nearest neighbors with a k-d tree for each sample: a complete binary tree, split at the median of the widest axis.
#include <algorithm>
#include <unordered_map>
#include <vector>

#include "../shared/nearest.h"
#include "parallel.h"
#include "status.h"

namespace pcseg {
namespace {

constexpr int64_t leaf_size = 12, queries_per_task = 256;

struct Point {
    double at[3];
    int64_t index;
};

struct Box {
    double low[3] = {kInfinity, kInfinity, kInfinity}, high[3] = {-kInfinity, -kInfinity, -kInfinity};

    void cover(const double* at) {
        for (int a = 0; a < 3; ++a) {
            low[a] = std::min(low[a], at[a]);
            high[a] = std::max(high[a], at[a]);
        }
    }
    int widest() const {
        int axis = 0;
        for (int a = 1; a < 3; ++a)
            if (high[a] - low[a] > high[axis] - low[axis]) axis = a;
        return axis;
    }
    double square_distance(const double* at) const {
        double sum = 0;
        for (int a = 0; a < 3; ++a) {
            const double out = std::max(std::max(low[a] - at[a], at[a] - high[a]), 0.0);
            sum += out * out;
        }
        return sum;
    }
};

class Tree {
   public:
    std::vector<Point> points;

    void build(int64_t threads) {
        const int64_t size = points.size();
        while ((size >> depth_) > leaf_size) ++depth_;
        boxes_.resize(int64_t(2) << depth_);  // the children of node i are 2 i and 2 i + 1, the root is 1
        std::vector<int64_t> cut = {0, size};
        for (int64_t level = 0; level <= depth_; ++level) {
            const int64_t nodes = int64_t(1) << level;
            std::vector<int64_t> finer(2 * nodes + 1, size);
            parallel_tasks(threads, nodes, [&](int64_t node, int64_t) {
                const int64_t begin = cut[node], end = cut[node + 1], middle = (begin + end) / 2;
                Box& box = boxes_[nodes + node];
                for (int64_t i = begin; i < end; ++i) box.cover(points[i].at);
                finer[2 * node] = begin;
                finer[2 * node + 1] = middle;
                if (level < depth_)
                    std::nth_element(points.begin() + begin, points.begin() + middle, points.begin() + end,
                                     [axis = box.widest()](const Point& a, const Point& b) {
                                         return a.at[axis] < b.at[axis];
                                     });
            });
            if (level < depth_) cut = std::move(finer);
        }
        cut_ = std::move(cut);
    }

    void search(const double* at, Best& best) const { visit(1, 0, boxes_[1].square_distance(at), at, best); }

   private:
    void visit(int64_t node, int64_t level, double square, const double* at, Best& best) const {
        if (square > best.farthest()) return;
        if (level == depth_) {
            const int64_t leaf = node - (int64_t(1) << depth_);
            for (int64_t i = cut_[leaf]; i < cut_[leaf + 1]; ++i)
                best.offer(pcseg::square_distance(at, points[i].at), points[i].index);
            return;
        }
        const double left = boxes_[2 * node].square_distance(at), right = boxes_[2 * node + 1].square_distance(at);
        const bool swap = right < left;
        visit(2 * node + swap, level + 1, swap ? right : left, at, best);
        visit(2 * node + !swap, level + 1, swap ? left : right, at, best);
    }

    int64_t depth_ = 0;
    std::vector<Box> boxes_;
    std::vector<int64_t> cut_;  // leaf l holds points cut_[l] to cut_[l + 1]
};

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
    parallel_blocks(threads, queries, queries_per_task, [&](int64_t begin, int64_t end) {
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
