// Sparse convolution and its weight gradient on a GPU, the simple way: for each offset one tiled product that gathers
// its rows as it loads them. Output rows are distinct within an offset and offsets follow each other on the stream,
// so there are no atomics and the order of every sum is fixed.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <stdexcept>

#include "../cpu/status.h"

namespace {

constexpr int kTile = 64;   // rows and columns of the product a block makes
constexpr int kDepth = 16;  // terms of the sums in shared memory at a time
constexpr int kSide = 16;   // a block has kSide x kSide threads, each makes kEach x kEach entries
constexpr int kEach = kTile / kSide;
constexpr int kThreads = kSide * kSide;

void check(cudaError_t status) {
    if (status != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(status));
}

class OnDevice {  // makes `device` current for a while
   public:
    explicit OnDevice(int64_t device) {
        check(cudaGetDevice(&before_));
        check(cudaSetDevice(static_cast<int>(device)));
    }
    ~OnDevice() { cudaSetDevice(before_); }

   private:
    int before_ = 0;
};

template <class Sum, class T>
__device__ Sum widen(T value) { return static_cast<Sum>(value); }
template <>
__device__ float widen<float, __half>(__half value) { return __half2float(value); }
template <>
__device__ float widen<float, __nv_bfloat16>(__nv_bfloat16 value) { return __bfloat162float(value); }

// A block's product: sum[i][j] += sum over the depth of left(i, d) * right(d, j), for the thread's own rows
// i = kEach * threadIdx.y ... and columns j = kEach * threadIdx.x ...; left and right give zero outside.
template <class Sum, class Left, class Right>
__device__ void product(int64_t depth, Left left, Right right, Sum (&sum)[kEach][kEach]) {
    __shared__ Sum left_tile[kDepth][kTile + 1], right_tile[kDepth][kTile + 1];
    const int thread = threadIdx.y * kSide + threadIdx.x;
    for (int64_t d0 = 0; d0 < depth; d0 += kDepth) {
        for (int e = thread; e < kTile * kDepth; e += kThreads) {
            left(e, d0, left_tile);
            right(e, d0, right_tile);
        }
        __syncthreads();
        for (int d = 0; d < kDepth; ++d)
            for (int i = 0; i < kEach; ++i)
                for (int j = 0; j < kEach; ++j)
                    sum[i][j] += left_tile[d][kEach * threadIdx.y + i] * right_tile[d][kEach * threadIdx.x + j];
        __syncthreads();
    }
}

// sum[rows_out[p]] += feats[rows_in[p]] @ weight, for the pairs p of one offset. Block: kTile pairs x kTile channels.
template <class T, class Sum>
__global__ void __launch_bounds__(kThreads) conv(const T* feats, int64_t cin, const T* weight, int64_t cout,
                                                 const int32_t* rows_in, const int32_t* rows_out, int64_t pairs,
                                                 Sum* out) {
    const int64_t p0 = static_cast<int64_t>(blockIdx.x) * kTile, o0 = static_cast<int64_t>(blockIdx.y) * kTile;
    Sum sum[kEach][kEach] = {};
    product<Sum>(
        cin,
        [&](int e, int64_t c0, Sum (&tile)[kDepth][kTile + 1]) {
            const int64_t p = p0 + e / kDepth, c = c0 + e % kDepth;
            tile[e % kDepth][e / kDepth] =
                p < pairs && c < cin ? widen<Sum>(feats[static_cast<int64_t>(rows_in[p]) * cin + c]) : Sum(0);
        },
        [&](int e, int64_t c0, Sum (&tile)[kDepth][kTile + 1]) {
            const int64_t c = c0 + e / kTile, o = o0 + e % kTile;
            tile[e / kTile][e % kTile] = c < cin && o < cout ? widen<Sum>(weight[c * cout + o]) : Sum(0);
        },
        sum);
    for (int i = 0; i < kEach; ++i) {
        const int64_t p = p0 + kEach * threadIdx.y + i;
        for (int j = 0; j < kEach && p < pairs; ++j) {
            const int64_t o = o0 + kEach * threadIdx.x + j;
            if (o < cout) out[static_cast<int64_t>(rows_out[p]) * cout + o] += sum[i][j];
        }
    }
}

// partial[split] = feats[rows_in].T @ grad[rows_out] over the split's share of one offset's pairs.
// Block: kTile input channels x kTile output channels; blockIdx.z is the split.
template <class T, class Sum>
__global__ void __launch_bounds__(kThreads)
    weight_grad(const T* feats, int64_t cin, const T* grad, int64_t cout, const int32_t* rows_in,
                const int32_t* rows_out, int64_t pairs, Sum* partial) {
    const int64_t c0 = static_cast<int64_t>(blockIdx.x) * kTile, o0 = static_cast<int64_t>(blockIdx.y) * kTile;
    const int64_t first = pairs * blockIdx.z / gridDim.z, last = pairs * (blockIdx.z + 1) / gridDim.z;
    Sum sum[kEach][kEach] = {};
    product<Sum>(
        last - first,
        [&](int e, int64_t d0, Sum (&tile)[kDepth][kTile + 1]) {
            const int64_t p = first + d0 + e / kTile, c = c0 + e % kTile;
            tile[e / kTile][e % kTile] =
                p < last && c < cin ? widen<Sum>(feats[static_cast<int64_t>(rows_in[p]) * cin + c]) : Sum(0);
        },
        [&](int e, int64_t d0, Sum (&tile)[kDepth][kTile + 1]) {
            const int64_t p = first + d0 + e / kTile, o = o0 + e % kTile;
            tile[e / kTile][e % kTile] =
                p < last && o < cout ? widen<Sum>(grad[static_cast<int64_t>(rows_out[p]) * cout + o]) : Sum(0);
        },
        sum);
    Sum* to = partial + blockIdx.z * cin * cout;
    for (int i = 0; i < kEach; ++i) {
        const int64_t c = c0 + kEach * threadIdx.y + i;
        for (int j = 0; j < kEach && c < cin; ++j) {
            const int64_t o = o0 + kEach * threadIdx.x + j;
            if (o < cout) to[c * cout + o] = sum[i][j];
        }
    }
}

// out[k] = partial[k][0] + partial[k][1] + ..., in this order.
template <class Sum>
__global__ void add_splits(const Sum* partial, int64_t splits, int64_t size, int64_t total, Sum* out) {
    const int64_t at = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at >= total) return;
    const Sum* from = partial + at / size * splits * size + at % size;
    Sum sum = 0;
    for (int64_t s = 0; s < splits; ++s) sum += from[s * size];
    out[at] = sum;
}

