// Atomic operations. The resulting memory does not depend on the order of the threads.
#pragma once
#include <cstdint>

#include "hd.h"

namespace pcseg {

// Writes `value` to *at if *at is `expected`; returns the previous value.
PCSEG_HD inline uint64_t compare_and_swap(uint64_t* at, uint64_t expected, uint64_t value) {
#if defined(__CUDA_ARCH__)
    return atomicCAS(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(expected),
                     static_cast<unsigned long long>(value));
#else
    __atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return expected;
#endif
}

// Sets *at to the smaller of *at and `value`.
PCSEG_HD inline void lower(uint64_t* at, uint64_t value) {
#if defined(__CUDA_ARCH__)
    atomicMin(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(value));
#else
    uint64_t there = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (value < there &&
           !__atomic_compare_exchange_n(at, &there, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
#endif
}

// Sets the bits of *at that are set in `bits`.
PCSEG_HD inline void set_bits(uint32_t* at, uint32_t bits) {
#if defined(__CUDA_ARCH__)
    atomicOr(at, bits);
#else
    __atomic_fetch_or(at, bits, __ATOMIC_RELAXED);
#endif
}

}  // namespace pcseg
