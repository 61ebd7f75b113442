// Nearest neighbors with a hashed grid: points are sorted by cell, and a hash table holds the first point of each cell.
// A query searches shells of cells around its own, from near to far, until all other points are farther away than the
// neighbors found. A query without enough neighbors within kShells searches all points of its sample.
#include <cmath>

#include "../shared/hash_table.h"
#include "../shared/nearest.h"
#include "../shared/search.h"
#include "launch.h"

namespace pcseg {
namespace {

constexpr int64_t kShells = 4;
constexpr double kFar = 1 << 24;    // cells; larger distances are clamped to it
constexpr double kRounding = 1e-6;  // cells; above the rounding of float64 at kFar cells (2^-26)

// Cubes of edge `side` from the lowest point on, `cells` along each axis; a key is [sample, x, y, z] in mixed radix.
struct Grid {
    double low[3], side;
    int64_t cells[3];

    Grid(const double* place, const int64_t* cells_) : side(place[3]) {
        for (int axis = 0; axis < 3; ++axis) {
            low[axis] = place[axis];
            cells[axis] = cells_[axis];
        }
    }
    PCSEG_HD int64_t cell(const double* at, int axis) const {
        const double cell = floor((at[axis] - low[axis]) / side);
        return static_cast<int64_t>(cell > -kFar ? (cell < kFar ? cell : kFar) : -kFar);
    }
    PCSEG_HD int64_t key(int64_t sample, int64_t x, int64_t y, int64_t z) const {
        return ((sample * cells[0] + x) * cells[1] + y) * cells[2] + z;
    }
};

struct Keys {
    Grid grid;
    const double* points;
    const int64_t* sample;
    int64_t* keys;

    PCSEG_HD void operator()(int64_t p) const {
        int64_t at[3];
        for (int axis = 0; axis < 3; ++axis) {  // all points are within the grid; clamped because of rounding
            const int64_t cell = grid.cell(points + 3 * p, axis), last = grid.cells[axis] - 1;
            at[axis] = cell < 0 ? 0 : cell > last ? last : cell;
        }
        keys[p] = grid.key(sample != nullptr ? sample[p] : 0, at[0], at[1], at[2]);
    }
};

struct Insert {
    const int64_t* keys;
    HashTable table;

    PCSEG_HD void operator()(int64_t place) const {
        if (place == 0 || keys[place] != keys[place - 1])
            table.insert(static_cast<uint64_t>(keys[place]), static_cast<int32_t>(place));
    }
};

struct Search {
    Grid grid;
    HashTable table;      // first point of each cell
    const int64_t* keys;  // the cells of the points, ascending
    const int32_t* order;
    const double* points;  // in the order of `keys`
    int64_t n_points;
    const double* query;
    const int64_t* sample;  // -1: a sample without points
    int64_t k;
    double square_radius;
    int64_t* index;
    double* distance;

    PCSEG_HD void operator()(int64_t q) const {
        const double* at = query + 3 * q;
        const int64_t mine = sample != nullptr ? sample[q] : 0;
        Best best(k, square_radius, index + q * k, distance + q * k);
        if (mine >= 0 && !by_shells(at, mine, best)) {
            best = Best(k, square_radius, index + q * k, distance + q * k);
            const int64_t end = first_not_below(keys, n_points, grid.key(mine + 1, 0, 0, 0));
            for (int64_t place = first_not_below(keys, n_points, grid.key(mine, 0, 0, 0)); place < end; ++place)
                offer(at, place, best);
        }
        best.finish();
    }

   private:
    // Returns whether the neighbors found are final.
    PCSEG_HD bool by_shells(const double* at, int64_t mine, Best& best) const {
        int64_t center[3], nearest = 0, last = 0;  // the shells that intersect the grid
        for (int axis = 0; axis < 3; ++axis) {
            center[axis] = grid.cell(at, axis);
            const int64_t above = grid.cells[axis] - 1 - center[axis];  // number of cells on this side
            nearest = larger(nearest, larger(-center[axis], -above));
            last = larger(last, larger(center[axis], above));
        }
        for (int64_t shell = nearest; shell <= last; ++shell) {
            const double clear = (static_cast<double>(shell - 1) - kRounding) * grid.side;  // the others are farther
            if (clear > 0 && clear * clear > best.farthest()) return true;
            if (shell > kShells) return false;
            visit(shell, center, at, mine, best);
        }
        return true;
    }

    PCSEG_HD void visit(int64_t shell, const int64_t* center, const double* at, int64_t mine, Best& best) const {
        int64_t low[3], high[3];
        for (int axis = 0; axis < 3; ++axis) {
            low[axis] = larger(center[axis] - shell, 0);
            high[axis] = -larger(-(center[axis] + shell), 1 - grid.cells[axis]);
        }
        for (int64_t x = low[0]; x <= high[0]; ++x)
            for (int64_t y = low[1]; y <= high[1]; ++y) {
                const bool side = x == center[0] - shell || x == center[0] + shell || y == center[1] - shell ||
                                  y == center[1] + shell;
                for (int64_t z = low[2]; z <= high[2]; ++z) {
                    const bool inside = !side && z > center[2] - shell && z < center[2] + shell;
                    if (inside) {  // part of an earlier shell: skip to the far side
                        z = center[2] + shell - 1;
                        continue;
                    }
                    const int64_t key = grid.key(mine, x, y, z);
                    const int64_t first = table.find(static_cast<uint64_t>(key));
                    for (int64_t place = first; place >= 0 && place < n_points && keys[place] == key; ++place)
                        offer(at, place, best);
                }
            }
    }

    PCSEG_HD void offer(const double* at, int64_t place, Best& best) const {
        best.offer(square_distance(at, points + 3 * place), order[place]);
    }
    PCSEG_HD static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
};

}  // namespace
}  // namespace pcseg

int pcseg_cuda_neighbors_keys(const double* points, const int64_t* sample, int64_t n_points, const double* place,
                               const int64_t* cells, int64_t* keys, int64_t device, int64_t stream) {
    return pcseg::guarded([&] {
        const pcseg::Stream on(device, stream);
        on.each(n_points, pcseg::Keys{pcseg::Grid(place, cells), points, sample, keys});
    });
}

int pcseg_cuda_neighbors(const double* query, const int64_t* sample, int64_t queries, const double* points,
                          const int64_t* keys, const int32_t* order, int64_t n_points, const double* place,
                          const int64_t* cells, int64_t* table_keys, int32_t* table_rows, int64_t slots, int64_t k,
                          double radius, int64_t* index, double* distance, int64_t device, int64_t stream) {
    using namespace pcseg;
    return guarded([&] {
        const Stream on(device, stream);
        const HashTable table{reinterpret_cast<uint64_t*>(table_keys), table_rows, static_cast<uint64_t>(slots)};
        on.each(n_points, Insert{keys, table});
        on.each(queries, Search{Grid(place, cells), table, keys, order, points, n_points, query, sample, k,
                                radius * radius, index, distance});
    });
}
