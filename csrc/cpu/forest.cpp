// Asks the trees of a forest which classes rows are of; several rows wait for memory at the same time.
#include <algorithm>
#include <limits>
#include <vector>

#include "parallel.h"
#include "status.h"

namespace pcseg {
namespace {

constexpr int64_t kRowsTogether = 16;
constexpr int64_t kRowsPerTask = 1024;

struct Node {  // children are numbers in their tree; a leaf leads to itself
    int32_t feature;
    float threshold;
    int32_t child[2];
};

struct Forest {
    const int64_t* starts;
    const int32_t* share;
    const float* mixed;
    int64_t trees, classes;
    std::vector<Node> nodes;
};

// The leaf of each of kRowsTogether rows.
void search(const Node* nodes, const float* const* row, int32_t* at) {
    std::fill_n(at, kRowsTogether, 0);
    int32_t moved = 1;
    while (moved != 0) {
        moved = 0;
        for (int64_t j = 0; j < kRowsTogether; ++j) {
            const Node& node = nodes[at[j]];
            const int32_t next = node.child[row[j][node.feature] > node.threshold];
            moved |= next ^ at[j];
            at[j] = next;
        }
    }
}

void add_share(const Forest& forest, int32_t share, float* sum) {
    if (share < forest.classes) {
        sum[share] += 1.0f;
        return;
    }
    const float* mixed = forest.mixed + (share - forest.classes) * forest.classes;
    for (int64_t k = 0; k < forest.classes; ++k) sum[k] += mixed[k];
}

void ask(const Forest& forest, const float* values, int64_t columns, int64_t begin, int64_t end, float* out) {
    for (int64_t t = 0; t < forest.trees; ++t) {
        const Node* tree = forest.nodes.data() + forest.starts[t];
        for (int64_t first = begin; first < end; first += kRowsTogether) {
            const float* row[kRowsTogether];
            int32_t at[kRowsTogether];
            for (int64_t j = 0; j < kRowsTogether; ++j) row[j] = values + std::min(first + j, end - 1) * columns;
            search(tree, row, at);
            for (int64_t j = 0; j < std::min(kRowsTogether, end - first); ++j)
                add_share(forest, forest.share[forest.starts[t] + at[j]], out + (first + j) * forest.classes);
        }
    }
    const auto trees = static_cast<float>(forest.trees);
    for (int64_t i = begin * forest.classes; i < end * forest.classes; ++i) out[i] /= trees;
}

std::vector<Node> linked(const int64_t* starts, int64_t trees, const int32_t* feature, const float* threshold,
                         const int32_t* children) {
    std::vector<Node> nodes(starts[trees]);
    for (int64_t t = 0; t < trees; ++t)
        for (int64_t i = starts[t]; i < starts[t + 1]; ++i) {
            const auto own = static_cast<int32_t>(i - starts[t]);
            if (feature[i] < 0)
                nodes[i] = {0, std::numeric_limits<float>::infinity(), {own, own}};
            else
                nodes[i] = {feature[i], threshold[i], {children[2 * i], children[2 * i + 1]}};
        }
    return nodes;
}

}  // namespace
}  // namespace pcseg

int pcseg_ask_forest(const float* values, int64_t rows, int64_t columns, const int64_t* starts, int64_t trees,
                     const int32_t* feature, const float* threshold, const int32_t* children, const int32_t* share,
                     const float* mixed, int64_t classes, float* out, int64_t threads) {
    return pcseg::guarded([&] {
        const pcseg::Forest forest{
            starts, share, mixed, trees, classes, pcseg::linked(starts, trees, feature, threshold, children)};
        std::fill_n(out, rows * classes, 0.0f);
        pcseg::parallel_blocks(threads, rows, pcseg::kRowsPerTask, [&](int64_t begin, int64_t end) {
            pcseg::ask(forest, values, columns, begin, end, out);
        });
    });
}
