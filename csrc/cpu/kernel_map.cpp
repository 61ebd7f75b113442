// Kernel maps by merging: the voxels at one offset from the output voxels are in the same order as the output voxels
// themselves, so one pass over the sorted input voxels finds them all, and those at offsets a little further along z,
// which follow them. Memory is only read in order.
#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

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

// An offset to search for: its number, its row in `neighbor`, and the difference of the keys.
struct Offset {
    int64_t number, row, step;
};

// Finds the voxels at COUNT offsets from the output voxels [begin, end). The steps of the offsets are GAP apart, so at
// most GAP voxels are passed from one to the next. Fills the rows of the offsets in `neighbor` and adds to `counts`.
template <int COUNT, int GAP>
void pass(const Sorted& inputs, const Sorted& outputs, const Offset* offsets, int64_t begin, int64_t end,
          int32_t* neighbor, int64_t out_rows, std::atomic<int64_t>* counts) {
    int32_t* to[COUNT];
    int64_t found[COUNT] = {};
    for (int o = 0; o < COUNT; ++o) to[o] = neighbor + offsets[o].row * out_rows;
    const uint64_t step = static_cast<uint64_t>(offsets[0].step);
    int64_t place = inputs.first_not_below(outputs[begin].key + step);
    for (int64_t i = begin; i < end; ++i) {
        uint64_t target = outputs[i].key + step;
        while (inputs[place].key < target) ++place;
        int64_t next = place;
        for (int o = 0; o < COUNT; ++o, target += GAP) {
            for (int gap = 0; gap < (o > 0 ? GAP : 0); ++gap) next += inputs[next].key < target;
            const bool hit = inputs[next].key == target;
            to[o][outputs[i].row] = hit ? static_cast<int32_t>(inputs[next].row) : -1;
            found[o] += hit;
        }
    }
    for (int o = 0; o < COUNT; ++o) counts[offsets[o].row] += found[o];
}

using Pass = void (*)(const Sorted&, const Sorted&, const Offset*, int64_t, int64_t, int32_t*, int64_t,
                      std::atomic<int64_t>*);

// The pass for the first of `left` offsets sorted by step; `count` becomes how many it takes.
Pass choose_pass(const Offset* offsets, int64_t left, int64_t& count) {
    static constexpr Pass passes[2][2] = {{pass<2, 1>, pass<3, 1>}, {pass<2, 2>, pass<3, 2>}};
    const int64_t gap = left > 1 ? offsets[1].step - offsets[0].step : 0;
    count = 1;
    if (gap < 1 || gap > 2) return pass<1, 1>;
    count = left > 2 && offsets[2].step - offsets[1].step == gap ? 3 : 2;
    return passes[gap - 1][count - 2];
}

// Fills neighbor, sources and starts.
void find(const Search& search, int32_t* neighbor, int64_t* sources, int64_t* starts) {
    const Packing packing = search.packing();
    const bool same = search.in_coords == search.out_coords;
    const Sorted inputs = sorted(packing, search.in_coords, search.in_rows, search.threads);
    check_distinct(inputs, packing);
    std::unique_ptr<const Sorted> own;
    if (!same) own.reset(new Sorted(sorted(packing, search.out_coords, search.out_rows, search.threads)));
    const Sorted& outputs = same ? inputs : *own;

    // If n is m's neighbor at an offset, m is n's at the opposite offset. With rows in order the swapped pairs are in
    // order too: both rows of a pair increase together. Of two opposite offsets, the one with a negative step is
    // searched for.
    const bool half = inputs.came_in_order() && search.mirrored();
    std::vector<Offset> offsets;
    for (int64_t k = 0; k < search.n_offsets; ++k) {
        const int64_t step = packing.step(search.offsets + 3 * k);
        if (!half || step <= 0) offsets.push_back({k, static_cast<int64_t>(offsets.size()), step});
    }
    for (const Offset& offset : offsets) {
        if (half) sources[search.n_offsets - 1 - offset.number] = ~offset.row;
    }
    for (const Offset& offset : offsets) sources[offset.number] = offset.row;
    std::sort(offsets.begin(), offsets.end(), [](const Offset& a, const Offset& b) { return a.step < b.step; });

    const int64_t searched = static_cast<int64_t>(offsets.size());
    prefer_large_pages(neighbor, searched * search.out_rows * sizeof(int32_t));
    const std::unique_ptr<std::atomic<int64_t>[]> counts(new std::atomic<int64_t>[searched]());  // by row
    parallel_blocks(search.threads, search.out_rows, kGrain, [&](int64_t begin, int64_t end) {
        for (int64_t o = 0, count; o < searched; o += count) {
            const Pass search_for = choose_pass(&offsets[o], searched - o, count);
            search_for(inputs, outputs, &offsets[o], begin, end, neighbor, search.out_rows, counts.get());
        }
    });
    starts[0] = 0;
    for (int64_t k = 0; k < search.n_offsets; ++k)
        starts[k + 1] = starts[k] + counts[sources[k] >= 0 ? sources[k] : ~sources[k]];
}

void fill(const int32_t* neighbor, int64_t out_rows, int64_t n_offsets, const int64_t* sources, const int64_t* starts,
          int32_t* pairs, int64_t threads) {
    prefer_large_pages(pairs, 2 * starts[n_offsets] * sizeof(int32_t));
    int32_t* in = pairs;
    int32_t* out = pairs + starts[n_offsets];
    parallel_tasks(threads, n_offsets, [&](int64_t k, int64_t) {
        if (sources[k] < 0) return;
        const int32_t* row = neighbor + sources[k] * out_rows;
        int64_t p = starts[k];
        for (int64_t m = 0; p < starts[k + 1]; ++m) {
            in[p] = row[m];
            out[p] = static_cast<int32_t>(m);
            p += row[m] >= 0;
        }
        const int64_t opposite = n_offsets - 1 - k;
        if (sources[opposite] != ~sources[k]) return;
        std::copy(in + starts[k], in + starts[k + 1], out + starts[opposite]);
        std::copy(out + starts[k], out + starts[k + 1], in + starts[opposite]);
    });
}

}  // namespace
}  // namespace pcseg

int pcseg_kernel_map_find(const int32_t* in_coords, int64_t in_rows, const int32_t* out_coords, int64_t out_rows,
                          const int32_t* offsets, int64_t n_offsets, int32_t* neighbor, int64_t* sources,
                          int64_t* starts, int64_t threads) {
    return pcseg::guarded([&] {
        if (in_rows > INT32_MAX || out_rows > INT32_MAX) throw pcseg::BadInput{"coords: more than 2^31 voxels"};
        pcseg::find({in_coords, in_rows, out_coords, out_rows, offsets, n_offsets, threads}, neighbor, sources, starts);
    });
}

int pcseg_kernel_map_fill(const int32_t* neighbor, int64_t out_rows, int64_t n_offsets, const int64_t* sources,
                          const int64_t* starts, int32_t* pairs, int64_t threads) {
    return pcseg::guarded([&] { pcseg::fill(neighbor, out_rows, n_offsets, sources, starts, pairs, threads); });
}
