// Mutations that know what sparse inputs (sparse_input.h) are made of: pieces, fields at aligned
// places, offsets in use elsewhere, log entries.

#ifndef VHDXKIT_FUZZ_SPARSE_MUTATION_H_
#define VHDXKIT_FUZZ_SPARSE_MUTATION_H_

#include <cstddef>
#include <cstdint>

namespace vhdx::fuzz {

/// What LLVMFuzzerCustomMutator of a target with sparse inputs does: some mutations, then right
/// checksums, seven times in eight.
size_t MutateFiles(uint8_t* data, size_t size, size_t max_size, unsigned seed);

/// What its LLVMFuzzerCustomCrossOver does: one input with pieces of another.
size_t CrossFiles(const uint8_t* data1, size_t size1, const uint8_t* data2, size_t size2,
                  uint8_t* out, size_t max_out_size, unsigned seed);

}  // namespace vhdx::fuzz

#endif  // VHDXKIT_FUZZ_SPARSE_MUTATION_H_
