// Voxel coordinates as single integers: equal keys, equal voxels; ordered as coordinates are.
// The twin of pcseg/ops/_keys.py.
#pragma once
#include <cstdint>

namespace pcseg {

constexpr int64_t kCoordinateLimit = int64_t{1} << 19;

// Lowest and highest [sample, x, y, z] of some voxels; empty while low > high.
struct Box {
    int64_t low[4] = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
    int64_t high[4] = {INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN};
    bool empty() const { return low[0] > high[0]; }
    void add(const Box& other);
};

// The box of coords (rows, 4); BadInput, beginning with `name`, where a coordinate is beyond +-kCoordinateLimit.
Box box_of(const char* name, const int32_t* coords, int64_t rows, int64_t threads);

// Mixed-radix packing of the voxels of a box into integers below `cells`, which keeps the lexicographic order.
class Packing {
   public:
    explicit Packing(const Box& box);  // BadInput where the box needs more than 63 bits

    uint64_t key(const int32_t* coord) const {
        return static_cast<uint64_t>((coord[0] - low_[0]) * weight_[0] + (coord[1] - low_[1]) * weight_[1] +
                                     (coord[2] - low_[2]) * weight_[2] + (coord[3] - low_[3]));
    }
    // What adding offset (x, y, z) to a coordinate adds to its key.
    int64_t step(const int32_t* offset) const {
        return offset[0] * weight_[1] + offset[1] * weight_[2] + offset[2];
    }
    void unpack(uint64_t key, int64_t* coord) const;
    uint64_t cells() const { return cells_; }

   private:
    int64_t low_[4], weight_[4];
    uint64_t cells_;
};

}  // namespace pcseg
