// What test disks hold: bytes that follow from a seed, the layer of the chain that wrote them and
// their place on the disk, so that any read can be verified without anything being stored.

#ifndef VHDXKIT_TESTING_BLOCK_PATTERN_H_
#define VHDXKIT_TESTING_BLOCK_PATTERN_H_

#include <vhdxkit/file.h>

#include <cstdint>
#include <string>

namespace vhdx::testing {

/// Names one endless sequence of bytes over the addresses of a disk.
struct BlockPattern {
  uint64_t seed = 0;
  uint32_t layer = 0;  ///< 0 is the base of a chain, by custom

  /// Bytes that no reader may ever see: what stands in a file where its bits say "not here".
  BlockPattern Junk() const { return {.seed = ~seed, .layer = layer}; }
  friend bool operator==(const BlockPattern&, const BlockPattern&) = default;
};

/// The bytes of the pattern from disk_offset on.
void FillPattern(const BlockPattern& pattern, uint64_t disk_offset, MutableByteSpan bytes);

/// Every 512 bytes of a pattern begin with the address and the layer; what these bytes say of
/// themselves, for messages: "layer 1, address 4096", "zeros", "unknown bytes".
std::string DescribePattern(ByteSpan sector);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_BLOCK_PATTERN_H_
