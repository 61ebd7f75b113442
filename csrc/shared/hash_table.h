// A hash table from 64-bit keys to rows that many threads fill at once: open addressing, linear probing.
// The slots of keys depend on the order of the threads; the results of find() do not.
#pragma once
#include <cstdint>

#include "atomics.h"
#include "hd.h"

namespace pcseg {

constexpr uint64_t kEmpty = ~uint64_t{0};  // no key: keys are below 2^63

// Hash in which all bits depend on all bits of the key: the finalizer of MurmurHash3 (Appleby).
PCSEG_HD inline uint64_t hash(uint64_t key) {
    key = (key ^ key >> 33) * 0xff51afd7ed558ccdULL;
    key = (key ^ key >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return key ^ key >> 33;
}

// Uses the caller's memory: `slots` is a power of two above the number of keys (so that every probe ends), all keys are
// set to kEmpty. Insert in one kernel, find in a later one.
struct HashTable {
    uint64_t* keys;
    int32_t* rows;
    uint64_t slots;

    // Returns false if the key is already present, whose row then remains.
    PCSEG_HD bool insert(uint64_t key, int32_t row) const {
        for (uint64_t slot = first(key);; slot = next(slot)) {
            const uint64_t there = compare_and_swap(keys + slot, kEmpty, key);
            if (there == kEmpty) rows[slot] = row;
            if (there == kEmpty || there == key) return there == kEmpty;
        }
    }
    // Returns the row of a key, or -1.
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
