// Sums and maxima over segments, the same bits each time: elements are sorted by segment (pcseg_cuda_sort) and cut into
// chunks; a thread reduces one channel of one chunk, then one thread per segment and channel merges the partial results
// of segments in several chunks, in their order. The scheme is that of csrc/cpu/segment.cpp.
#include "../shared/search.h"
#include "launch.h"

namespace pcseg {
namespace {

constexpr int64_t kChunk = 32;

// Elements by segment: place p holds element order[p] of segment sorted[p]; segment s has places start[s] to start[s +
// 1].
struct Elements {
    const int64_t* sorted;
    const int32_t* order;
    int64_t size;
    int64_t segments;
    const int64_t* start;

    int64_t chunks() const { return (size + kChunk - 1) / kChunk; }
};

struct Starts {
    const int64_t* sorted;
    int64_t size;
    int64_t* start;

    PCSEG_HD void operator()(int64_t segment) const { start[segment] = first_not_below(sorted, size, segment); }
};

// A Reduction has a type State and functions empty(), which returns one, add(state, element, channel), merge(state,
// later), which adds the state of a later chunk, and save(state, entry of `out`), which writes it.

// Index i is chunk i / channels and channel i % channels. A segment within the chunk is saved; a segment that reaches
// beyond it goes to partial: entry 0 of the chunk if it is the chunk's first segment, else entry 1.
template <class Reduction>
struct ReduceChunks {
    Elements elements;
    int64_t channels;
    Reduction reduction;
    typename Reduction::State* partial;

    PCSEG_HD void operator()(int64_t i) const {
        const int64_t chunk = i / channels, channel = i % channels, begin = chunk * kChunk;
        const int64_t end = begin + kChunk < elements.size ? begin + kChunk : elements.size;
        for (int64_t from = begin; from < end;) {
            const int64_t segment = elements.sorted[from];
            if (segment < 0 || segment >= elements.segments) return refuse("segment", segment, elements.segments);
            auto state = reduction.empty();
            int64_t to = from;
            for (; to < end && elements.sorted[to] == segment; ++to) reduction.add(state, elements.order[to], channel);
            if (elements.start[segment] >= begin && elements.start[segment + 1] <= end)
                reduction.save(state, segment * channels + channel);
            else
                partial[(2 * chunk + (from != begin)) * channels + channel] = state;
            from = to;
        }
    }
};

template <class Reduction>
struct MergeChunks {  // index i is segment i / channels and channel i % channels
    Elements elements;
    int64_t channels;
    Reduction reduction;
    const typename Reduction::State* partial;

    PCSEG_HD void operator()(int64_t i) const {
        const int64_t segment = i / channels, channel = i % channels;
        const int64_t begin = elements.start[segment], end = elements.start[segment + 1];
        if (begin >= end || begin / kChunk == (end - 1) / kChunk) return;
        auto state = reduction.empty();
        for (int64_t chunk = begin / kChunk; chunk <= (end - 1) / kChunk; ++chunk)
            reduction.merge(state, partial[(2 * chunk + (begin > chunk * kChunk)) * channels + channel]);
        reduction.save(state, i);
    }
};

template <class Reduction>
void reduce(const Stream& on, const Elements& elements, int64_t* start, int64_t channels, const Reduction& reduction,
            void* partial) {
    auto* states = static_cast<typename Reduction::State*>(partial);
    on.each(elements.segments + 1, Starts{elements.sorted, elements.size, start});
    on.each(elements.chunks() * channels, ReduceChunks<Reduction>{elements, channels, reduction, states});
    on.each(elements.segments * channels, MergeChunks<Reduction>{elements, channels, reduction, states});
}

template <class T>
struct Sum {
    using State = T;
    const T* values;
    int64_t channels;
    const int64_t* row;
    int64_t rows;
    const T* weight;
    T* out;

    PCSEG_HD State empty() const { return T(0); }
    PCSEG_HD void add(State& sum, int64_t element, int64_t channel) const {
        const int64_t from = row != nullptr ? row[element] : element;
        if (from < 0 || from >= rows) return refuse("row", from, rows);
        const T value = values[from * channels + channel];
        sum += weight != nullptr ? weight[element] * value : value;
    }
    PCSEG_HD void merge(State& sum, State later) const { sum += later; }
    PCSEG_HD void save(State sum, int64_t at) const { out[at] = sum; }
};

template <class T>
struct Greatest {
    T value;
    int64_t element;  // -1: none yet
};

template <class T>
struct Max {
    using State = Greatest<T>;
    const T* values;
    int64_t channels;
    T* out;
    int64_t* arg;

    PCSEG_HD State empty() const { return {T(0), -1}; }
    PCSEG_HD void add(State& best, int64_t element, int64_t channel) const {
        merge(best, {values[element * channels + channel], element});
    }
    PCSEG_HD void merge(State& best, State later) const {  // the first maximum is kept, or the first NaN
        if (best.element < 0 || (!(later.value <= best.value) && best.value == best.value)) best = later;
    }
    PCSEG_HD void save(State best, int64_t at) const {
        out[at] = best.value;
        arg[at] = best.element;
    }
};

}  // namespace
}  // namespace pcseg

int64_t pcseg_cuda_segment_workspace(int64_t elements, int64_t channels) {
    return 2 * ((elements + pcseg::kChunk - 1) / pcseg::kChunk) * channels * sizeof(pcseg::Greatest<double>);
}

int pcseg_cuda_weighted_sum(int64_t dtype, const void* values, int64_t rows, int64_t channels, const int64_t* row,
                            const void* weight, const int64_t* sorted, const int32_t* order, int64_t elements,
                            int64_t segments, void* out, int64_t* start, void* workspace, int64_t device,
                            int64_t stream) {
    using namespace pcseg;
    return guarded([&] {
        const Stream on(device, stream);
        for_dtype(dtype, [&](auto zero) {
            using T = decltype(zero);
            const Sum<T> sum{static_cast<const T*>(values), channels, row, rows, static_cast<const T*>(weight),
                             static_cast<T*>(out)};
            reduce(on, {sorted, order, elements, segments, start}, start, channels, sum, workspace);
        });
    });
}

int pcseg_cuda_segment_max(int64_t dtype, const void* values, int64_t channels, const int64_t* sorted,
                           const int32_t* order, int64_t elements, int64_t segments, void* out, int64_t* arg,
                           int64_t* start, void* workspace, int64_t device, int64_t stream) {
    using namespace pcseg;
    return guarded([&] {
        const Stream on(device, stream);
        for_dtype(dtype, [&](auto zero) {
            using T = decltype(zero);
            const Max<T> max{static_cast<const T*>(values), channels, static_cast<T*>(out), arg};
            reduce(on, {sorted, order, elements, segments, start}, start, channels, max, workspace);
        });
    });
}
