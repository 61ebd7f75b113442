// The instruction set of the kernels, chosen at run time, so that one library serves all machines.
#pragma once

namespace pcseg {

enum class Isa { plain = 0, avx2 = 1, avx512 = 2, avx512bf16 = 3 };

// Returns the best of this machine, or a lower one named by the environment variable PCSEG_ISA, read at each call.
Isa isa();

}  // namespace pcseg
