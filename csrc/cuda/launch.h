// Launch of the kernels of this folder: body(i) for each i in [0, size), in any order; each i writes its own output, or
// sets bits of what several share.
//
// Without nvcc the same files are C++, and body(i) runs in a loop in a shuffled order: tests run everything but the
// parallelism of a kernel on any machine (tests/ops/emulated.py).
#pragma once
#include <cstdint>

#include "../cpu/status.h"
#include "../shared/hd.h"

#if defined(__CUDACC__)
#include <cstdio>
#include <stdexcept>
#else
#include <numeric>
#endif

namespace pcseg {

// Ends a kernel for invalid input. On a GPU this ends the program, as PyTorch's own index checks do.
PCSEG_HD inline void refuse(const char* name, int64_t value, int64_t limit) {
#if defined(__CUDA_ARCH__)
    printf("pcseg: %s holds %lld, but must be from 0 to %lld\n", name, static_cast<long long>(value),
           static_cast<long long>(limit - 1));
    __trap();
#else
    throw BadInput{std::string(name) + ": holds " + std::to_string(value) + ", but must be from 0 to " +
                   std::to_string(limit - 1)};
#endif
}

// Calls run(0) with a zero of the type of the computation.
template <class Run>
void for_dtype(int64_t dtype, Run run) {
    if (dtype == PCSEG_FLOAT64) return run(double{});
    if (dtype == PCSEG_FLOAT32) return run(float{});
    throw BadInput{"dtype " + std::to_string(dtype) + ": a GPU computes in float32 or float64"};
}

#if defined(__CUDACC__)

inline void check(cudaError_t status) {
    if (status != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(status));
}

template <class Body>
__global__ void __launch_bounds__(256) run_each(int64_t size, Body body) {
    const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < size; i += stride) body(i);
}

// A stream of the current device. Python makes `device` current (pcseg/ops/_native.py), since it can restore the
// previous one without the context that cudaSetDevice would create there.
class Stream {
   public:
    Stream(int64_t device, int64_t stream) : stream_(reinterpret_cast<cudaStream_t>(stream)) {
        int current = -1;
        check(cudaGetDevice(&current));
        if (current != device)
            throw std::runtime_error("CUDA: device " + std::to_string(device) + " is not the current one");
    }
    Stream(const Stream&) = delete;

    cudaStream_t get() const { return stream_; }

    template <class Body>
    void each(int64_t size, const Body& body) const {
        if (size <= 0) return;
        const int64_t blocks = (size + 255) / 256, most = 1 << 20;
        run_each<<<static_cast<unsigned>(blocks < most ? blocks : most), 256, 0, stream_>>>(size, body);
        check(cudaGetLastError());
    }

   private:
    cudaStream_t stream_;
};

#else

class Stream {
   public:
    Stream(int64_t, int64_t) {}

    template <class Body>
    void each(int64_t size, const Body& body) const {
        int64_t stride = size * 5 / 8 + 1;
        while (std::gcd(stride, size) > 1) ++stride;
        for (int64_t i = 0, at = size / 2; i < size; ++i, at = (at + stride) % size) body(at);
    }
};

#endif

}  // namespace pcseg
