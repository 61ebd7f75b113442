// Searches on the neighbor graph of a scan: cheapest paths to each class, and merges along a spanning tree.
#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

#include "parallel.h"
#include "status.h"

namespace pcseg {
namespace {

struct Graph {  // edges starts[n] to starts[n + 1] lead from node n to `ends`
    const int64_t* starts;
    const int32_t* ends;
    const float* cost;
    int64_t nodes;
};

// Each edge comes from the node of the lower number, or from the other one where the lower does not know it.
int64_t edges(const int64_t* near, const double* distance, int64_t nodes, int64_t k, int32_t* one, int32_t* other,
              double* length) {
    int64_t count = 0;
    for (int64_t n = 0; n < nodes; ++n) {
        for (int64_t i = n * k; i < (n + 1) * k; ++i) {
            const int64_t end = near[i];
            if (end < 0 || end == n) continue;
            const int64_t* back = near + end * k;
            if (end < n && std::find(back, back + k, n) != back + k) continue;
            one[count] = static_cast<int32_t>(std::min(n, end));
            other[count] = static_cast<int32_t>(std::max(n, end));
            length[count++] = distance[i];
        }
    }
    return count;
}

// Dijkstra's search from all nodes of one class at once; a node may wait several times, the first one counts.
struct Search {
    std::vector<double> distance;
    std::vector<int32_t> nearest;  // the labeled node that the cheapest path leads to, -1 for none
    std::vector<std::pair<double, int32_t>> waiting;

    void run(const Graph& graph, const int64_t* label, int64_t wanted) {
        distance.assign(graph.nodes, std::numeric_limits<double>::infinity());
        nearest.assign(graph.nodes, -1);
        waiting.clear();
        for (int64_t n = 0; n < graph.nodes; ++n) {
            if (label[n] != wanted) continue;
            distance[n] = 0;
            nearest[n] = static_cast<int32_t>(n);
            waiting.emplace_back(0.0, static_cast<int32_t>(n));  // all alike: already a heap
        }
        const std::greater<std::pair<double, int32_t>> later;
        while (!waiting.empty()) {
            std::pop_heap(waiting.begin(), waiting.end(), later);
            const auto [found, node] = waiting.back();
            waiting.pop_back();
            if (found > distance[node]) continue;
            for (int64_t e = graph.starts[node]; e < graph.starts[node + 1]; ++e) {
                const int32_t next = graph.ends[e];
                const double through = found + graph.cost[e];
                if (!(through < distance[next])) continue;
                distance[next] = through;
                nearest[next] = nearest[node];
                waiting.emplace_back(through, next);
                std::push_heap(waiting.begin(), waiting.end(), later);
            }
        }
    }
};

// What the distance of each labeled node of the class would be, were its label unknown: the cheapest path to another
// one crosses the border of the nodes that are nearest to it. row: place of each labeled node in out (rows, classes).
void leave_out(const Graph& graph, const Search& found, const std::vector<int32_t>& row, int64_t classes, float* out) {
    for (int64_t n = 0; n < graph.nodes; ++n) {
        const int32_t near = found.nearest[n];
        if (near < 0) continue;
        for (int64_t e = graph.starts[n]; e < graph.starts[n + 1]; ++e) {
            const int32_t other = graph.ends[e];
            if (found.nearest[other] == near || found.nearest[other] < 0) continue;
            const auto path = static_cast<float>(found.distance[n] + graph.cost[e] + found.distance[other]);
            float& best = out[row[near] * classes];
            best = std::min(best, path);
        }
    }
}

// out (nodes, classes); left_out (labeled nodes, classes), or NULL.
void class_paths(const Graph& graph, const int64_t* label, int64_t classes, float* out, float* left_out,
                 int64_t threads) {
    std::vector<int32_t> row(graph.nodes, -1);  // place in left_out
    int32_t rows = 0;
    std::vector<char> there(classes, 0);
    for (int64_t n = 0; n < graph.nodes; ++n) {
        if (label[n] < 0) continue;
        there[label[n]] = 1;
        row[n] = rows++;
    }
    std::fill_n(out, graph.nodes * classes, std::numeric_limits<float>::infinity());
    if (left_out != nullptr) std::fill_n(left_out, rows * classes, std::numeric_limits<float>::infinity());
    std::vector<Search> searches(threads);
    parallel_tasks(threads, classes, [&](int64_t k, int64_t worker) {
        if (!there[k]) return;
        Search& search = searches[worker];
        search.run(graph, label, k);
        for (int64_t n = 0; n < graph.nodes; ++n) {
            out[n * classes + k] = static_cast<float>(search.distance[n]);
            if (left_out != nullptr && row[n] >= 0 && label[n] != k)
                left_out[row[n] * classes + k] = static_cast<float>(search.distance[n]);
        }
        if (left_out != nullptr) leave_out(graph, search, row, classes, left_out + k);
    });
}

class Union {
   public:
    explicit Union(int64_t nodes) : parent_(nodes), size_(nodes, 1), inner_(nodes, 0) {
        std::iota(parent_.begin(), parent_.end(), 0);
    }
    int32_t find(int32_t node) {
        while (parent_[node] != node) node = parent_[node] = parent_[parent_[node]];
        return node;
    }
    // Merges as long as the edge is about as cheap as those inside both (Felzenszwalb and Huttenlocher, IJCV 2004).
    void offer(int32_t one, int32_t other, double cost, double core) {
        const int32_t a = find(one), b = find(other);
        if (cost <= std::min(inner_[a] + core / size_[a], inner_[b] + core / size_[b])) merge(a, b, cost);
    }
    bool join(int32_t one, int32_t other) {
        int32_t a = find(one), b = find(other);
        if (a == b) return false;
        if (size_[a] < size_[b]) std::swap(a, b);
        merge(a, b, 0);
        return true;
    }

