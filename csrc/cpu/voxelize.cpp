// Distinct voxels among points: a stable radix sort of packed coordinates, then one pass over the runs of equal keys.
// A sort rather than a hash table, since voxels are returned in order.
#include <vector>

#include "keys.h"
#include "parallel.h"
#include "radix.h"
#include "status.h"

namespace pcseg {
namespace {

constexpr int64_t kGrain = 1 << 15;

int64_t voxelize(const int32_t* coords, const uint8_t* keep, int64_t points, int64_t* rows, int64_t* inverse,
                 int64_t* counts, int64_t threads) {
    const Packing packing = packing_of(box_of("coords", coords, points, threads));
    const Sorted entries(points, packing.cells, threads, [&](int64_t p) { return packing.key(coords + 4 * p); });
    const auto starts_voxel = [&](int64_t i) { return i == 0 || entries[i].key != entries[i - 1].key; };

    // Where the run of each voxel starts.
    std::vector<int64_t> first_voxel((points + kGrain - 1) / kGrain + 1);
    parallel_blocks(threads, points, kGrain, [&](int64_t begin, int64_t end) {
        int64_t found = 0;
        for (int64_t i = begin; i < end; ++i) found += starts_voxel(i);
        first_voxel[begin / kGrain + 1] = found;
    });
    for (size_t block = 1; block < first_voxel.size(); ++block) first_voxel[block] += first_voxel[block - 1];
    const int64_t voxels = first_voxel.back();
    std::vector<int64_t> starts(voxels + 1, points);
    parallel_blocks(threads, points, kGrain, [&](int64_t begin, int64_t end) {
        int64_t voxel = first_voxel[begin / kGrain];
        for (int64_t i = begin; i < end; ++i)
            if (starts_voxel(i)) starts[voxel++] = i;
    });
    parallel_blocks(threads, voxels, kGrain, [&](int64_t begin, int64_t end) {
        for (int64_t voxel = begin; voxel < end; ++voxel) {
            int64_t row = -1;
            for (int64_t i = starts[voxel]; i < starts[voxel + 1]; ++i) {
                const int64_t point = entries[i].row;
                inverse[point] = voxel;
                if (row < 0 && keep != nullptr && keep[point]) row = point;
            }
            rows[voxel] = row < 0 ? entries[starts[voxel]].row : row;
            counts[voxel] = starts[voxel + 1] - starts[voxel];
        }
    });
    return voxels;
}

}  // namespace
}  // namespace pcseg

int pcseg_voxelize(const int32_t* coords, const uint8_t* keep, int64_t points, int64_t* rows, int64_t* inverse,
                   int64_t* counts, int64_t* voxels, int64_t threads) {
    return pcseg::guarded([&] { *voxels = pcseg::voxelize(coords, keep, points, rows, inverse, counts, threads); });
}
