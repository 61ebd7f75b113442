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

}  // namespace pcseg
