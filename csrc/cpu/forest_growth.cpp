// Grows extremely randomized trees (Geurts, Ernst and Wehenkel, Machine Learning 2006): one random cut of each of some
// columns, or of all, is tried at each node. What is drawn depends on seed, tree, node and column alone.
#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "parallel.h"
#include "status.h"

namespace pcseg {
namespace {

uint64_t mix(uint64_t x) {  // the finalizer of splitmix64
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

struct Examples {
    std::vector<float> column;  // (columns, count)
    const int64_t* label;
    std::vector<int32_t> order;  // by label
    int64_t count, columns, classes;
};

struct Tree {  // places in the arrays of one tree
    int32_t* feature;
    float* threshold;
    int32_t* children;
    int32_t* share;
    float* mixed;
};

struct Cut {
    int32_t feature = -1;
    float threshold = 0;
    double gain = -1;
    uint64_t rank = 0;  // tells equal gains apart
};

// Grows one tree. Rows of a node are together and in order of their labels, so that a class is a run of them.
class Grower {
   public:
    Grower(const Examples& examples, const Tree& tree, int64_t tried, uint64_t key)
        : examples_(examples), tree_(tree), tried_(tried), key_(key), order_(examples.order), value_(examples.count),
          scratch_(examples.count), columns_(examples.columns) {}

    // Returns the numbers of nodes and of leaves in which several classes are mixed.
    std::pair<int64_t, int64_t> grow() {
        begin_ = {0};
        end_ = {examples_.count};
        for (int64_t node = 0; node < static_cast<int64_t>(begin_.size()); ++node) {
            find_runs(node);
            const Cut cut = runs_.size() > 2 ? best_cut(node) : Cut();
            if (cut.feature < 0)
                close(node);
            else
                split(node, cut);
        }
        return {static_cast<int64_t>(begin_.size()), mixed_};
    }

   private:
    void find_runs(int64_t node) {
        runs_.clear();
        int64_t last = -1;
        for (int64_t i = begin_[node]; i < end_[node]; ++i) {
            const int64_t label = examples_.label[order_[i]];
            if (label != last) runs_.push_back(i);
            last = label;
        }
        runs_.push_back(end_[node]);
    }

    // Tries columns one after another until enough of them were not constant.
    Cut best_cut(int64_t node) {
        Cut best;
        const uint64_t base = mix(key_ + static_cast<uint64_t>(node));
        const int64_t columns = examples_.columns;
        if (tried_ >= columns) {
            for (int64_t c = 0; c < columns; ++c) try_column(node, c, base, best);
            return best;
        }
        std::iota(columns_.begin(), columns_.end(), 0);
        for (int64_t t = 0, left = tried_; t < columns && left > 0; ++t) {
            const uint64_t drawn = mix(base - 1 - static_cast<uint64_t>(t));
            std::swap(columns_[t], columns_[t + static_cast<int64_t>(drawn % static_cast<uint64_t>(columns - t))]);
            left -= try_column(node, columns_[t], base, best);
        }
        return best;
    }

    // Puts the cut of a column into `best` if it is better; returns whether there is one.
    bool try_column(int64_t node, int64_t c, uint64_t base, Cut& best) {
        const int64_t begin = begin_[node], end = end_[node];
        const float* column = examples_.column.data() + c * examples_.count;
        float low = std::numeric_limits<float>::infinity(), high = -low;
        for (int64_t i = begin; i < end; ++i) {
            const float value = column[order_[i]];
            value_[i] = value;
            low = std::min(low, value);
            high = std::max(high, value);
        }
        if (!(low < high)) return false;
        const uint64_t drawn = mix(base + static_cast<uint64_t>(c));
        float threshold = low + static_cast<float>(drawn >> 40) * 0x1p-24f * (high - low);
        if (!(threshold < high)) threshold = low;
        const double gain = gain_of(begin, end, threshold);
        const uint64_t rank = mix(drawn);
        if (gain > best.gain || (gain == best.gain && rank < best.rank))
            best = {static_cast<int32_t>(c), threshold, gain, rank};
        return true;
    }

    // The sum over both sides of the squared numbers of each class over the number of all: less impurity, up to terms
    // that are the same for all cuts.
    double gain_of(int64_t begin, int64_t end, float threshold) const {
        int64_t left = 0, left_squares = 0, right_squares = 0;
        for (size_t r = 0; r + 1 < runs_.size(); ++r) {
            int32_t below = 0;
            for (int64_t i = runs_[r]; i < runs_[r + 1]; ++i) below += value_[i] <= threshold;
            const int64_t above = runs_[r + 1] - runs_[r] - below;
            left += below;
            left_squares += static_cast<int64_t>(below) * below;
            right_squares += above * above;
        }
        const int64_t right = end - begin - left;
        return static_cast<double>(left_squares) / static_cast<double>(left) +
               static_cast<double>(right_squares) / static_cast<double>(right);
    }

    void split(int64_t node, const Cut& cut) {
        const float* column = examples_.column.data() + cut.feature * examples_.count;
        int64_t left = begin_[node], right = 0;
        for (int64_t i = left; i < end_[node]; ++i) {
            const int32_t row = order_[i];
            if (column[row] <= cut.threshold)
                order_[left++] = row;
            else
                scratch_[right++] = row;
        }
        std::copy_n(scratch_.begin(), right, order_.begin() + left);
        tree_.feature[node] = cut.feature;
        tree_.threshold[node] = cut.threshold;
        tree_.children[2 * node] = static_cast<int32_t>(begin_.size());
        tree_.children[2 * node + 1] = static_cast<int32_t>(begin_.size() + 1);
        tree_.share[node] = -1;
        const int64_t begin = begin_[node], end = end_[node];
        begin_.insert(begin_.end(), {begin, left});
        end_.insert(end_.end(), {left, end});
    }

    void close(int64_t node) {
        tree_.feature[node] = -1;
        tree_.threshold[node] = 0;
        tree_.children[2 * node] = tree_.children[2 * node + 1] = -1;
        if (runs_.size() == 2) {
            tree_.share[node] = static_cast<int32_t>(examples_.label[order_[begin_[node]]]);
            return;
        }
        float* share = tree_.mixed + mixed_ * examples_.classes;
        std::fill_n(share, examples_.classes, 0.0f);
        const auto all = static_cast<float>(end_[node] - begin_[node]);
        for (size_t r = 0; r + 1 < runs_.size(); ++r)
            share[examples_.label[order_[runs_[r]]]] = static_cast<float>(runs_[r + 1] - runs_[r]) / all;
        tree_.share[node] = static_cast<int32_t>(examples_.classes + mixed_++);
    }

    const Examples& examples_;
    const Tree tree_;
    const int64_t tried_;
    const uint64_t key_;
    std::vector<int32_t> order_;
    std::vector<float> value_;
    std::vector<int32_t> scratch_;
    std::vector<int64_t> columns_;
    std::vector<int64_t> begin_, end_;  // rows of each node
    std::vector<int64_t> runs_;         // where the classes of a node begin, and the end
    int64_t mixed_ = 0;
};

void grow(const float* values, const int64_t* label, int64_t count, int64_t columns, int64_t classes, int64_t trees,
          int64_t tried, int64_t seed, int32_t* feature, float* threshold, int32_t* children, int32_t* share,
          float* mixed, int64_t* sizes, int64_t threads) {
    Examples examples{std::vector<float>(count * columns), label, std::vector<int32_t>(count), count, columns, classes};
    for (int64_t i = 0; i < count; ++i)
        for (int64_t c = 0; c < columns; ++c) examples.column[c * count + i] = values[i * columns + c];
    std::iota(examples.order.begin(), examples.order.end(), 0);
    std::stable_sort(examples.order.begin(), examples.order.end(),
                     [&](int32_t a, int32_t b) { return label[a] < label[b]; });
    const int64_t most = 2 * count - 1, most_mixed = count / 2;
    parallel_tasks(threads, trees, [&](int64_t t, int64_t) {
        const Tree tree{feature + t * most, threshold + t * most, children + 2 * t * most, share + t * most,
                        mixed + t * most_mixed * classes};
        Grower grower(examples, tree, tried, mix(mix(static_cast<uint64_t>(seed)) + static_cast<uint64_t>(t)));
        const auto [nodes, leaves] = grower.grow();
        sizes[2 * t] = nodes;
        sizes[2 * t + 1] = leaves;
    });
}

}  // namespace
}  // namespace pcseg

int pcseg_grow_forest(const float* values, const int64_t* label, int64_t count, int64_t columns, int64_t classes,
                      int64_t trees, int64_t tried, int64_t seed, int32_t* feature, float* threshold,
                      int32_t* children, int32_t* share, float* mixed, int64_t* sizes, int64_t threads) {
    return pcseg::guarded([&] {
        pcseg::grow(values, label, count, columns, classes, trees, tried, seed, feature, threshold, children, share,
                    mixed, sizes, threads);
    });
}
