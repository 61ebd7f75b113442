// Marks functions of both CPU and GPU code.
#pragma once

#if defined(__CUDACC__)
#define PCSEG_HD __host__ __device__
#else
#define PCSEG_HD
#endif
