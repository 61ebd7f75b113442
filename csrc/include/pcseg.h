// The C interface of libpcseg: all functions that Python calls.
//
// Rules for all functions:
// * Returns 0 on success, 1 for wrong arguments, 2 on any other failure; pcseg_error() then returns the message.
// * Each argument is a pointer, an int64_t or a double, which pcseg/ops/_native.py converts in one way for all.
// * Arrays are dense and row-major unless strides are passed. The caller owns all memory; no call keeps any.
// * `threads` is the maximum number of threads. Results have the same bits for any value of it.
// * `dtype`: 0 float32, 1 float64 (pcseg_dtype), other values where it says so.
#pragma once
#include <stdint.h>

#define PCSEG_API __attribute__((visibility("default")))

// Increased whenever a signature below changes or a function is added; pcseg/ops/_native.py refuses another one.
#define PCSEG_ABI 10

enum pcseg_status { PCSEG_OK = 0, PCSEG_BAD_INPUT = 1, PCSEG_FAILED = 2 };
enum pcseg_dtype { PCSEG_FLOAT32 = 0, PCSEG_FLOAT64 = 1, PCSEG_FLOAT16 = 2, PCSEG_BFLOAT16 = 3 };

#ifdef __cplusplus
extern "C" {
#endif

// --- the library itself -------------------------------------------------------------------------------------------
PCSEG_API int64_t pcseg_abi(void);
PCSEG_API const char* pcseg_error(void);  // of the last call that failed on this thread
PCSEG_API const char* pcseg_isa(void);    // "avx512bf16", "avx512", "avx2" or "plain"; PCSEG_ISA may select a lower one
PCSEG_API int64_t pcseg_has_bfloat16(void);  // 1 if this instruction set multiplies bfloat16
PCSEG_API int64_t pcseg_has_cuda(void);   // 1 if the library was built with CUDA kernels

// --- voxelize -----------------------------------------------------------------------------------------------------
// coords (points, 4) [sample, x, y, z]; keep (points) of 0/1, or NULL. Voxels are returned in lexicographic order.
// rows, counts (points): the first *voxels entries are filled; inverse (points).
PCSEG_API int pcseg_voxelize(const int32_t* coords, const uint8_t* keep, int64_t points, int64_t* rows,
                             int64_t* inverse, int64_t* counts, int64_t* voxels, int64_t threads);

// --- kernel_map ---------------------------------------------------------------------------------------------------
// Two calls, since the number of pairs is only known after the search: `find` fills neighbor (offsets, out_rows) with
// the input row or -1, sources (offsets) and starts (offsets + 1); `fill` writes pairs (2, starts[offsets]).
// sources[k] is the row of `neighbor` that holds offset k. If in_coords == out_coords, rows are in order and offsets
// symmetric about the middle one, half of the search is saved: offset k mirrors row ~sources[k] where that is negative.
PCSEG_API int pcseg_kernel_map_find(const int32_t* in_coords, int64_t in_rows, const int32_t* out_coords,
                                    int64_t out_rows, const int32_t* offsets, int64_t n_offsets, int32_t* neighbor,
                                    int64_t* sources, int64_t* starts, int64_t threads);
PCSEG_API int pcseg_kernel_map_fill(const int32_t* neighbor, int64_t out_rows, int64_t n_offsets,
                                    const int64_t* sources, const int64_t* starts, int32_t* pairs, int64_t threads);

// --- sparse_conv --------------------------------------------------------------------------------------------------
// feats (in_rows, cin); weight element [k][i][o] at k * weight_k + i * weight_in + o * weight_out; pairs (2, n_pairs),
// grouped by starts (n_offsets + 1), output rows ascending in each group; out (out_rows, cout), all of it written.
// scale, shift (cout), residual (out_rows, cout): out = relu(scale * sum + shift + residual); residual may be NULL, and
// all three for the sum alone. packed: workspace of n_offsets * cin * pcseg_padded(cout, dtype) elements. dtype 3,
// bfloat16, needs pcseg_has_bfloat16 and, except for the weight gradient, an even cin: products are added in float32,
// where numbers below 2^-126 count as 0, and the sum is rounded once, ties to even. scale, shift and the weight
// gradient's workspace are float32, all else bfloat16.
PCSEG_API int64_t pcseg_padded(int64_t channels, int64_t dtype);
PCSEG_API int pcseg_sparse_conv(int64_t dtype, const void* feats, int64_t in_rows, int64_t cin, const void* weight,
                                int64_t weight_k, int64_t weight_in, int64_t weight_out, const int32_t* pairs,
                                int64_t n_pairs, const int64_t* starts, int64_t n_offsets, void* out,
                                int64_t out_rows, int64_t cout, const void* scale, const void* shift,
                                const void* residual, void* packed, int64_t threads);
// grad (out_rows, cout) -> weight_grad (n_offsets, cin, cout). workspace: pcseg_weight_grad_workspace elements.
PCSEG_API int64_t pcseg_weight_grad_workspace(int64_t dtype, int64_t cin, int64_t cout, int64_t n_offsets,
                                              int64_t out_rows);
PCSEG_API int pcseg_sparse_conv_weight_grad(int64_t dtype, const void* feats, int64_t in_rows, int64_t cin,
                                            const void* grad, int64_t out_rows, int64_t cout, const int32_t* pairs,
                                            int64_t n_pairs, const int64_t* starts, int64_t n_offsets,
                                            void* weight_grad, void* workspace, int64_t threads);

// --- gather -------------------------------------------------------------------------------------------------------
// out[i] = values[row[i]], in rows of row_bytes bytes.
PCSEG_API int pcseg_gather(const void* values, int64_t value_rows, int64_t row_bytes, const int64_t* row, int64_t rows,
                           void* out, int64_t threads);

// --- segment ------------------------------------------------------------------------------------------------------
// segment (elements), each in [0, segments), in any order; workspace (elements): scratch memory.
// values (rows, channels); out (segments, channels): out[segment[e]] is the sum over e of weight[e] * values[row[e]];
// NULL means e for row and 1 for weight.
PCSEG_API int pcseg_weighted_sum(int64_t dtype, const void* values, int64_t rows, int64_t channels, const int64_t* row,
                                 const void* weight, const int64_t* segment, int64_t elements, int64_t segments,
                                 void* out, int64_t* workspace, int64_t threads);
// out (segments, channels): the greatest or smallest of each segment by one of the rules, arg: the first element that
// has it; 0 and `none` where there is none. Greatest: NaN before all else, none is -1. Above lowest, below highest: NaN,
// the limit of the type and what lies beyond do not count, none is `elements`.
enum { PCSEG_GREATEST = 0, PCSEG_ABOVE_LOWEST = 1, PCSEG_BELOW_HIGHEST = 2 };
PCSEG_API int pcseg_segment_extreme(int64_t dtype, const void* values, int64_t channels, const int64_t* segment,
                                    int64_t elements, int64_t segments, int64_t rule, void* out, int64_t* arg,
                                    int64_t* workspace, int64_t threads);

// --- graph -------------------------------------------------------------------------------------------------------
// Edges starts[n] to starts[n + 1] lead from node n to `ends`, at `cost` above 0, and back. label (nodes): a class, or
// negative. out (nodes, classes): cost of the cheapest path to a node of each class, infinite without one. left_out
// (labeled nodes, classes): the same of each labeled node as if its own label were unknown; or NULL.
PCSEG_API int pcseg_class_paths(const int64_t* starts, const int32_t* ends, const float* cost, int64_t nodes,
                                const int64_t* label, int64_t classes, float* out, float* left_out, int64_t threads);
// near (nodes, k): neighbors, -1 for none, and their distance. one, other (edges): ends of each edge once, lower number
// first, and length (edges); room for nodes * k. count: the number of edges.
PCSEG_API int pcseg_edges(const int64_t* near, const double* distance, int64_t nodes, int64_t k, int32_t* one,
                          int32_t* other, double* length, int64_t* count);
// part (nodes): a node that stands for the part of each.
PCSEG_API int pcseg_cores(const int64_t* starts, const int32_t* ends, const float* cost, int64_t nodes, double core,
                          int32_t* part);
// x (nodes, width), changed in place: its mean over where walks end that go along an edge with probability proportional
// to `weight` and, before each step, end at prior (nodes, width; NULL: 0) with probability leak / (1 + leak). They also
// end at nodes that are `fixed` (nodes), whose x is kept. Approached in `steps` from the x given.
PCSEG_API int pcseg_random_walk(const int64_t* starts, const int32_t* ends, const float* weight, int64_t nodes,
                                const uint8_t* fixed, const float* prior, int64_t width, double leak, int64_t steps,
                                float* x, int64_t threads);
// Sums over the `few` and over `all` nearest other points of each, itself where there are fewer: of the offsets of
// place (points, 3), position in float32, first (points, 2, 3), and of their products, second (points, 2, 3, 3); of
// columns (points, width): the mean of the few, the total of all and that of their squares, each (points, width).
// nearest (points): the distance to the nearest.
PCSEG_API int pcseg_surroundings(const double* position, const float* place, const float* columns, int64_t width,
                                 int64_t points, int64_t few, int64_t all, float* first, float* second, float* mean,
                                 float* total, float* squares, float* nearest, int64_t threads);

// normal (points, 3): where each point and its neighbors near (points, k), -1 for none, spread least.
PCSEG_API int pcseg_normals(const double* position, const int64_t* near, int64_t points, int64_t k, float* normal,
                            int64_t threads);
// Of symmetric matrices (count, 3, 3): eigenvalues (count, 3), ascending, and eigenvectors, the columns.
PCSEG_API int pcseg_main_axes(const float* matrix, int64_t count, float* values, float* vectors, int64_t threads);

// --- depthwise convolution of maps ---------------------------------------------------------------------------------
// The weight gradient, in float32: maps (samples, height, width, channels), grad (samples, out_height, out_width,
// channels), a square kernel of 3 or 5, out (channels, kernel, kernel), all of it written.
PCSEG_API int pcseg_depthwise_weight_grad(const float* maps, int64_t samples, int64_t height, int64_t width,
                                          int64_t channels, const float* grad, int64_t out_height, int64_t out_width,
                                          int64_t kernel, int64_t stride, int64_t padding, int64_t dilation,
                                          float* out, int64_t threads);

// --- forest ------------------------------------------------------------------------------------------------------
// Nodes starts[t] to starts[t + 1] are tree t. At a node, rows go to the first of its children (nodes, 2), counted from
// the first node of the tree, if their column `feature` is at most `threshold`. A leaf has feature -1, and its share is
// that of the class `share`, or row share - classes of mixed (rows, classes).
// Grows trees of extremely randomized cuts on values (count, columns) whose classes are label (count), 1 or more rows;
// at each node `tried` columns are tried, drawn among those that are not constant, or all if there are no more.
// Tree t begins at 2 * count - 1 times t of each array, and at count / 2 times t of mixed; sizes (trees, 2): its nodes,
// and its rows of mixed.
PCSEG_API int pcseg_grow_forest(const float* values, const int64_t* label, int64_t count, int64_t columns,
                                int64_t classes, int64_t trees, int64_t tried, int64_t seed, int32_t* feature,
                                float* threshold, int32_t* children, int32_t* share, float* mixed, int64_t* sizes,
                                int64_t threads);
// out (rows, classes): the mean of the shares of all trees.
PCSEG_API int pcseg_ask_forest(const float* values, int64_t rows, int64_t columns, const int64_t* starts, int64_t trees,
                               const int32_t* feature, const float* threshold, const int32_t* children,
                               const int32_t* share, const float* mixed, int64_t classes, float* out, int64_t threads);

// --- neighbors ---------------------------------------------------------------------------------------------------
// query (queries, 3), points (n_points, 3), finite; samples (queries), (n_points), or both NULL; index and distance
// (queries, k): the k nearest within `radius` (may be infinite), nearest first, ties by the smaller index.
PCSEG_API int pcseg_neighbors(const double* query, int64_t queries, const double* points, int64_t n_points, int64_t k,
                               double radius, const int64_t* query_sample, const int64_t* point_sample, int64_t* index,
                               double* distance, int64_t threads);

// --- CUDA (only where pcseg_has_cuda) ------------------------------------------------------------------------------
// The same on a GPU. The last two arguments are its number and a cudaStream_t of it. Pointers are on that device unless
// marked "host". No function waits for the GPU. Results have the same bits each time. Python combines these parts.

// Stable sort by the lowest `bits` bits, 1 to 64, unsigned: sorted (count), and order (count), the row of each before.
// Call it twice, first without a workspace: it then only sets workspace_bytes (host). rows (count): scratch memory.
PCSEG_API int pcseg_cuda_sort(const int64_t* keys, int64_t count, int64_t bits, int64_t* sorted, int32_t* rows,
                              int32_t* order, void* workspace, int64_t* workspace_bytes, int64_t device,
                              int64_t stream);

// voxelize, in three steps: keys, to be sorted; `first`, 1 where a voxel begins among the sorted keys; then the voxels,
// with number, the running sums of `first`: rows, begins (one more than voxels: the place where each begins) and
// inverse. packing (host): 9 numbers, csrc/shared/packing.h.
PCSEG_API int pcseg_cuda_voxelize_keys(const int32_t* coords, const uint8_t* keep, int64_t points,
                                       const int64_t* packing, int64_t* keys, int64_t device, int64_t stream);
PCSEG_API int pcseg_cuda_voxelize_first(const int64_t* sorted, int64_t points, int32_t* first, int64_t device,
                                        int64_t stream);
PCSEG_API int pcseg_cuda_voxelize_fill(const int32_t* order, const int32_t* first, const int64_t* number,
                                       int64_t points, int64_t* rows, int64_t* begins, int64_t* inverse,
                                       int64_t device, int64_t stream);

// kernel_map: find fills neighbor (n_offsets, out_rows), passed as -1, and counts (n_offsets, runs) of the pairs in
// each run of output rows; fill takes the running sums of counts. steps (n_offsets): difference of keys of each offset.
// mirrored: in_coords are out_coords, and offset k is minus offset n_offsets - 1 - k. table: `slots` entries, a power
// of two above in_rows, table_keys passed as -1. duplicate (1), passed as -1: becomes the smallest key that occurs
// twice.
PCSEG_API int64_t pcseg_cuda_kernel_map_runs(int64_t out_rows);
PCSEG_API int pcseg_cuda_kernel_map_find(const int32_t* in_coords, int64_t in_rows, const int32_t* out_coords,
                                         int64_t out_rows, const int64_t* packing, const int64_t* steps,
                                         int64_t n_offsets, int64_t mirrored, int64_t* table_keys, int32_t* table_rows,
                                         int64_t slots, int32_t* neighbor, int32_t* counts, int64_t* duplicate,
                                         int64_t device, int64_t stream);
PCSEG_API int pcseg_cuda_kernel_map_fill(const int32_t* neighbor, int64_t out_rows, int64_t n_offsets,
                                         const int64_t* ends, int32_t* pairs, int64_t n_pairs, int64_t device,
                                         int64_t stream);

// transposed_map: fills neighbor (n_offsets, in_rows), passed as -1, and counts, for the fill of kernel_map; fewer
// pairs where an input row is twice in a group.
PCSEG_API int pcseg_cuda_transposed_map_find(const int32_t* pairs, int64_t n_pairs, const int64_t* starts,
                                             int64_t n_offsets, int64_t in_rows, int32_t* neighbor, int32_t* counts,
                                             int64_t device, int64_t stream);

// Output rows sorted by offsets (pcseg/ops/triton/row_order.py); offset k is number k % width, at most 32, of group
// k / width. keys sets a bit of masks (groups, out_rows) for each offset of a row, and keys (groups, out_rows) below
// groups << width, with bit place[k] for offset k. tiles takes their order; it sets rows, its inverse places, the bits
// of each tile, present (groups, tiles), and their number, blocks. fill takes firsts, the sums of blocks; it sets
// offsets (all blocks) and table (all blocks, size). Pass masks and present as 0, table as -1.
PCSEG_API int pcseg_cuda_row_order_keys(const int32_t* pairs, int64_t n_pairs, const int64_t* starts,
                                        const int32_t* place, int64_t n_offsets, int64_t out_rows, int64_t width,
                                        int32_t* masks, int64_t* keys, int64_t device, int64_t stream);
PCSEG_API int pcseg_cuda_row_order_tiles(const int32_t* order, const int32_t* masks, int64_t groups, int64_t out_rows,
                                         int64_t size, int32_t* rows, int32_t* places, int32_t* present,
                                         int32_t* blocks, int64_t device, int64_t stream);
PCSEG_API int pcseg_cuda_row_order_fill(const int32_t* pairs, int64_t n_pairs, const int64_t* starts,
                                        int64_t n_offsets, int64_t out_rows, int64_t width, int64_t size,
                                        const int32_t* places, const int32_t* present, const int32_t* firsts,
                                        int32_t* offsets, int32_t* table, int64_t device, int64_t stream);

// segment: sorted and order come from pcseg_cuda_sort of the segments; start (segments + 1) and workspace
// (pcseg_cuda_segment_workspace bytes) are scratch memory. Pass out filled with 0, arg with -1. A number out of range
// ends the program.
PCSEG_API int64_t pcseg_cuda_segment_workspace(int64_t elements, int64_t channels);
PCSEG_API int pcseg_cuda_weighted_sum(int64_t dtype, const void* values, int64_t rows, int64_t channels,
                                      const int64_t* row, const void* weight, const int64_t* sorted,
                                      const int32_t* order, int64_t elements, int64_t segments, void* out,
                                      int64_t* start, void* workspace, int64_t device, int64_t stream);
PCSEG_API int pcseg_cuda_segment_max(int64_t dtype, const void* values, int64_t channels, const int64_t* sorted,
                                     const int32_t* order, int64_t elements, int64_t segments, void* out, int64_t* arg,
                                     int64_t* start, void* workspace, int64_t device, int64_t stream);

// neighbors, in two steps: the cell of each point in a grid over all of them, to be sorted; then the search, with
// points in the order of `keys`, the sorted cells. Samples count from 0; a query with sample -1 has no neighbors. place
// (host): lowest x, y, z and the side of a cell; cells (host): number of cells along x, y and z. The table is that of
// kernel_map, with more slots than n_points.
PCSEG_API int pcseg_cuda_neighbors_keys(const double* points, const int64_t* sample, int64_t n_points,
                                         const double* place, const int64_t* cells, int64_t* keys, int64_t device,
                                         int64_t stream);
PCSEG_API int pcseg_cuda_neighbors(const double* query, const int64_t* sample, int64_t queries, const double* points,
                                    const int64_t* keys, const int32_t* order, int64_t n_points, const double* place,
                                    const int64_t* cells, int64_t* table_keys, int32_t* table_rows, int64_t slots,
                                    int64_t k, double radius, int64_t* index, double* distance, int64_t device,
                                    int64_t stream);

// sparse_conv: starts is on the host; weight is dense; pass sum (out_rows, cout) filled with 0; partial
// (n_offsets, splits, cin, cout), splits > 0, is workspace. Pairs are not checked.
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
