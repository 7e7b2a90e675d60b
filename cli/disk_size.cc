#include "cli/disk_size.h"

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "cli/size_text.h"

namespace vhdx::cli {
namespace {

constexpr uint64_t kMostBytes = 64 * kTiB;

}  // namespace

Result<void> CheckDiskSize(uint64_t size_bytes, uint32_t sector_size, const std::string& path) {
  const auto refuse = [&](const std::string& sentence) {
    return Fail(ErrorCode::kInvalidArgument, sentence, path);
  };
  // Zero means "take the parent's" in the library.
  if (size_bytes == 0) return refuse("SIZE is 0: the size of a disk must not be zero");
  if (size_bytes > kMostBytes) {
    return refuse(
        Format("SIZE is {}, which is more than a VHDX can have, 64T", FormatSize(size_bytes)));
  }
  if (size_bytes % sector_size == 0) return {};
  // Somebody who thinks of other units than bytes.
  const std::string units =
      size_bytes < kMiB
          ? Format("; a number without a unit is in bytes: write {}M or {}G for larger units",
                   size_bytes, size_bytes)
          : std::string();
  return refuse(
      Format("SIZE is {} bytes, which is not a multiple of the sector size, {}; the next "
             "multiple is {}{}",
             size_bytes, sector_size, (size_bytes / sector_size + 1) * sector_size, units));
}

std::optional<NewDiskSize> NewDiskSize::Parse(std::string_view text) {
  NewDiskSize size;
  if (text.starts_with('+')) size.relation = Relation::kLarger;
  if (text.starts_with('-')) size.relation = Relation::kSmaller;
  if (size.is_relative()) text.remove_prefix(1);
  const auto bytes = ParseSize(text);
  if (!bytes) return std::nullopt;
  size.bytes = *bytes;
  return size;
}

Result<uint64_t> NewDiskSize::Of(uint64_t old_size_bytes) const {
  switch (relation) {
    case Relation::kAbsolute:
      return bytes;
    case Relation::kLarger: {
      const auto sum = CheckedAdd(old_size_bytes, bytes);
      if (sum && *sum <= kMostBytes) return *sum;
      return Fail(ErrorCode::kInvalidArgument,
                  Format("the disk has {}, and with {} more it would be larger than a VHDX can be, "
                         "64T",
                         FormatSize(old_size_bytes), FormatSize(bytes)));
    }
    case Relation::kSmaller:
      if (bytes < old_size_bytes) return old_size_bytes - bytes;
      return Fail(ErrorCode::kInvalidArgument,
                  Format("the disk has {}, from which {} cannot be cut off",
                         FormatSize(old_size_bytes), FormatSize(bytes)));
  }
  return bytes;
}

}  // namespace vhdx::cli
