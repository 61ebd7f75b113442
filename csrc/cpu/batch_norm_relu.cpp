// Batch norm by the statistics of the batch, the residual and the ReLU behind it, and their gradient: two passes over
// memory each, in plain loops, which are as fast as memory.
#include <algorithm>
#include <cmath>
#include <vector>

#include "memory.h"
#include "parallel.h"
#include "status.h"

namespace pcseg {
namespace {

constexpr int64_t kRun = 64;  // rows added up in T, before double takes over

// Rows of a block, of 256 KiB, to stay in the second cache. Blocks are cut by this alone, so that the order of additions
// depends on nothing else.
template <class T>
int64_t block_rows(int64_t channels) {
    return std::max<int64_t>(kRun, (1 << 18) / (std::max<int64_t>(channels, 1) * sizeof(T)));
}

template <class T>
struct Pair {
    T first, second;
    Pair operator+(Pair other) const { return {first + other.first, second + other.second}; }
};

// sums (2, channels): of both parts of term(i, c) over the rows [begin, end), i = row * channels + c.
template <class T, class Term>
void add_up(int64_t begin, int64_t end, int64_t channels, double* sums, Term&& term) {
    thread_local std::vector<T> room;
    room.resize(2 * channels);
    T* __restrict first = room.data();
    T* __restrict second = first + channels;
    std::fill_n(sums, 2 * channels, 0.0);
    for (int64_t from = begin; from < end; from += kRun) {
        const int64_t to = std::min(end, from + kRun);
        std::fill(room.begin(), room.end(), T(0));
        int64_t r = from;
        for (; r + 4 <= to; r += 4)
#pragma GCC ivdep
            for (int64_t c = 0; c < channels; ++c) {
                const int64_t i = r * channels + c;
                const Pair<T> sum = (term(i, c) + term(i + channels, c)) +
                                    (term(i + 2 * channels, c) + term(i + 3 * channels, c));
                first[c] += sum.first;
                second[c] += sum.second;
            }
        for (; r < to; ++r)
#pragma GCC ivdep
            for (int64_t c = 0; c < channels; ++c) {
                const Pair<T> sum = term(r * channels + c, c);
                first[c] += sum.first;
                second[c] += sum.second;
            }
        for (int64_t c = 0; c < 2 * channels; ++c) sums[c] += room[c];
    }
}

// Mean and biased variance of each channel. Within a block by deviations from about its mean, for means far above the
// deviations; blocks are merged in order (Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm, 1979).
template <class T>
void statistics(const T* feats, int64_t rows, int64_t channels, T* mean, T* variance, int64_t threads) {
    const int64_t size = block_rows<T>(channels), blocks = (rows + size - 1) / size;
    std::vector<double> found(blocks * 2 * channels);  // of each block: mean and sum of squared deviations
    parallel_tasks(threads, blocks, [&](int64_t block, int64_t) {
        const int64_t begin = block * size, end = std::min(rows, begin + size);
        double* sums = found.data() + block * 2 * channels;
        add_up<T>(begin, end, channels, sums, [=](int64_t i, int64_t) { return Pair<T>{feats[i], T(0)}; });
        std::vector<T> middle(channels);
        for (int64_t c = 0; c < channels; ++c) middle[c] = static_cast<T>(sums[c] / (end - begin));
        const T* about = middle.data();
        add_up<T>(begin, end, channels, sums, [=](int64_t i, int64_t c) {
            const T deviation = feats[i] - about[c];
            return Pair<T>{deviation, deviation * deviation};
        });
        for (int64_t c = 0; c < channels; ++c) {
            const double shift = sums[c] / (end - begin);  // what rounding the mean left
            sums[channels + c] -= shift * sums[c];
            sums[c] = middle[c] + shift;
        }
    });
    for (int64_t c = 0; c < channels; ++c) {
        double middle = 0, squares = 0;
        for (int64_t block = 0; block < blocks; ++block) {
            const double before = block * size, now = std::min<double>(size, rows - before);
            const double* sums = found.data() + block * 2 * channels;
            const double step = sums[c] - middle;
            middle += step * now / (before + now);
            squares += sums[channels + c] + step * step * before * now / (before + now);
        }
        mean[c] = static_cast<T>(middle);
        variance[c] = static_cast<T>(squares / rows);
    }
}

template <class T>
double slope(T weight, T variance, double eps) {
    return weight / std::sqrt(variance + eps);
}

template <class T>
void forward(const T* feats, int64_t rows, int64_t channels, const T* weight, const T* bias, const T* residual,
             double eps, T* mean, T* variance, T* out, int64_t threads) {
    statistics(feats, rows, channels, mean, variance, threads);
    std::vector<T> slopes(channels);
    for (int64_t c = 0; c < channels; ++c) slopes[c] = static_cast<T>(slope(weight[c], variance[c], eps));
    const T* scale = slopes.data();
    prefer_large_pages(out, rows * channels * sizeof(T));
    parallel_blocks(threads, rows, block_rows<T>(channels), [=](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            const T* from = feats + r * channels;
            const T* more = residual == nullptr ? nullptr : residual + r * channels;
            T* to = out + r * channels;
#pragma GCC ivdep
            for (int64_t c = 0; c < channels; ++c) {
                T value = (from[c] - mean[c]) * scale[c] + bias[c];
                if (more != nullptr) value += more[c];
                to[c] = value < 0 ? T(0) : value;  // what is not a number stays so, as in torch's relu
            }
        }
    });
}

// residual_grad may be NULL: then what the ReLU lets through is kept in feats_grad between the passes.
template <class T>
void backward(const T* grad, const T* feats, int64_t rows, int64_t channels, const T* out, const T* weight,
              const T* mean, const T* variance, double eps, T* feats_grad, T* weight_grad, T* bias_grad,
              T* residual_grad, int64_t threads) {
    T* through = residual_grad == nullptr ? feats_grad : residual_grad;
    prefer_large_pages(feats_grad, rows * channels * sizeof(T));
    prefer_large_pages(through, rows * channels * sizeof(T));
    const int64_t size = block_rows<T>(channels), blocks = (rows + size - 1) / size;
    std::vector<double> found(blocks * 2 * channels);
    parallel_tasks(threads, blocks, [&](int64_t block, int64_t) {
        const int64_t begin = block * size, end = std::min(rows, begin + size);
#pragma GCC ivdep
        for (int64_t i = begin * channels; i < end * channels; ++i) {
            const T given = grad[i];  // read in any case: a branch would stand in the way of vectors
            through[i] = out[i] <= 0 ? T(0) : given;
        }
        add_up<T>(begin, end, channels, found.data() + block * 2 * channels, [=](int64_t i, int64_t c) {
            return Pair<T>{through[i], through[i] * (feats[i] - mean[c])};
        });
    });
    std::vector<T> terms(3 * channels);  // feats_grad = scale * through + tilt * (feats - mean) + shift
    T *scale = terms.data(), *tilt = scale + channels, *shift = tilt + channels;
    for (int64_t c = 0; c < channels; ++c) {
        double sum = 0, product = 0;
        for (int64_t block = 0; block < blocks; ++block) {
            sum += found[block * 2 * channels + c];
            product += found[(block * 2 + 1) * channels + c];
        }
        const double by = slope(weight[c], variance[c], eps);
        bias_grad[c] = static_cast<T>(sum);
        weight_grad[c] = static_cast<T>(slope(T(1), variance[c], eps) * product);
        scale[c] = static_cast<T>(by);
        tilt[c] = static_cast<T>(-by * product / (variance[c] + eps) / rows);
        shift[c] = static_cast<T>(-by * sum / rows);
    }
    parallel_blocks(threads, rows, size, [=](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            const T *from = feats + r * channels, *passed = through + r * channels;
            T* to = feats_grad + r * channels;
#pragma GCC ivdep
            for (int64_t c = 0; c < channels; ++c)
                to[c] = scale[c] * passed[c] + (tilt[c] * (from[c] - mean[c]) + shift[c]);
        }
    });
}

}  // namespace
}  // namespace pcseg

