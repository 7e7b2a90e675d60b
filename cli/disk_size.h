// The size of a disk as an argument: what can be one, and what it is relative to another.

#ifndef VHDXKIT_CLI_DISK_SIZE_H_
#define VHDXKIT_CLI_DISK_SIZE_H_

#include <vhdxkit/error.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vhdx::cli {

/// Refuses what no disk with sectors of `sector_size` bytes can have. `path` is the disk's, for the
/// message; it may be empty. Errors: kInvalidArgument.
Result<void> CheckDiskSize(uint64_t size_bytes, uint32_t sector_size, const std::string& path);

/// "40G", "+10G" or "-10G".
struct NewDiskSize {
  enum class Relation : uint8_t { kAbsolute, kLarger, kSmaller };
  Relation relation = Relation::kAbsolute;
  uint64_t bytes = 0;  ///< the size, or by how much it changes

  /// Nothing if the text is something else.
  static std::optional<NewDiskSize> Parse(std::string_view text);
  bool is_relative() const { return relation != Relation::kAbsolute; }
  /// The size that a disk of that size gets. Errors: kInvalidArgument (less than nothing, or more
  /// than 64 TiB).
  Result<uint64_t> Of(uint64_t old_size_bytes) const;
};

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_DISK_SIZE_H_
