// A stable radix sort of keys, for the ops that bring equal keys together.
#include "launch.h"

#if defined(__CUDACC__)
#include <cub/device/device_radix_sort.cuh>
#else
#include <algorithm>
#endif

namespace pcseg {
namespace {

struct Count {
    int32_t* row;
    PCSEG_HD void operator()(int64_t i) const { row[i] = static_cast<int32_t>(i); }
};

}  // namespace
}  // namespace pcseg

int pcseg_cuda_sort(const int64_t* keys, int64_t count, int64_t bits, int64_t* sorted, int32_t* rows, int32_t* order,
                    void* workspace, int64_t* workspace_bytes, int64_t device, int64_t stream) {
    return pcseg::guarded([&] {
        if (count > INT32_MAX)
            throw pcseg::BadInput{std::to_string(count) + " rows to sort; a GPU sorts up to 2^31 - 1"};
        const pcseg::Stream on(device, stream);
        if (workspace != nullptr) on.each(count, pcseg::Count{rows});
#if defined(__CUDACC__)
        size_t bytes = static_cast<size_t>(*workspace_bytes);
        pcseg::check(cub::DeviceRadixSort::SortPairs(
            workspace, bytes, reinterpret_cast<const uint64_t*>(keys), reinterpret_cast<uint64_t*>(sorted), rows, order,
            static_cast<int>(count), 0, static_cast<int>(bits), on.get()));
        *workspace_bytes = static_cast<int64_t>(bytes);
#else
        *workspace_bytes = 1;
        if (workspace == nullptr) return;
        const uint64_t mask = ~uint64_t{0} >> (64 - bits);
        std::copy_n(rows, count, order);
        std::stable_sort(order, order + count,
                         [&](int32_t a, int32_t b) { return (keys[a] & mask) < (keys[b] & mask); });
        for (int64_t i = 0; i < count; ++i) sorted[i] = keys[order[i]];
#endif
    });
}
