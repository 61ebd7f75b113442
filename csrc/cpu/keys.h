// The bounding box of voxels and the packing of their coordinates (shared/packing.h), with checks.
#pragma once
#include <cstdint>

#include "../shared/packing.h"

namespace pcseg {

constexpr int64_t kCoordinateLimit = int64_t{1} << 19;

// Lowest and highest [sample, x, y, z] of a set of voxels; empty while low > high.
struct Box {
    int64_t low[4] = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
    int64_t high[4] = {INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN};
    bool empty() const { return low[0] > high[0]; }
    void add(const Box& other);
};

// Returns the box of coords (rows, 4); BadInput, beginning with `name`, if a coordinate is beyond +-kCoordinateLimit.
Box box_of(const char* name, const int32_t* coords, int64_t rows, int64_t threads);

// Returns the packing of a box; BadInput if it needs more than 63 bits.
Packing packing_of(const Box& box);

}  // namespace pcseg
