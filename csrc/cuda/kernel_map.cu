// Kernel maps by hashing: input voxels are put into a hash table, then each output voxel looks up the voxel at each
// offset. Pairs are counted in runs of kRun output rows; PyTorch computes running sums of the counts, which tell each
// run the place of its pairs: no atomics, the same order each time.
#include "../shared/hash_table.h"
#include "../shared/packing.h"
#include "../shared/search.h"
#include "launch.h"

namespace pcseg {
namespace {

constexpr int64_t kRun = 32;

struct Insert {
    Packing packing;
    const int32_t* coords;
    HashTable table;
    uint64_t* duplicate;

    PCSEG_HD void operator()(int64_t n) const {
        const uint64_t key = packing.key(coords + 4 * n);
        if (!table.insert(key, static_cast<int32_t>(n))) lower(duplicate, key);
    }
};

// Index i is offset i / out_rows and output row i % out_rows; neighbor is passed as -1. If `mirrored`, input and output
// voxels are the same and offset k is minus offset n_offsets - 1 - k: if n is m's neighbor at one, m is n's at the
// other, and only the offsets before the middle one are searched. The middle offset is 0: each voxel is its own
// neighbor. No entry is written twice, since voxel n is the neighbor of only one m at each offset.
struct Find {
    Packing packing;
    const int32_t* coords;
    int64_t out_rows;
    const int64_t* steps;
    int64_t n_offsets;
    bool mirrored;
    HashTable table;
    int32_t* neighbor;

    int64_t size() const { return (mirrored ? n_offsets / 2 + 1 : n_offsets) * out_rows; }

    PCSEG_HD void operator()(int64_t i) const {
        const int64_t k = i / out_rows, m = i % out_rows, opposite = n_offsets - 1 - k;
        if (mirrored && k == opposite) {
            neighbor[i] = static_cast<int32_t>(m);
            return;
        }
        const int32_t n = table.find(packing.key(coords + 4 * m) + static_cast<uint64_t>(steps[k]));
        neighbor[i] = n;
        if (mirrored && n >= 0) neighbor[opposite * out_rows + n] = static_cast<int32_t>(m);
    }
};

// Pair i of a map becomes an entry of `neighbor`: input row n leads to output row m at offset k.
struct Turn {
    const int32_t* pairs;
    int64_t n_pairs;
    const int64_t* starts;
    int64_t n_offsets, in_rows;
    int32_t* neighbor;

    PCSEG_HD void operator()(int64_t i) const {
        neighbor[group_of(starts, n_offsets, i) * in_rows + pairs[i]] = pairs[n_pairs + i];
    }
};

// Runs are numbered offset by offset: run r covers the output rows from kRun * (r % runs) of offset r / runs.
struct Run {
    const int32_t* neighbor;  // of the offset
    int64_t begin, end;

    PCSEG_HD Run(const int32_t* neighbor, int64_t out_rows, int64_t runs, int64_t r)
        : neighbor(neighbor + r / runs * out_rows), begin(r % runs * kRun), end(begin + kRun) {
        if (end > out_rows) end = out_rows;
    }
};

struct CountPairs {
    const int32_t* neighbor;
    int64_t out_rows, runs;
    int32_t* counts;

    PCSEG_HD void operator()(int64_t r) const {
        const Run run(neighbor, out_rows, runs, r);
        int32_t count = 0;
        for (int64_t m = run.begin; m < run.end; ++m) count += run.neighbor[m] >= 0;
        counts[r] = count;
    }
};

struct FillPairs {
    const int32_t* neighbor;
    int64_t out_rows, runs;
    const int64_t* ends;  // end of the pairs of each run: running sums of counts
    int32_t* in;
    int32_t* out;

    PCSEG_HD void operator()(int64_t r) const {
        const Run run(neighbor, out_rows, runs, r);
        int64_t pair = r > 0 ? ends[r - 1] : 0;
        for (int64_t m = run.begin; m < run.end; ++m) {
            if (run.neighbor[m] < 0) continue;
            in[pair] = run.neighbor[m];
            out[pair++] = static_cast<int32_t>(m);
        }
    }
};

}  // namespace
}  // namespace pcseg

int64_t pcseg_cuda_kernel_map_runs(int64_t out_rows) {
    return out_rows > 0 ? (out_rows + pcseg::kRun - 1) / pcseg::kRun : 1;
}

int pcseg_cuda_kernel_map_find(const int32_t* in_coords, int64_t in_rows, const int32_t* out_coords, int64_t out_rows,
                               const int64_t* packing, const int64_t* steps, int64_t n_offsets, int64_t mirrored,
                               int64_t* table_keys, int32_t* table_rows, int64_t slots, int32_t* neighbor,
                               int32_t* counts, int64_t* duplicate, int64_t device, int64_t stream) {
    using namespace pcseg;
    return guarded([&] {
        if (in_rows > INT32_MAX || out_rows > INT32_MAX) throw BadInput{"coords: more than 2^31 voxels"};
        const Stream on(device, stream);
        const Packing keys = Packing::of(packing);
        const HashTable table{reinterpret_cast<uint64_t*>(table_keys), table_rows, static_cast<uint64_t>(slots)};
        on.each(in_rows, Insert{keys, in_coords, table, reinterpret_cast<uint64_t*>(duplicate)});
        const Find find{keys, out_coords, out_rows, steps, n_offsets, mirrored != 0, table, neighbor};
        on.each(find.size(), find);
        const int64_t runs = pcseg_cuda_kernel_map_runs(out_rows);
        on.each(n_offsets * runs, CountPairs{neighbor, out_rows, runs, counts});
    });
}

int pcseg_cuda_kernel_map_fill(const int32_t* neighbor, int64_t out_rows, int64_t n_offsets, const int64_t* ends,
                               int32_t* pairs, int64_t n_pairs, int64_t device, int64_t stream) {
    using namespace pcseg;
    return guarded([&] {
        const Stream on(device, stream);
        const int64_t runs = pcseg_cuda_kernel_map_runs(out_rows);
        on.each(n_offsets * runs, FillPairs{neighbor, out_rows, runs, ends, pairs, pairs + n_pairs});
    });
}

int pcseg_cuda_transposed_map_find(const int32_t* pairs, int64_t n_pairs, const int64_t* starts, int64_t n_offsets,
                                   int64_t in_rows, int32_t* neighbor, int32_t* counts, int64_t device,
                                   int64_t stream) {
    using namespace pcseg;
    return guarded([&] {
        const Stream on(device, stream);
        on.each(n_pairs, Turn{pairs, n_pairs, starts, n_offsets, in_rows, neighbor});
        const int64_t runs = pcseg_cuda_kernel_map_runs(in_rows);
        on.each(n_offsets * runs, CountPairs{neighbor, in_rows, runs, counts});
    });
}
