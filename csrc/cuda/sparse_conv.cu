// Sparse convolution and its weight gradient on a GPU in a simple way, for cases without Triton kernel (float64, older
// GPUs). A thread sums kSide x kSide entries of a product in registers and gathers rows on the fly; neighboring threads
// share those rows. Output rows are distinct within an offset, and offsets follow each other on the stream: no atomics,
// and the order of every sum is fixed.
#include "launch.h"

namespace pcseg {
namespace {

constexpr int kSide = 4;

PCSEG_HD int64_t groups(int64_t size) { return (size + kSide - 1) / kSide; }

// Every groups(size)-th entry of a row from `first` on, zeros beyond its end: neighboring threads read neighboring
// entries.
template <class T>
PCSEG_HD void load(const T* row, int64_t size, int64_t first, T (&entries)[kSide]) {
    for (int j = 0; j < kSide; ++j) {
        const int64_t at = first + j * groups(size);
        entries[j] = at < size ? row[at] : T(0);
    }
}

// One offset: out[out_row[p]] += feats[in_row[p]] @ weight. Index i is kSide pairs and kSide output channels.
template <class T>
struct Convolve {
    const T* feats;
    int64_t cin;
    const T* weight;
    int64_t cout;
    const int32_t* in_row;
    const int32_t* out_row;
    int64_t pairs;
    T* out;

    int64_t size() const { return groups(pairs) * groups(cout); }

    PCSEG_HD void operator()(int64_t i) const {
        const int64_t p0 = i / groups(cout) * kSide, o0 = i % groups(cout);
        const T* row[kSide];
        for (int r = 0; r < kSide; ++r) row[r] = feats + in_row[p0 + r < pairs ? p0 + r : p0] * cin;
        T sum[kSide][kSide] = {}, right[kSide];
        for (int64_t c = 0; c < cin; ++c) {
            load(weight + c * cout, cout, o0, right);
            for (int r = 0; r < kSide; ++r)
                for (int j = 0; j < kSide; ++j) sum[r][j] += row[r][c] * right[j];
        }
        for (int r = 0; r < kSide && p0 + r < pairs; ++r)
            for (int j = 0; j < kSide; ++j) {
                const int64_t o = o0 + j * groups(cout);
                if (o < cout) out[out_row[p0 + r] * cout + o] += sum[r][j];
            }
    }
};

// One offset, its pairs in `splits` equal parts: partial[split] = feats[in_row].T @ grad[out_row] over the split's
// part. Index i is a split, kSide input and kSide output channels.
template <class T>
struct WeightGrad {
    const T* feats;
    int64_t cin;
    const T* grad;
    int64_t cout;
    const int32_t* in_row;
    const int32_t* out_row;
    int64_t pairs, splits;
    T* partial;

    int64_t size() const { return splits * groups(cin) * groups(cout); }

    PCSEG_HD void operator()(int64_t i) const {
        const int64_t o0 = i % groups(cout), c0 = i / groups(cout) % groups(cin);
        const int64_t split = i / groups(cout) / groups(cin);
        T sum[kSide][kSide] = {}, left[kSide], right[kSide];
        for (int64_t p = pairs * split / splits; p < pairs * (split + 1) / splits; ++p) {
            load(feats + in_row[p] * cin, cin, c0, left);
            load(grad + out_row[p] * cout, cout, o0, right);
            for (int r = 0; r < kSide; ++r)
                for (int j = 0; j < kSide; ++j) sum[r][j] += left[r] * right[j];
        }
        for (int r = 0; r < kSide; ++r)
            for (int j = 0; j < kSide; ++j) {
                const int64_t c = c0 + r * groups(cin), o = o0 + j * groups(cout);
                if (c < cin && o < cout) partial[(split * cin + c) * cout + o] = sum[r][j];
            }
    }
};

// out[k] = partial[k][0] + partial[k][1] + ..., in this order; `entries` for each k.
template <class T>
struct AddSplits {
    const T* partial;
    int64_t splits, entries;
    T* out;

    PCSEG_HD void operator()(int64_t i) const {
        const T* from = partial + i / entries * splits * entries + i % entries;
        T sum = 0;
        for (int64_t split = 0; split < splits; ++split) sum += from[split * entries];
        out[i] = sum;
    }
};

}  // namespace
}  // namespace pcseg

int pcseg_cuda_sparse_conv(int64_t dtype, const void* feats, int64_t cin, const void* weight, const int32_t* pairs,
                           int64_t n_pairs, const int64_t* starts, int64_t n_offsets, void* sum, int64_t cout,
                           int64_t device, int64_t stream) {
    using namespace pcseg;
    return guarded([&] {
        const Stream on(device, stream);
        for_dtype(dtype, [&](auto zero) {
            using T = decltype(zero);
            for (int64_t k = 0; k < n_offsets; ++k) {
                const Convolve<T> convolve{static_cast<const T*>(feats), cin,
                                           static_cast<const T*>(weight) + k * cin * cout, cout, pairs + starts[k],
                                           pairs + n_pairs + starts[k], starts[k + 1] - starts[k],
                                           static_cast<T*>(sum)};
                on.each(convolve.size(), convolve);
            }
        });
    });
}

int pcseg_cuda_sparse_conv_weight_grad(int64_t dtype, const void* feats, int64_t cin, const void* grad, int64_t cout,
                                       const int32_t* pairs, int64_t n_pairs, const int64_t* starts,
                                       int64_t n_offsets, void* partial, int64_t splits, void* weight_grad,
                                       int64_t device, int64_t stream) {
    using namespace pcseg;
    return guarded([&] {
        const Stream on(device, stream);
        const int64_t entries = cin * cout;
        for_dtype(dtype, [&](auto zero) {
            using T = decltype(zero);
            for (int64_t k = 0; k < n_offsets; ++k) {
                const WeightGrad<T> product{static_cast<const T*>(feats), cin, static_cast<const T*>(grad), cout,
                                            pairs + starts[k], pairs + n_pairs + starts[k], starts[k + 1] - starts[k],
                                            splits, static_cast<T*>(partial) + k * splits * entries};
                on.each(product.size(), product);
            }
            const AddSplits<T> add{static_cast<const T*>(partial), splits, entries, static_cast<T*>(weight_grad)};
            on.each(n_offsets * entries, add);
        });
    });
}
