// Boxes and packing of voxel coordinates.
#include "keys.h"

#include <string>
#include <vector>

#include "parallel.h"
#include "status.h"

namespace pcseg {

void Box::add(const Box& other) {
    for (int axis = 0; axis < 4; ++axis) {
        low[axis] = std::min(low[axis], other.low[axis]);
        high[axis] = std::max(high[axis], other.high[axis]);
    }
}

Box box_of(const char* name, const int32_t* coords, int64_t rows, int64_t threads) {
    constexpr int64_t grain = 1 << 15;
    std::vector<Box> boxes((rows + grain - 1) / grain);
    parallel_blocks(threads, rows, grain, [&](int64_t begin, int64_t end) {
        int32_t low[4], high[4];
        for (int axis = 0; axis < 4; ++axis) low[axis] = high[axis] = coords[4 * begin + axis];
        for (int64_t row = begin; row < end; ++row)
            for (int axis = 0; axis < 4; ++axis) {
                low[axis] = std::min(low[axis], coords[4 * row + axis]);
                high[axis] = std::max(high[axis], coords[4 * row + axis]);
            }
        Box& box = boxes[begin / grain];
        for (int axis = 0; axis < 4; ++axis) {
            box.low[axis] = low[axis];
            box.high[axis] = high[axis];
        }
    });
    Box whole;
    for (const Box& box : boxes) whole.add(box);
    for (int axis = 1; axis < 4 && !whole.empty(); ++axis)
        for (const int64_t edge : {whole.low[axis], whole.high[axis]})
            if (edge < -kCoordinateLimit || edge > kCoordinateLimit)
                throw BadInput{std::string(name) + ": voxel coordinate " + std::to_string(edge) + " is beyond +-" +
                               std::to_string(kCoordinateLimit) +
                               "; move the cloud near the origin or use larger voxels"};
    return whole;
}

Packing packing_of(const Box& box) {
    Packing packing;
    int64_t size[4];
    unsigned __int128 cells = 1;
    for (int axis = 0; axis < 4; ++axis) {
        packing.low[axis] = box.empty() ? 0 : box.low[axis];
        size[axis] = box.empty() ? 1 : box.high[axis] - box.low[axis] + 1;
        cells *= static_cast<unsigned __int128>(size[axis]);
    }
    if (cells >> 63)
        throw BadInput{"coords: " + std::to_string(size[0]) + " samples spanning " + std::to_string(size[1]) + " x " +
                       std::to_string(size[2]) + " x " + std::to_string(size[3]) +
                       " voxels need more than 63 bits; put fewer samples into a batch or use larger voxels"};
    packing.cells = static_cast<uint64_t>(cells);
    packing.weight[3] = 1;
    for (int axis = 3; axis > 0; --axis) packing.weight[axis - 1] = packing.weight[axis] * size[axis];
    return packing;
}

}  // namespace pcseg
