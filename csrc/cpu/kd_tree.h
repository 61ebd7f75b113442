// A k-d tree: a complete binary tree, split at the median of the widest axis. Include it only where the compiler rounds
// distances after each step (shared/nearest.h).
#pragma once
#include <algorithm>
#include <vector>

#include "../shared/nearest.h"
#include "parallel.h"

namespace pcseg {
namespace kd_tree {

constexpr int64_t kLeafSize = 12, kQueriesPerTask = 256;

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
        while ((size >> depth_) > kLeafSize) ++depth_;
        smallest_.assign(int64_t(2) << depth_, kNoIndex);
        boxes_.resize(int64_t(2) << depth_);  // the children of node i are 2 i and 2 i + 1, the root is 1
        std::vector<int64_t> cut = {0, size};
        for (int64_t level = 0; level <= depth_; ++level) {
            const int64_t nodes = int64_t(1) << level;
            std::vector<int64_t> finer(2 * nodes + 1, size);
            parallel_tasks(threads, nodes, [&](int64_t node, int64_t) {
                const int64_t begin = cut[node], end = cut[node + 1], middle = (begin + end) / 2;
                Box& box = boxes_[nodes + node];
                for (int64_t i = begin; i < end; ++i) {
                    box.cover(points[i].at);
                    smallest_[nodes + node] = std::min(smallest_[nodes + node], points[i].index);
                }
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
        if (square == best.farthest() && smallest_[node] >= best.last()) return;  // many points in one place
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
    std::vector<int64_t> smallest_;  // index of the points of each node
    std::vector<int64_t> cut_;  // leaf l holds points cut_[l] to cut_[l + 1]
};

}  // namespace kd_tree
}  // namespace pcseg
