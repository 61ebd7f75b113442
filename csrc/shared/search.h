// Binary search.
#pragma once
#include <cstdint>

#include "hd.h"

namespace pcseg {

// Returns the first place of an ascending array with an entry of at least `value`; `size` if there is none.
PCSEG_HD inline int64_t first_not_below(const int64_t* sorted, int64_t size, int64_t value) {
    int64_t low = 0, high = size;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (sorted[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Returns the group of element i, where group k is starts[k] to starts[k + 1] and 0 <= i < starts[groups].
PCSEG_HD inline int64_t group_of(const int64_t* starts, int64_t groups, int64_t i) {
    return first_not_below(starts, groups + 1, i + 1) - 1;
}

}  // namespace pcseg
