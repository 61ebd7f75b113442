// Voxel coordinates packed into single integers: equal voxels have equal keys, order is kept.
// The same packing as pcseg/ops/_keys.py.
#pragma once
#include <cstdint>

#include "hd.h"

namespace pcseg {

// Mixed-radix packing of the voxels [sample, x, y, z] of a box into integers below `cells` < 2^63, which keeps the
// lexicographic order. Python passes its nine numbers in this order.
struct Packing {
    int64_t low[4];
    int64_t weight[4];  // the last is 1
    uint64_t cells;

    static Packing of(const int64_t* numbers) {
        Packing packing;
        for (int axis = 0; axis < 4; ++axis) {
            packing.low[axis] = numbers[axis];
            packing.weight[axis] = numbers[4 + axis];
        }
        packing.cells = static_cast<uint64_t>(numbers[8]);
        return packing;
    }
    PCSEG_HD uint64_t key(const int32_t* coord) const {
        return static_cast<uint64_t>((coord[0] - low[0]) * weight[0] + (coord[1] - low[1]) * weight[1] +
                                     (coord[2] - low[2]) * weight[2] + (coord[3] - low[3]));
    }
    // Returns the difference of keys of two voxels that are `offset` (x, y, z) apart.
    PCSEG_HD int64_t step(const int32_t* offset) const {
        return offset[0] * weight[1] + offset[1] * weight[2] + offset[2];
    }
    void unpack(uint64_t key, int64_t* coord) const {
        for (int axis = 0; axis < 4; ++axis) {
            coord[axis] = low[axis] + static_cast<int64_t>(key) / weight[axis];
            key = static_cast<uint64_t>(static_cast<int64_t>(key) % weight[axis]);
        }
    }
};

}  // namespace pcseg
