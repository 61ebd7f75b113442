// Information about the library: version, last error, instruction set.
#include <cstdlib>
#include <cstring>

#include "isa.h"
#include "status.h"

namespace pcseg {
namespace {

thread_local std::string last_error;

Isa best_isa() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma")) {
#if defined(PCSEG_WITH_AVX512BF16)
        if (__builtin_cpu_supports("avx512bf16")) return Isa::avx512bf16;
#endif
        return Isa::avx512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
    return Isa::plain;
}

constexpr const char* isa_names[] = {"plain", "avx2", "avx512", "avx512bf16"};

}  // namespace

void set_error(const char* message) { last_error = message; }

Isa isa() {
    static const Isa best = best_isa();
    const char* asked = std::getenv("PCSEG_ISA");
    if (asked != nullptr)
        for (int i = 0; i < static_cast<int>(best); ++i)
            if (std::strcmp(asked, isa_names[i]) == 0) return static_cast<Isa>(i);
    return best;
}

}  // namespace pcseg

int64_t pcseg_abi(void) { return PCSEG_ABI; }
const char* pcseg_error(void) { return pcseg::last_error.c_str(); }
const char* pcseg_isa(void) { return pcseg::isa_names[static_cast<int>(pcseg::isa())]; }
int64_t pcseg_has_bfloat16(void) { return pcseg::isa() == pcseg::Isa::avx512bf16; }
int64_t pcseg_has_cuda(void) {
#ifdef PCSEG_WITH_CUDA
    return 1;
#else
    return 0;
#endif
}
