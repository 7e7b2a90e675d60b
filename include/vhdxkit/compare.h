// Compare the contents of two disks.

#ifndef VHDXKIT_COMPARE_H_
#define VHDXKIT_COMPARE_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/operation.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace vhdx {

struct CompareOptions {
  bool strict = false;           ///< the sizes must be equal, too
  bool all_differences = false;  ///< do not stop at the first difference
};

struct CompareReport {
  bool identical = false;
  std::optional<uint64_t> first_difference = {};  ///< disk offset of the first byte that differs
  std::vector<DiskRange>
      differences;  ///< in units of 512 bytes, merged; all of them only with all_differences
  uint64_t size_a_bytes = 0;
  uint64_t size_b_bytes = 0;
};

/// Compares two disks byte by byte, except where their extents show that they are equal. If one
/// disk is longer, the rest of it must read as zeros. Errors: those of Read and Extents;
/// kCancelled.
VHDXKIT_EXPORT
Result<CompareReport> Compare(BlockDevice& a, BlockDevice& b, const CompareOptions& options = {},
                              const OperationControl& control = {});

}  // namespace vhdx

#endif  // VHDXKIT_COMPARE_H_
