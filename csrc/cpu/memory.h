// Large pages for large outputs. New memory is mapped at first use, with a fault for every page of 4 KiB, which takes
// longer than a convolution takes to fill it. torch returns large tensors to the system, so this happens at each call.
#pragma once
#include <cstdint>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace pcseg {

inline void prefer_large_pages(void* memory, int64_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    constexpr uintptr_t page = 4096;
    if (bytes < (int64_t{1} << 22)) return;
    const uintptr_t begin = (reinterpret_cast<uintptr_t>(memory) + page - 1) / page * page;
    const uintptr_t end = (reinterpret_cast<uintptr_t>(memory) + static_cast<uintptr_t>(bytes)) / page * page;
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);  // a hint: failure only costs time
#else
    (void)memory;
    (void)bytes;
#endif
}

}  // namespace pcseg
