#include "testing/log_spec.h"

#include <algorithm>
#include <array>

#include "bytes/crc32c.h"
#include "format/log_entry.h"

namespace vhdx::testing {
namespace {

using format::kLogSectorSize;

bool HasDataSector(const LogWrite& write) { return write.kind != LogWrite::Kind::kZero; }

void StoreDescriptor(const LogWrite& write, uint64_t sequence_number, std::span<std::byte> to) {
  if (!HasDataSector(write)) {
    StoreTo(to, format::ZeroDescriptor{.signature = format::kZeroDescriptorSignature,
                                       .reserved = 0,
                                       .zero_length = write.zero_length,
                                       .file_offset = write.file_offset,
                                       .sequence_number = sequence_number});
    return;
  }
  format::DataDescriptor descriptor{.signature = format::kDataDescriptorSignature,
                                    .trailing_bytes = {},
                                    .leading_bytes = {},
                                    .file_offset = write.file_offset,
                                    .sequence_number = sequence_number};
  std::copy_n(write.sector.begin(), 8, descriptor.leading_bytes.begin());
  std::copy_n(write.sector.begin() + 4092, 4, descriptor.trailing_bytes.begin());
  StoreTo(to, descriptor);
}

void StoreDataSector(const LogWrite& write, uint64_t sequence_number, std::span<std::byte> to) {
  format::DataSector sector{.signature = format::kDataSectorSignature,
                            .sequence_high = static_cast<uint32_t>(sequence_number >> 32),
                            .data = {},
                            .sequence_low = static_cast<uint32_t>(sequence_number)};
  std::copy_n(write.sector.begin() + 8, sector.data.size(), sector.data.begin());
  StoreTo(to, sector);
}

// Reads the pages that moved into the log, and leaves stale bytes behind.
Result<void> TakeMovedPages(LogEntrySpec& entry, File& file) {
  for (LogWrite& write : entry.writes) {
    if (write.kind != LogWrite::Kind::kMovedPage) continue;
    write.sector.resize(kLogSectorSize);
    if (auto read = file.ReadExactAt(write.file_offset, write.sector); !read) return read;
    if (auto written = ApplyPatch(file, PatchFill(write.file_offset, kLogSectorSize, write.stale));
        !written) {
      return written;
    }
  }
  return {};
}

// Writes the sectors of an entry that were not torn, around the end of the ring.
Result<void> WriteEntry(const LogSpec& log, const LogEntrySpec& spec, uint64_t log_offset,
                        ByteSpan bytes, File& file) {
  for (uint64_t at = 0; at < bytes.size(); at += kLogSectorSize) {
    if (std::ranges::find(spec.torn_sectors, at / kLogSectorSize) != spec.torn_sectors.end()) {
      continue;
    }
    const uint64_t place = log.file_offset + (log_offset + at) % log.length_bytes;
    if (auto written = file.WriteAt(place, bytes.subspan(at, kLogSectorSize)); !written) {
      return written;
    }
  }
  return {};
}

}  // namespace

LogWrite DataWrite(uint64_t file_offset, std::vector<std::byte> sector) {
  return {.kind = LogWrite::Kind::kData, .file_offset = file_offset, .sector = std::move(sector)};
}

std::vector<std::byte> SectorOf(uint8_t value) {
  return std::vector<std::byte>(format::kLogSectorSize, std::byte{value});
}

LogWrite ZeroWrite(FileRange range) {
  return {.kind = LogWrite::Kind::kZero,
          .file_offset = range.file_offset,
          .zero_length = range.length_bytes};
}

LogWrite MovedPage(uint64_t file_offset, std::byte stale) {
  return {.kind = LogWrite::Kind::kMovedPage, .file_offset = file_offset, .stale = stale};
}

std::vector<LogWrite> MovedPages(FileRange range, std::byte stale) {
  std::vector<LogWrite> writes;
  for (uint64_t at = 0; at < range.length_bytes; at += kLogSectorSize) {
    writes.push_back(MovedPage(range.file_offset + at, stale));
  }
  return writes;
}

std::vector<std::byte> EncodeLogEntry(const LogEntrySpec& spec, const Guid& log_guid) {
  const uint64_t descriptor_sectors = format::DescriptorSectorCount(spec.writes.size());
  const auto data_sectors =
      static_cast<uint64_t>(std::ranges::count_if(spec.writes, HasDataSector));
  const uint64_t length = (descriptor_sectors + data_sectors) * kLogSectorSize;
  const uint64_t sequence_number = spec.sequence_number.value_or(1);

  std::vector<std::byte> entry(length);
  const std::span<std::byte> bytes(entry);
  StoreTo(bytes, format::LogEntryHeader{
                     .signature = format::kLogEntrySignature,
                     .checksum = 0,
                     .entry_length = static_cast<uint32_t>(length),
                     .tail = spec.tail.value_or(static_cast<uint32_t>(spec.log_offset.value_or(0))),
                     .sequence_number = sequence_number,
                     .descriptor_count = static_cast<uint32_t>(spec.writes.size()),
                     .reserved = 0,
                     .log_guid = spec.log_guid.value_or(log_guid),
                     .flushed_file_offset = spec.flushed_file_offset.value_or(0),
                     .last_file_offset = spec.last_file_offset.value_or(0)});
  uint64_t descriptor = sizeof(format::LogEntryHeader);
  uint64_t data_sector = descriptor_sectors * kLogSectorSize;
  for (const LogWrite& write : spec.writes) {
    StoreDescriptor(write, sequence_number, bytes.subspan(descriptor));
    descriptor += format::kDescriptorSize;
    if (!HasDataSector(write)) continue;
    StoreDataSector(write, sequence_number, bytes.subspan(data_sector));
    data_sector += kLogSectorSize;
  }
  for (const Patch& patch : spec.patches) {
    std::ranges::copy(patch.bytes, bytes.subspan(patch.file_offset, patch.bytes.size()).begin());
  }
  constexpr size_t kChecksumOffset = offsetof(format::LogEntryHeader, checksum);
  StoreTo(bytes.subspan(kChecksumOffset),
          le32(Crc32cWithoutField(entry, kChecksumOffset) ^ spec.checksum_xor));
  return entry;
}

Result<std::vector<PlacedLogEntry>> WriteLog(const LogSpec& spec, File& file) {
  const auto file_size = file.Size();
  if (!file_size) return std::unexpected(file_size.error());
  std::vector<PlacedLogEntry> placed;
  uint64_t next_offset = 0;
  uint64_t next_sequence_number = 1;
  for (LogEntrySpec entry : spec.entries) {
    if (!entry.log_offset) entry.log_offset = next_offset;
    if (!entry.sequence_number) entry.sequence_number = next_sequence_number;
    if (!entry.flushed_file_offset) entry.flushed_file_offset = AlignDown(*file_size, kMiB);
    if (!entry.last_file_offset) entry.last_file_offset = AlignUp(*file_size, kMiB);
    if (auto taken = TakeMovedPages(entry, file); !taken) return std::unexpected(taken.error());
    const std::vector<std::byte> bytes = EncodeLogEntry(entry, spec.log_guid);
    if (auto written = WriteEntry(spec, entry, *entry.log_offset, bytes, file); !written) {
      return std::unexpected(written.error());
    }
    placed.push_back({.log_offset = *entry.log_offset,
                      .length_bytes = bytes.size(),
                      .sequence_number = *entry.sequence_number});
    next_offset = (*entry.log_offset + bytes.size()) % spec.length_bytes;
    next_sequence_number = *entry.sequence_number + 1;
  }
  return placed;
}

}  // namespace vhdx::testing
