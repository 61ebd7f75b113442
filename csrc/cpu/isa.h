// Which instruction set the kernels use: found at run time, so that one library serves every machine.
#pragma once

namespace pcseg {

enum class Isa { plain = 0, avx2 = 1, avx512 = 2, avx512bf16 = 3 };

// The best this machine has, or less where the environment variable PCSEG_ISA says so. Read anew at each call.
Isa isa();

}  // namespace pcseg
