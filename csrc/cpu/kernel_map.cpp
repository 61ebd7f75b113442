// Kernel maps by merging: the voxels at one offset from the output voxels are in the same order as the output voxels
// themselves, so one pass over the sorted input voxels finds them all. Memory is only read in order.
#include <atomic>
#include <memory>
#include <string>

#include "keys.h"
#include "memory.h"
#include "parallel.h"
#include "radix.h"
#include "status.h"

namespace pcseg {
namespace {

constexpr int64_t kGrain = 1 << 12;

struct Search {
    const int32_t* in_coords;
    int64_t in_rows;
    const int32_t* out_coords;
    int64_t out_rows;
    const int32_t* offsets;
    int64_t n_offsets;
    int64_t threads;

    bool mirrored() const {  // whether offset k is the opposite of offset n_offsets - 1 - k
        bool found = in_coords == out_coords && n_offsets % 2 == 1;
        for (int64_t k = 0; k < n_offsets && found; ++k)
            for (int axis = 0; axis < 3; ++axis)
                found &= offsets[3 * k + axis] == -offsets[3 * (n_offsets - 1 - k) + axis];
        return found;
    }

    // Contains each output voxel and all voxels at its offsets, so that distinct voxels have distinct keys.
    Packing packing() const {
        Box box = box_of("in_coords", in_coords, in_rows, threads);
        Box reach = in_coords == out_coords ? box : box_of("out_coords", out_coords, out_rows, threads);
        if (reach.empty() || n_offsets == 0) return packing_of(box);
        for (int axis = 1; axis < 4; ++axis) {
            int64_t low = 0, high = 0;
            for (int64_t k = 0; k < n_offsets; ++k) {
                low = std::min<int64_t>(low, offsets[3 * k + axis - 1]);
                high = std::max<int64_t>(high, offsets[3 * k + axis - 1]);
            }
            reach.low[axis] += low;
            reach.high[axis] += high;
        }
        box.add(reach);
        return packing_of(box);
    }
};

Sorted sorted(const Packing& packing, const int32_t* coords, int64_t rows, int64_t threads) {
    return Sorted(rows, packing.cells, threads, [&](int64_t row) { return packing.key(coords + 4 * row); });
}

void check_distinct(const Sorted& voxels, const Packing& packing) {
    for (int64_t i = 1; i < voxels.size(); ++i)
        if (voxels[i].key == voxels[i - 1].key) {
            int64_t voxel[4];
            packing.unpack(voxels[i].key, voxel);
            throw BadInput{"in_coords: voxel [" + std::to_string(voxel[0]) + ", " + std::to_string(voxel[1]) + ", " +
                           std::to_string(voxel[2]) + ", " + std::to_string(voxel[3]) +
                           "] is there more than once; voxelize the points first"};
        }
}

// Fills neighbor and starts; returns the number of offsets searched for (the rest mirror them).
int64_t find(const Search& search, int32_t* neighbor, int64_t* starts) {
    const Packing packing = search.packing();
    const bool same = search.in_coords == search.out_coords;
    const Sorted inputs = sorted(packing, search.in_coords, search.in_rows, search.threads);
    check_distinct(inputs, packing);
    std::unique_ptr<const Sorted> own;
    if (!same) own.reset(new Sorted(sorted(packing, search.out_coords, search.out_rows, search.threads)));
    const Sorted& outputs = same ? inputs : *own;

    // If n is m's neighbor at an offset, m is n's at the opposite offset. With rows in order the swapped pairs are in
    // order too: both rows of a pair increase together.
    const bool half = inputs.came_in_order() && search.mirrored();
    const int64_t searched = half ? search.n_offsets / 2 : search.n_offsets;
    prefer_large_pages(neighbor, searched * search.out_rows * sizeof(int32_t));
    const std::unique_ptr<std::atomic<int64_t>[]> counts(new std::atomic<int64_t>[search.n_offsets]());
    parallel_blocks(search.threads, search.out_rows, kGrain, [&](int64_t begin, int64_t end) {
        for (int64_t k = 0; k < searched; ++k) {
            const uint64_t step = static_cast<uint64_t>(packing.step(search.offsets + 3 * k));
            int32_t* row = neighbor + k * search.out_rows;
            int64_t place = inputs.first_not_below(outputs[begin].key + step), found = 0;
            for (int64_t i = begin; i < end; ++i) {
                const uint64_t target = outputs[i].key + step;
                while (inputs[place].key < target) ++place;
                const bool hit = inputs[place].key == target;
                row[outputs[i].row] = hit ? static_cast<int32_t>(inputs[place].row) : -1;
                found += hit;
            }
            counts[k] += found;
        }
    });
    if (half) {
        counts[searched] = search.out_rows;
        for (int64_t k = 0; k < searched; ++k) counts[search.n_offsets - 1 - k] = counts[k].load();
    }
    starts[0] = 0;
    for (int64_t k = 0; k < search.n_offsets; ++k) starts[k + 1] = starts[k] + counts[k];
    return searched;
}

void fill(const int32_t* neighbor, int64_t out_rows, int64_t n_offsets, int64_t searched, const int64_t* starts,
          int32_t* pairs, int64_t threads) {
    prefer_large_pages(pairs, 2 * starts[n_offsets] * sizeof(int32_t));
    int32_t* in = pairs;
    int32_t* out = pairs + starts[n_offsets];
    parallel_tasks(threads, searched < n_offsets ? searched + 1 : searched, [&](int64_t k, int64_t) {
        int64_t p = starts[k];
        if (k == searched) {  // the offset in the middle: each voxel with itself
            for (int64_t m = 0; m < out_rows; ++m) in[p + m] = out[p + m] = static_cast<int32_t>(m);
            return;
        }
        for (int64_t m = 0; p < starts[k + 1]; ++m) {
            in[p] = neighbor[k * out_rows + m];
            out[p] = static_cast<int32_t>(m);
            p += in[p] >= 0;
        }
        if (searched < n_offsets) {
            const int64_t size = starts[k + 1] - starts[k], mirror = starts[n_offsets - 1 - k];
            std::copy(in + starts[k], in + starts[k] + size, out + mirror);
            std::copy(out + starts[k], out + starts[k] + size, in + mirror);
        }
    });
}

}  // namespace
}  // namespace pcseg

int pcseg_kernel_map_find(const int32_t* in_coords, int64_t in_rows, const int32_t* out_coords, int64_t out_rows,
                          const int32_t* offsets, int64_t n_offsets, int32_t* neighbor, int64_t* searched,
                          int64_t* starts, int64_t threads) {
    return pcseg::guarded([&] {
        if (in_rows > INT32_MAX || out_rows > INT32_MAX) throw pcseg::BadInput{"coords: more than 2^31 voxels"};
        *searched = pcseg::find({in_coords, in_rows, out_coords, out_rows, offsets, n_offsets, threads}, neighbor,
                                starts);
    });
}

int pcseg_kernel_map_fill(const int32_t* neighbor, int64_t out_rows, int64_t n_offsets, int64_t searched,
                          const int64_t* starts, int32_t* pairs, int64_t threads) {
    return pcseg::guarded([&] { pcseg::fill(neighbor, out_rows, n_offsets, searched, starts, pairs, threads); });
}
