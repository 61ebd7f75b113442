// Eigenvalues and eigenvectors of symmetric 3 x 3 matrices by Jacobi's rotations (Golub and Van Loan, "Matrix
// computations", section 8.5).
#pragma once
#include <cmath>
#include <cstdint>
#include <utility>

namespace pcseg {

// values ascend; vectors[3 * i + j] is component i of the vector of value j.
struct Eigen3 {
    double values[3];
    double vectors[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};

    explicit Eigen3(const double* matrix) {
        double a[9];
        for (int i = 0; i < 9; ++i) a[i] = matrix[i];
        constexpr int kMost = 16;  // sweeps; four or five are enough
        for (int sweep = 0; sweep < kMost; ++sweep) {
            const double off = a[1] * a[1] + a[2] * a[2] + a[5] * a[5];
            const double size = a[0] * a[0] + a[4] * a[4] + a[8] * a[8];
            if (!(off > 1e-32 * size)) break;
            rotate(a, 0, 1);
            rotate(a, 0, 2);
            rotate(a, 1, 2);
        }
        for (int i = 0; i < 3; ++i) values[i] = a[4 * i];
        order(0, 1);
        order(1, 2);
        order(0, 1);
    }

   private:
    void rotate(double* a, int p, int q) {
        const double off = a[3 * p + q];
        if (off == 0) return;
        const double half = (a[4 * q] - a[4 * p]) / (2 * off);
        const double t = (half >= 0 ? 1 : -1) / (std::abs(half) + std::sqrt(half * half + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        const int r = 3 - p - q;
        const double rp = a[3 * r + p], rq = a[3 * r + q];
        a[4 * p] -= t * off;
        a[4 * q] += t * off;
        a[3 * p + q] = a[3 * q + p] = 0;
        a[3 * r + p] = a[3 * p + r] = c * rp - s * rq;
        a[3 * r + q] = a[3 * q + r] = s * rp + c * rq;
        for (int i = 0; i < 3; ++i) {
            const double vp = vectors[3 * i + p], vq = vectors[3 * i + q];
            vectors[3 * i + p] = c * vp - s * vq;
            vectors[3 * i + q] = s * vp + c * vq;
        }
    }

    void order(int i, int j) {
        if (!(values[j] < values[i])) return;
        std::swap(values[i], values[j]);
        for (int row = 0; row < 3; ++row) std::swap(vectors[3 * row + i], vectors[3 * row + j]);
    }
};

}  // namespace pcseg
