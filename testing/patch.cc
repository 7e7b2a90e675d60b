#include "testing/patch.h"

#include <algorithm>
#include <array>

#include "bytes/crc32c.h"
#include "format/header.h"
#include "format/layout.h"
#include "format/log_entry.h"
#include "format/region_table.h"

namespace vhdx::testing {
namespace {

using format::kLogSectorSize;

// Every checksum of the format is the second field of its structure.
constexpr uint64_t kChecksumOffset = 4;
// A bound on the work that a random length field can ask for.
constexpr uint64_t kMaxLogScanned = 64 * kMiB;

Result<void> FixChecksum(File& file, FileRange range, uint64_t file_size) {
  if (!FitsInside(range.file_offset, range.length_bytes, file_size)) return {};
  std::vector<std::byte> bytes(range.length_bytes);
  if (auto read = file.ReadExactAt(range.file_offset, bytes); !read) return read;
  const le32 checksum = Crc32cWithoutField(bytes, kChecksumOffset);
  return file.WriteAt(range.file_offset + kChecksumOffset, std::as_bytes(std::span(&checksum, 1)));
}

// The length of the entry that starts at `offset` of the log, or 0 if none does.
uint64_t EntryLength(std::span<const std::byte> log, uint64_t offset) {
  const auto header = LoadFrom<format::LogEntryHeader>(log.subspan(offset));
  const uint64_t length = header.entry_length;
  const bool is_entry = header.signature == format::kLogEntrySignature &&
                        IsAligned(length, kLogSectorSize) && length <= log.size();
  return is_entry ? length : 0;
}

uint32_t EntryChecksum(std::span<const std::byte> log, uint64_t offset, uint64_t length) {
  const uint64_t before_wrap = std::min(length, log.size() - offset);
  const uint32_t first = Crc32cWithoutField(log.subspan(offset, before_wrap), kChecksumOffset);
  return Crc32cExtend(first, log.first(length - before_wrap));
}

Result<void> FixLog(File& file, FileRange range, uint64_t file_size) {
  if (!IsAligned(range.length_bytes, kLogSectorSize) || range.length_bytes > kMaxLogScanned ||
      !FitsInside(range.file_offset, range.length_bytes, file_size)) {
    return {};
  }
  std::vector<std::byte> log(range.length_bytes);
  if (auto read = file.ReadExactAt(range.file_offset, log); !read) return read;
  for (uint64_t offset = 0; offset < log.size();) {
    const uint64_t length = EntryLength(log, offset);
    if (length == 0) {
      offset += kLogSectorSize;
      continue;
    }
    const le32 checksum = EntryChecksum(log, offset, length);
    const auto bytes = std::as_bytes(std::span(&checksum, 1));
    // An entry that goes round the end of the log may reach into this one.
    std::ranges::copy(bytes, log.begin() + static_cast<ptrdiff_t>(offset + kChecksumOffset));
    if (auto written = file.WriteAt(range.file_offset + offset + kChecksumOffset, bytes);
        !written) {
      return written;
    }
    offset += length;
  }
  return {};
}

}  // namespace

Patch PatchFill(uint64_t file_offset, uint64_t length_bytes, std::byte value) {
  return {.file_offset = file_offset, .bytes = std::vector<std::byte>(length_bytes, value)};
}

Result<void> ApplyPatch(File& file, const Patch& patch) {
  return file.WriteAt(patch.file_offset, std::span<const std::byte>(patch.bytes));
}

Result<void> FixChecksums(File& file) {
  const auto file_size = file.Size();
  if (!file_size) return std::unexpected(file_size.error());
  for (const uint64_t offset : format::kHeaderOffsets) {
    if (auto fixed = FixChecksum(file, {offset, sizeof(format::Header)}, *file_size); !fixed) {
      return fixed;
    }
  }
  for (const uint64_t offset : format::kRegionTableOffsets) {
    if (auto fixed = FixChecksum(file, {offset, format::kRegionTableSize}, *file_size); !fixed) {
      return fixed;
    }
  }
  std::vector<FileRange> fixed_logs;
  for (const uint64_t offset : format::kHeaderOffsets) {
    if (!FitsInside(offset, sizeof(format::Header), *file_size)) continue;
    std::array<std::byte, sizeof(format::Header)> bytes{};
    if (auto read = file.ReadExactAt(offset, bytes); !read) return read;
    const auto header = LoadFrom<format::Header>(bytes);
    const FileRange log{header.log_offset, header.log_length};
    if (std::ranges::find(fixed_logs, log) != fixed_logs.end()) continue;
    if (auto fixed = FixLog(file, log, *file_size); !fixed) return fixed;
    fixed_logs.push_back(log);
  }
  return {};
}

}  // namespace vhdx::testing
