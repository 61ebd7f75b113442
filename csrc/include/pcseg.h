// The C interface of libpcseg: all that crosses from Python to compiled code.
//
// Rules, the same for every function:
// * Returns 0 on success, 1 where the caller's data is wrong, 2 on any other failure; pcseg_error() then has the words.
// * Every argument is a pointer, an int64_t or a double, so that one rule of conversion serves all (pcseg/ops/_native.py).
// * Arrays are dense and row-major unless strides are passed. Memory is the caller's; nothing is kept between calls.
// * `threads` is the most threads to use. Results are the same bits for every value of it.
// * `dtype`: 0 float32, 1 float64 (pcseg_dtype).
#pragma once
#include <stdint.h>

#define PCSEG_API __attribute__((visibility("default")))

// Raised whenever a signature below changes; pcseg/ops/_native.py refuses a library with another number.
#define PCSEG_ABI 2

enum pcseg_status { PCSEG_OK = 0, PCSEG_BAD_INPUT = 1, PCSEG_FAILED = 2 };
enum pcseg_dtype { PCSEG_FLOAT32 = 0, PCSEG_FLOAT64 = 1, PCSEG_FLOAT16 = 2, PCSEG_BFLOAT16 = 3 };

#ifdef __cplusplus
extern "C" {
#endif

// --- the library itself -------------------------------------------------------------------------------------------
PCSEG_API int64_t pcseg_abi(void);
PCSEG_API const char* pcseg_error(void);  // of the last call that failed on this thread
PCSEG_API const char* pcseg_isa(void);    // "avx512", "avx2" or "plain"; PCSEG_ISA asks for a lower one
PCSEG_API int64_t pcseg_has_cuda(void);   // 1 where the library was built with its CUDA kernels

// --- voxelize -----------------------------------------------------------------------------------------------------
// coords (points, 4) [sample, x, y, z]; keep (points) of 0/1, or NULL. Voxels come out in lexicographic order.
// rows, counts: room for `points` entries, the first *voxels are filled; inverse (points).
PCSEG_API int pcseg_voxelize(const int32_t* coords, const uint8_t* keep, int64_t points, int64_t* rows,
                             int64_t* inverse, int64_t* counts, int64_t* voxels, int64_t threads);

// --- kernel_map ---------------------------------------------------------------------------------------------------
// Two calls, since the number of pairs is only known after the search: `find` fills neighbour (offsets, out_rows) with
// the input row or -1, and starts (offsets + 1); `fill` writes pairs (2, starts[offsets]).
// in_coords == out_coords with rows in order and offsets symmetric about the middle one costs half the search: only
// the first *searched offsets are filled in, the rest mirror them. Pass it on to `fill`.
PCSEG_API int pcseg_kernel_map_find(const int32_t* in_coords, int64_t in_rows, const int32_t* out_coords,
                                    int64_t out_rows, const int32_t* offsets, int64_t n_offsets, int32_t* neighbour,
                                    int64_t* searched, int64_t* starts, int64_t threads);
PCSEG_API int pcseg_kernel_map_fill(const int32_t* neighbour, int64_t out_rows, int64_t n_offsets, int64_t searched,
                                    const int64_t* starts, int32_t* pairs, int64_t threads);

// --- sparse_conv --------------------------------------------------------------------------------------------------
// feats (in_rows, cin); weight element [k][i][o] at k * weight_k + i * weight_in + o * weight_out; pairs (2, n_pairs),
// grouped by starts (n_offsets + 1), output rows ascending in each group; out (out_rows, cout), wholly written.
// scale, shift (cout), residual (out_rows, cout): out = relu(scale * sum + shift + residual); residual may be NULL, and all
// three for the sum alone. packed: room for n_offsets * cin * pcseg_padded(cout, dtype) elements.
PCSEG_API int64_t pcseg_padded(int64_t channels, int64_t dtype);
PCSEG_API int pcseg_sparse_conv(int64_t dtype, const void* feats, int64_t in_rows, int64_t cin, const void* weight,
                                int64_t weight_k, int64_t weight_in, int64_t weight_out, const int32_t* pairs,
                                int64_t n_pairs, const int64_t* starts, int64_t n_offsets, void* out,
                                int64_t out_rows, int64_t cout, const void* scale, const void* shift,
                                const void* residual, void* packed, int64_t threads);
// grad (out_rows, cout) -> weight_grad (n_offsets, cin, cout). workspace: room for pcseg_weight_grad_workspace elements.
PCSEG_API int64_t pcseg_weight_grad_workspace(int64_t dtype, int64_t cin, int64_t cout, int64_t n_offsets,
                                              int64_t out_rows);
PCSEG_API int pcseg_sparse_conv_weight_grad(int64_t dtype, const void* feats, int64_t in_rows, int64_t cin,
                                            const void* grad, int64_t out_rows, int64_t cout, const int32_t* pairs,
                                            int64_t n_pairs, const int64_t* starts, int64_t n_offsets,
                                            void* weight_grad, void* workspace, int64_t threads);

// --- segment ------------------------------------------------------------------------------------------------------
// segment (elements), each in [0, segments), in any order; room: elements integers of workspace.
// out (segments, channels) comes in as zeros: out[segment[e]] += weight[e] * values[row[e]]; row NULL: e, weight NULL: 1.
PCSEG_API int pcseg_weighted_sum(int64_t dtype, const void* values, int64_t channels, const int64_t* row,
                                 const void* weight, const int64_t* segment, int64_t elements, int64_t segments,
                                 void* out, int64_t* room, int64_t threads);
// out comes in as zeros and arg as -1, which empty segments keep; arg is the first element that has the maximum.
PCSEG_API int pcseg_segment_max(int64_t dtype, const void* values, int64_t channels, const int64_t* segment,
                                int64_t elements, int64_t segments, void* out, int64_t* arg, int64_t* room,
                                int64_t threads);

// --- neighbours ---------------------------------------------------------------------------------------------------
// query (queries, 3), points (n_points, 3), finite; samples (queries), (n_points), or both NULL; index and distance
// (queries, k): the k nearest within `radius` (it may be infinite), nearest first, the smaller index first in a tie.
PCSEG_API int pcseg_neighbours(const double* query, int64_t queries, const double* points, int64_t n_points, int64_t k,
                               double radius, const int64_t* query_sample, const int64_t* point_sample, int64_t* index,
                               double* distance, int64_t threads);

// --- CUDA (only where pcseg_has_cuda) ------------------------------------------------------------------------------
// The same on a GPU: all pointers but `starts` are of that device, `stream` is a cudaStream_t, every dtype serves.
// weight is dense. sum (out_rows, cout) and partial (n_offsets, splits, cin, cout), weight_grad (n_offsets, cin, cout)
// are float64 for float64 and float32 for all else; sum must come as zeros. Deterministic. Pairs are not checked.
PCSEG_API int pcseg_cuda_sparse_conv(int64_t dtype, const void* feats, int64_t cin, const void* weight,
                                     const int32_t* pairs, int64_t n_pairs, const int64_t* starts, int64_t n_offsets,
                                     void* sum, int64_t cout, int64_t device, int64_t stream);
PCSEG_API int pcseg_cuda_sparse_conv_weight_grad(int64_t dtype, const void* feats, int64_t cin, const void* grad,
                                                 int64_t cout, const int32_t* pairs, int64_t n_pairs,
                                                 const int64_t* starts, int64_t n_offsets, void* partial,
                                                 int64_t splits, void* weight_grad, int64_t device, int64_t stream);

#ifdef __cplusplus
}
#endif
