// The k nearest of a sequence of points, and the distance between points.
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>

#include "hd.h"

namespace pcseg {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kNoIndex = std::numeric_limits<int64_t>::max();

// Rounded after each step, as in PyTorch: a fused multiply-add would break ties between equal distances. (On a CPU the
// compiler's option -ffp-contract=off ensures this.)
PCSEG_HD inline double square_distance(const double* a, const double* b) {
    const double x = a[0] - b[0], y = a[1] - b[1], z = a[2] - b[2];
#if defined(__CUDA_ARCH__)
    return __dadd_rn(__dadd_rn(__dmul_rn(x, x), __dmul_rn(y, y)), __dmul_rn(z, z));
#else
    return x * x + y * y + z * z;
#endif
}

// The k nearest so far, nearest first, ties by the smaller index; the order of calls of offer() does not matter.
class Best {
   public:
    PCSEG_HD Best(int64_t k, double square_radius, int64_t* index, double* square)
        : k_(k), index_(index), square_(square), farthest_(square_radius) {}

    PCSEG_HD double farthest() const { return farthest_; }  // squared distance above which points are ignored
    PCSEG_HD int64_t last() const { return last_; }         // at that distance so are this index and all above

    PCSEG_HD void offer(double square, int64_t index) {
        if (square > farthest_ || (square == farthest_ && index >= last_)) return;
        int64_t place = found_ < k_ ? found_++ : k_ - 1;
        for (; place > 0 &&
               (square < square_[place - 1] || (square == square_[place - 1] && index < index_[place - 1]));
             --place) {
            square_[place] = square_[place - 1];
            index_[place] = index_[place - 1];
        }
        square_[place] = square;
        index_[place] = index;
        if (found_ == k_) {
            farthest_ = square_[k_ - 1];
            last_ = index_[k_ - 1];
        }
    }

    // Takes square roots of the distances; writes -1 and infinity for missing neighbors.
    PCSEG_HD void finish() {
        for (int64_t i = 0; i < found_; ++i) square_[i] = sqrt(square_[i]);
        for (int64_t i = found_; i < k_; ++i) {
            square_[i] = kInfinity;
            index_[i] = -1;
        }
    }

   private:
    int64_t k_, found_ = 0;
    int64_t* index_;
    double* square_;
    double farthest_;  // at this distance only a smaller index than last_ is accepted
    int64_t last_ = kNoIndex;
};

}  // namespace pcseg