int pcseg_batch_norm_relu(int64_t dtype, const void* feats, int64_t rows, int64_t channels, const void* weight,
                          const void* bias, const void* residual, double eps, void* mean, void* variance, void* out,
                          int64_t threads) {
    return pcseg::guarded([&] {
        const auto run = [&](auto zero) {
            using T = decltype(zero);
            pcseg::forward(static_cast<const T*>(feats), rows, channels, static_cast<const T*>(weight),
                           static_cast<const T*>(bias), static_cast<const T*>(residual), eps, static_cast<T*>(mean),
                           static_cast<T*>(variance), static_cast<T*>(out), threads);
        };
        dtype == PCSEG_FLOAT64 ? run(double{}) : run(float{});
    });
}

int pcseg_batch_norm_relu_backward(int64_t dtype, const void* grad, const void* feats, int64_t rows, int64_t channels,
                                   const void* out, const void* weight, const void* mean, const void* variance,
                                   double eps, void* feats_grad, void* weight_grad, void* bias_grad,
                                   void* residual_grad, int64_t threads) {
    return pcseg::guarded([&] {
        const auto run = [&](auto zero) {
            using T = decltype(zero);
            pcseg::backward(static_cast<const T*>(grad), static_cast<const T*>(feats), rows, channels,
                            static_cast<const T*>(out), static_cast<const T*>(weight), static_cast<const T*>(mean),
                            static_cast<const T*>(variance), eps, static_cast<T*>(feats_grad),
                            static_cast<T*>(weight_grad), static_cast<T*>(bias_grad), static_cast<T*>(residual_grad),
                            threads);
        };
        dtype == PCSEG_FLOAT64 ? run(double{}) : run(float{});
    });
}