unsigned tiles(int64_t size, int64_t tile = kTile) { return static_cast<unsigned>((size + tile - 1) / tile); }

// Calls run(T{}, Sum{}) for the dtype.
template <class Run>
void for_dtype(int64_t dtype, Run run) {
    switch (dtype) {
        case PCSEG_FLOAT32: return run(float{}, float{});
        case PCSEG_FLOAT64: return run(double{}, double{});
        case PCSEG_FLOAT16: return run(__half{}, float{});
        case PCSEG_BFLOAT16: return run(__nv_bfloat16{}, float{});
    }
    throw pcseg::BadInput{"dtype " + std::to_string(dtype) + " is not one of pcseg_dtype"};
}

}  // namespace

int pcseg_cuda_sparse_conv(int64_t dtype, const void* feats, int64_t cin, const void* weight, const int32_t* pairs,
                           int64_t n_pairs, const int64_t* starts, int64_t n_offsets, void* sum, int64_t cout,
                           int64_t device, int64_t stream) {
    return pcseg::guarded([&] {
        const OnDevice guard(device);
        for_dtype(dtype, [&](auto element, auto total) {
            using T = decltype(element);
            using Sum = decltype(total);
            for (int64_t k = 0; k < n_offsets; ++k) {
                const int64_t size = starts[k + 1] - starts[k];
                if (size == 0 || cout == 0) continue;
                const dim3 grid(tiles(size), tiles(cout)), block(kSide, kSide);
                conv<T, Sum><<<grid, block, 0, reinterpret_cast<cudaStream_t>(stream)>>>(
                    static_cast<const T*>(feats), cin, static_cast<const T*>(weight) + k * cin * cout, cout,
                    pairs + starts[k], pairs + n_pairs + starts[k], size, static_cast<Sum*>(sum));
                check(cudaGetLastError());
            }
        });
    });
}

int pcseg_cuda_sparse_conv_weight_grad(int64_t dtype, const void* feats, int64_t cin, const void* grad, int64_t cout,
                                       const int32_t* pairs, int64_t n_pairs, const int64_t* starts,
                                       int64_t n_offsets, void* partial, int64_t splits, void* weight_grad_out,
                                       int64_t device, int64_t stream) {
    return pcseg::guarded([&] {
        const OnDevice guard(device);
        const int64_t size = cin * cout;
        if (n_offsets * size == 0) return;
        for_dtype(dtype, [&](auto element, auto total) {
            using T = decltype(element);
            using Sum = decltype(total);
            const auto on = reinterpret_cast<cudaStream_t>(stream);
            for (int64_t k = 0; k < n_offsets; ++k) {
                const dim3 grid(tiles(cin), tiles(cout), static_cast<unsigned>(splits)), block(kSide, kSide);
                weight_grad<T, Sum><<<grid, block, 0, on>>>(
                    static_cast<const T*>(feats), cin, static_cast<const T*>(grad), cout, pairs + starts[k],
                    pairs + n_pairs + starts[k], starts[k + 1] - starts[k],
                    static_cast<Sum*>(partial) + k * splits * size);
                check(cudaGetLastError());
            }
            add_splits<Sum><<<tiles(n_offsets * size, 256), 256, 0, on>>>(
                static_cast<const Sum*>(partial), splits, size, n_offsets * size, static_cast<Sum*>(weight_grad_out));
            check(cudaGetLastError());
        });
    });
}
