// Output rows of a kernel map sorted by the offsets that reach them, and the blocks of its tiles: what a block is and
// why rows are sorted stands in pcseg/ops/triton/row_order.py. Atomics set bits only, so that results have the same
// bits each time.
#include "../shared/atomics.h"
#include "../shared/search.h"
#include "launch.h"

namespace pcseg {
namespace {

PCSEG_HD inline int32_t count_bits(uint32_t mask) {
#if defined(__CUDA_ARCH__)
    return __popc(mask);
#else
    return __builtin_popcount(mask);
#endif
}

// The rank of a mask in the reflected Gray code, in which neighbors differ by one bit.
PCSEG_HD inline uint32_t gray_rank(uint32_t mask) {
    for (int shift = 1; shift < 32; shift *= 2) mask ^= mask >> shift;
    return mask;
}

// A kernel map, its offsets cut into groups of `width`.
struct Map {
    const int32_t* pairs;
    int64_t n_pairs;
    const int64_t* starts;
    int64_t n_offsets, out_rows, width;

    PCSEG_HD int64_t offset(int64_t i) const { return group_of(starts, n_offsets, i); }
    // The place of the output row of pair i, of offset k, in an array (groups, out_rows).
    PCSEG_HD int64_t row(int64_t k, int64_t i) const { return k / width * out_rows + pairs[n_pairs + i]; }
};

struct Mask {
    Map map;
    uint32_t* masks;

    PCSEG_HD void operator()(int64_t i) const {
        const int64_t k = map.offset(i);
        set_bits(masks + map.row(k, i), 1u << k % map.width);
    }
};

// Of rows in one group the one with the highest rank comes first, so the key counts from the highest rank down.
struct Key {
    const uint32_t* masks;
    const int32_t* place;
    int64_t out_rows, n_offsets, width;
    int64_t* keys;

    PCSEG_HD void operator()(int64_t i) const {
        const int64_t first = i / out_rows * width;
        uint32_t moved = 0;
        for (int64_t bit = 0; bit < width && first + bit < n_offsets; ++bit)
            moved |= (masks[i] >> bit & 1u) << place[first + bit];
        const int64_t highest = (int64_t{1} << width) - 1;
        keys[i] = (i / out_rows << width) + (highest - gray_rank(moved));
    }
};

struct Place {
    const int32_t* order;
    const uint32_t* masks;
    int64_t out_rows, size, tiles;
    int32_t* rows;
    int32_t* places;
    uint32_t* present;

    PCSEG_HD void operator()(int64_t i) const {
        const int64_t group = i / out_rows, place = i % out_rows, from = order[i];
        rows[i] = static_cast<int32_t>(from - group * out_rows);
        places[from] = static_cast<int32_t>(place);
        set_bits(present + group * tiles + place / size, masks[from]);
    }
};

struct CountBlocks {
    const uint32_t* present;
    int32_t* blocks;

    PCSEG_HD void operator()(int64_t tile) const { blocks[tile] = count_bits(present[tile]); }
};

struct Offsets {
    const uint32_t* present;
    const int32_t* firsts;
    int64_t tiles, width;
    int32_t* offsets;

    PCSEG_HD void operator()(int64_t tile) const {
        int64_t block = firsts[tile];
        for (int64_t bit = 0; bit < width; ++bit)
            if (present[tile] >> bit & 1u) offsets[block++] = static_cast<int32_t>(tile / tiles * width + bit);
    }
};

// The block of an offset is the number of smaller ones in its tile after the tile's first.
struct Inputs {
    Map map;
    const int32_t* places;
    const uint32_t* present;
    const int32_t* firsts;
    int64_t size, tiles;
    int32_t* table;

    PCSEG_HD void operator()(int64_t i) const {
        const int64_t k = map.offset(i), place = places[map.row(k, i)];
        const int64_t tile = k / map.width * tiles + place / size;
        const uint32_t smaller = (1u << k % map.width) - 1;
        const int64_t block = firsts[tile] + count_bits(present[tile] & smaller);
        table[block * size + place % size] = map.pairs[i];
    }
};

int64_t divided_up(int64_t value, int64_t by) { return (value + by - 1) / by; }

}  // namespace
}  // namespace pcseg

int pcseg_cuda_row_order_keys(const int32_t* pairs, int64_t n_pairs, const int64_t* starts, const int32_t* place,
                              int64_t n_offsets, int64_t out_rows, int64_t width, int32_t* masks, int64_t* keys,
                              int64_t device, int64_t stream) {
    using namespace pcseg;
    return guarded([&] {
        const Stream on(device, stream);
        uint32_t* bits = reinterpret_cast<uint32_t*>(masks);
        on.each(n_pairs, Mask{Map{pairs, n_pairs, starts, n_offsets, out_rows, width}, bits});
        const int64_t groups = divided_up(n_offsets, width);
        on.each(groups * out_rows, Key{bits, place, out_rows, n_offsets, width, keys});
    });
}

int pcseg_cuda_row_order_tiles(const int32_t* order, const int32_t* masks, int64_t groups, int64_t out_rows,
                               int64_t size, int32_t* rows, int32_t* places, int32_t* present, int32_t* blocks,
                               int64_t device, int64_t stream) {
    using namespace pcseg;
    return guarded([&] {
        const Stream on(device, stream);
        const int64_t tiles = divided_up(out_rows, size);
        const uint32_t* bits = reinterpret_cast<const uint32_t*>(masks);
        uint32_t* all = reinterpret_cast<uint32_t*>(present);
        on.each(groups * out_rows, Place{order, bits, out_rows, size, tiles, rows, places, all});
        on.each(groups * tiles, CountBlocks{all, blocks});
    });
}

int pcseg_cuda_row_order_fill(const int32_t* pairs, int64_t n_pairs, const int64_t* starts, int64_t n_offsets,
                              int64_t out_rows, int64_t width, int64_t size, const int32_t* places,
                              const int32_t* present, const int32_t* firsts, int32_t* offsets, int32_t* table,
                              int64_t device, int64_t stream) {
    using namespace pcseg;
    return guarded([&] {
        const Stream on(device, stream);
        const int64_t tiles = divided_up(out_rows, size), groups = divided_up(n_offsets, width);
        const uint32_t* bits = reinterpret_cast<const uint32_t*>(present);
        on.each(groups * tiles, Offsets{bits, firsts, tiles, width, offsets});
        const Map map{pairs, n_pairs, starts, n_offsets, out_rows, width};
        on.each(n_pairs, Inputs{map, places, bits, firsts, size, tiles, table});
    });
}
