// Comparison of rows for AVX2.
#if defined(__x86_64__)
#include "segment_compare.h"

const pcseg::CompareTable pcseg::segment_compare_avx2 = pcseg::make_compare_table();
#endif
