// A hash table from 64-bit keys to rows that many threads fill at once: open addressing, linear probing.
// Keys may land in any of their slots, depending on the order of the threads; what find() says does not.
#pragma once
#include <cstdint>

#include "atomics.h"
#include "hd.h"

namespace pcseg {

constexpr uint64_t kEmpty = ~uint64_t{0};  // no key: keys are below 2^63

// All bits of a key to all bits of its hash: the finalizer of MurmurHash3 (Appleby).
PCSEG_HD inline uint64_t hash(uint64_t key) {
    key = (key ^ key >> 33) * 0xff51afd7ed558ccdULL;
    key = (key ^ key >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return key ^ key >> 33;
}

// Over the caller's memory: a power of two of slots, more than there are keys (so that every probe comes to an end),
// with keys set to kEmpty. Insert in one kernel, find in a later one.
struct HashTable {
    uint64_t* keys;
    int32_t* rows;
    uint64_t slots;

    // False where the key is there already; its row then stays.
    PCSEG_HD bool insert(uint64_t key, int32_t row) const {
        for (uint64_t slot = first(key);; slot = next(slot)) {
            const uint64_t there = compare_and_swap(keys + slot, kEmpty, key);
            if (there == kEmpty) rows[slot] = row;
            if (there == kEmpty || there == key) return there == kEmpty;
        }
    }
    // The row of a key, or -1.
    PCSEG_HD int32_t find(uint64_t key) const {
        for (uint64_t slot = first(key);; slot = next(slot)) {
            if (keys[slot] == key) return rows[slot];
            if (keys[slot] == kEmpty) return -1;
        }
    }

   private:
    PCSEG_HD uint64_t first(uint64_t key) const { return hash(key) & (slots - 1); }
    PCSEG_HD uint64_t next(uint64_t slot) const { return (slot + 1) & (slots - 1); }
};

}  // namespace pcseg
