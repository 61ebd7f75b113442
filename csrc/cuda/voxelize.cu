// Distinct voxels among points: keys, sorted by pcseg_cuda_sort, then one pass over the runs of equal keys.
// A sort rather than a hash table, since voxels are returned in order.
#include "../shared/packing.h"
#include "launch.h"

namespace pcseg {
namespace {

// The lowest bit sorts the points to keep before the others of their voxel; the sort is stable.
struct Keys {
    Packing packing;
    const int32_t* coords;
    const uint8_t* keep;
    int64_t* keys;

    PCSEG_HD void operator()(int64_t p) const {
        keys[p] = static_cast<int64_t>(packing.key(coords + 4 * p) << 1) | (keep != nullptr && keep[p] == 0);
    }
};

struct First {
    const int64_t* sorted;
    int32_t* first;

    PCSEG_HD void operator()(int64_t i) const { first[i] = i == 0 || sorted[i] >> 1 != sorted[i - 1] >> 1; }
};

struct Fill {
    const int32_t* order;
    const int32_t* first;
    const int64_t* number;  // counted from 1: the sums of `first`
    int64_t points;
    int64_t* rows;
    int64_t* begins;
    int64_t* inverse;

    PCSEG_HD void operator()(int64_t i) const {
        const int64_t voxel = number[i] - 1;
        inverse[order[i]] = voxel;
        if (first[i]) {
            rows[voxel] = order[i];
            begins[voxel] = i;
        }
        if (i == points - 1) begins[voxel + 1] = points;
    }
};

}  // namespace
}  // namespace pcseg

int pcseg_cuda_voxelize_keys(const int32_t* coords, const uint8_t* keep, int64_t points, const int64_t* packing,
                             int64_t* keys, int64_t device, int64_t stream) {
    return pcseg::guarded([&] {
        const pcseg::Stream on(device, stream);
        on.each(points, pcseg::Keys{pcseg::Packing::of(packing), coords, keep, keys});
    });
}

int pcseg_cuda_voxelize_first(const int64_t* sorted, int64_t points, int32_t* first, int64_t device, int64_t stream) {
    return pcseg::guarded([&] {
        const pcseg::Stream on(device, stream);
        on.each(points, pcseg::First{sorted, first});
    });
}

int pcseg_cuda_voxelize_fill(const int32_t* order, const int32_t* first, const int64_t* number, int64_t points,
                             int64_t* rows, int64_t* begins, int64_t* inverse, int64_t device, int64_t stream) {
    return pcseg::guarded([&] {
        const pcseg::Stream on(device, stream);
        on.each(points, pcseg::Fill{order, first, number, points, rows, begins, inverse});
    });
}
