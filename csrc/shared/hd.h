// Marks a function that CPU and GPU code share.
#pragma once

#if defined(__CUDACC__)
#define PCSEG_HD __host__ __device__
#else
#define PCSEG_HD
#endif
