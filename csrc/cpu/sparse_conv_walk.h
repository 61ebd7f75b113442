// A kernel map, cut into blocks of output rows and checked block by block.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "sparse_conv.h"
#include "status.h"

namespace pcseg {

inline int64_t round_up(int64_t size, int64_t unit) { return (size + unit - 1) / unit * unit; }

struct Map {
    const int32_t* pairs;
    int64_t n_pairs;
    const int64_t* starts;
    int64_t n_offsets, in_rows, out_rows;

    void check() const {
        bool good = starts[0] == 0 && starts[n_offsets] == n_pairs;
        for (int64_t k = 0; k < n_offsets; ++k) good = good && starts[k] <= starts[k + 1];
        if (!good) throw BadInput{"starts: do not cut the " + std::to_string(n_pairs) + " pairs into groups"};
    }

    // Output rows of a block: enough for about `pairs` pairs per offset, which amortizes loading that offset's weights.
    int64_t block_rows(int64_t pairs, int64_t bytes_per_row, int64_t most_bytes) const {
        const int64_t wanted = pairs * n_offsets * out_rows / std::max<int64_t>(n_pairs, 1);
        return std::clamp<int64_t>(round_up(wanted, 16), 16, std::max<int64_t>(16, most_bytes / bytes_per_row));
    }
};

// The runs of consecutive blocks, from output row `row` on, for offsets [first, last).
class Walk {
   public:
    template <class T>
    Walk(const Map& map, const Kernels<T>& kernel, int64_t row, int64_t first, int64_t last)
        : map_(map), bad_offset_(kernel.bad_offset), first_(first), last_(last), begin_(map.n_offsets),
          end_(map.n_offsets) {
        const int32_t* out = map.pairs + map.n_pairs;
        for (int64_t k = first; k < last; ++k)
            end_[k] = std::lower_bound(out + map.starts[k], out + map.starts[k + 1], row) - out;
    }

    // Moves on to rows [row0, row1); throws BadInput for rows out of range or order, so that kernels access valid
    // memory.
    Runs next(int64_t row0, int64_t row1) {
        const int32_t* out = map_.pairs + map_.n_pairs;
        for (int64_t k = first_; k < last_; ++k) {
            begin_[k] = end_[k];
            const int64_t limit = std::min(begin_[k] + row1 - row0, map_.starts[k + 1]);
            end_[k] = std::lower_bound(out + begin_[k], out + limit, row1) - out;
            seen_ += end_[k] - begin_[k];
        }
        const Runs runs{map_.pairs, out, begin_.data(), end_.data(), first_, last_, row0};
        const int64_t bad = bad_offset_(runs, map_.in_rows, row1 - row0);
        if (bad >= 0)
            throw BadInput{"pairs: offset " + std::to_string(bad) + " has a row out of range or out of order near "
                           "output row " + std::to_string(row0) + "; pass a map made by kernel_map"};
        return runs;
    }

    int64_t seen() const { return seen_; }

   private:
    const Map& map_;
    int64_t (*bad_offset_)(const Runs&, int64_t, int64_t);
    int64_t first_, last_, seen_ = 0;
    std::vector<int64_t> begin_, end_;
};

inline void check_seen(const Map& map, int64_t seen) {
    if (seen != map.n_pairs)
        throw BadInput{"pairs: output rows are out of range or out of order; pass a map made by kernel_map"};
}

}  // namespace pcseg
