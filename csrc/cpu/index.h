// Check of row numbers before a kernel uses them.
#pragma once
#include <atomic>
#include <string>

#include "parallel.h"
#include "status.h"

namespace pcseg {

// Throws BadInput, beginning with `name`, unless all of `count` numbers are in [0, limit).
inline void check_index(const char* name, const int64_t* index, int64_t count, int64_t limit, int64_t threads) {
    std::atomic<int64_t> wrong{0};  // a number that is out of range, if `bad`
    std::atomic<bool> bad{false};
    parallel_blocks(threads, count, 1 << 16, [&](int64_t begin, int64_t end) {
        int64_t low = INT64_MAX, high = INT64_MIN;
        for (int64_t i = begin; i < end; ++i) low = std::min(low, index[i]), high = std::max(high, index[i]);
        if (low >= 0 && high < limit) return;
        wrong = low < 0 ? low : high;
        bad = true;
    });
    if (bad)
        throw BadInput{std::string(name) + ": holds " + std::to_string(wrong) + ", but must be from 0 to " +
                       std::to_string(limit - 1)};
}

}  // namespace pcseg