   private:
    void merge(int32_t to, int32_t from, double cost) {
        parent_[from] = to;
        size_[to] += size_[from];
        inner_[to] = cost;
    }

    std::vector<int32_t> parent_;
    std::vector<int64_t> size_;
    std::vector<double> inner_;
};

struct Edge {
    float cost;
    int32_t one, other;
};

// Each edge once, from the lower number, cheapest first.
std::vector<Edge> cheapest_first(const Graph& graph) {
    std::vector<Edge> edges;
    edges.reserve(graph.starts[graph.nodes] / 2);
    for (int64_t n = 0; n < graph.nodes; ++n)
        for (int64_t e = graph.starts[n]; e < graph.starts[n + 1]; ++e)
            if (n < graph.ends[e]) edges.push_back({graph.cost[e], static_cast<int32_t>(n), graph.ends[e]});
    std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) {
        return std::tie(a.cost, a.one, a.other) < std::tie(b.cost, b.one, b.other);
    });
    return edges;
}

void cores(const Graph& graph, double core, int32_t* part) {
    Union tree(graph.nodes), merged(graph.nodes);  // the spanning tree is Kruskal's
    for (const Edge& edge : cheapest_first(graph))
        if (tree.join(edge.one, edge.other)) merged.offer(edge.one, edge.other, edge.cost, core);
    for (int64_t n = 0; n < graph.nodes; ++n) part[n] = merged.find(static_cast<int32_t>(n));
}

}  // namespace
}  // namespace pcseg

int pcseg_edges(const int64_t* near, const double* distance, int64_t nodes, int64_t k, int32_t* one, int32_t* other,
                double* length, int64_t* count) {
    return pcseg::guarded([&] { *count = pcseg::edges(near, distance, nodes, k, one, other, length); });
}

int pcseg_class_paths(const int64_t* starts, const int32_t* ends, const float* cost, int64_t nodes,
                      const int64_t* label, int64_t classes, float* out, float* left_out, int64_t threads) {
    return pcseg::guarded(
        [&] { pcseg::class_paths({starts, ends, cost, nodes}, label, classes, out, left_out, threads); });
}

int pcseg_cores(const int64_t* starts, const int32_t* ends, const float* cost, int64_t nodes, double core,
                int32_t* part) {
    return pcseg::guarded([&] { pcseg::cores({starts, ends, cost, nodes}, core, part); });
}
