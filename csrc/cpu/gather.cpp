// Gather of rows by index, of any type.
#include <cstring>

#include "index.h"
#include "memory.h"

namespace pcseg {
namespace {

constexpr int64_t kAhead = 16;  // rows to prefetch: the hardware cannot predict them

void gather(const char* values, int64_t row_bytes, const int64_t* row, int64_t rows, char* out, int64_t threads) {
    prefer_large_pages(out, rows * row_bytes);
    const int64_t fetched = std::min<int64_t>(row_bytes, 512);
    parallel_blocks(threads, rows, 1 << 13, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            if (i + kAhead < end)
                for (int64_t byte = 0; byte < fetched; byte += 64)
                    __builtin_prefetch(values + row[i + kAhead] * row_bytes + byte);
            std::memcpy(out + i * row_bytes, values + row[i] * row_bytes, row_bytes);
        }
    });
}

}  // namespace
}  // namespace pcseg

int pcseg_gather(const void* values, int64_t value_rows, int64_t row_bytes, const int64_t* row, int64_t rows, void* out,
                 int64_t threads) {
    return pcseg::guarded([&] {
        pcseg::check_index("row", row, rows, value_rows, threads);
        pcseg::gather(static_cast<const char*>(values), row_bytes, row, rows, static_cast<char*>(out), threads);
    });
}
