// The comparison of one row of values with the best so far, compiled for several instruction sets (see isa.h).
#pragma once
#include <stdint.h>

namespace pcseg {

// Where value[c] wins over best[c] by a rule, best[c] becomes it and step[c] becomes `here`; step is -1 for none so far.
template <class T>
using Compare = void (*)(const T* value, int64_t channels, int32_t here, T* best, int32_t* step);

// By the number of the rule in pcseg.h.
struct CompareTable {
    Compare<float> of_float[3];
    Compare<double> of_double[3];
};
extern const CompareTable segment_compare_plain, segment_compare_avx2;

namespace {

struct Greatest {  // any value comes before none, and the first NaN before all others
    template <class T>
    static bool wins(T value, T best, bool found) {
        return !found | (!(value <= best) & (best == best));
    }
};
struct AboveLowest {  // best begins with the lowest number; NaN never wins
    template <class T>
    static bool wins(T value, T best, bool) {
        return value > best;
    }
};
struct BelowHighest {
    template <class T>
    static bool wins(T value, T best, bool) {
        return value < best;
    }
};

template <class T, class Rule>
void compare(const T* __restrict value, int64_t channels, int32_t here, T* __restrict best, int32_t* __restrict step) {
    for (int64_t c = 0; c < channels; ++c) {
        const int32_t wins = -static_cast<int32_t>(Rule::wins(value[c], best[c], step[c] >= 0));
        best[c] = wins ? value[c] : best[c];
        step[c] ^= (step[c] ^ here) & wins;  // a mask, as wide as a float: the compiler would branch
    }
}

constexpr CompareTable make_compare_table() {
    return {{compare<float, Greatest>, compare<float, AboveLowest>, compare<float, BelowHighest>},
            {compare<double, Greatest>, compare<double, AboveLowest>, compare<double, BelowHighest>}};
}

}  // namespace
}  // namespace pcseg
