#include "testing/guest_disk.h"

#include <algorithm>
#include <array>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/utf16.h"
#include "guest/crc32.h"
#include "testing/byte_writer.h"
#include "testing/memory_file.h"

namespace vhdx::testing {
namespace {

constexpr size_t kMbrEntries = 446;
constexpr size_t kMbrSignature = 510;
constexpr uint32_t kHeaderBytes = 92;

std::vector<std::byte> GptEntries(const GptSpec& spec) {
  std::vector<std::byte> entries(size_t{spec.entry_count} * spec.entry_size);
  for (size_t i = 0; i < spec.partitions.size(); ++i) {
    const GptPartitionSpec& partition = spec.partitions[i];
    if (partition.last == 0) continue;
    ByteWriter entry{std::span(entries).subspan(i * spec.entry_size)};
    entry.Put(0, GuestDisk::kPartitionType);
    entry.Put(16, Guid{{static_cast<uint8_t>(i + 1)}});
    entry.Put(32, le64(partition.first));
    entry.Put(40, le64(partition.last));
    entry.PutBytes(56, *Utf16FromUtf8(partition.name));
  }
  return entries;
}

}  // namespace

GuestDisk::GuestDisk(uint64_t size_bytes, uint32_t sector_size)
    : contents_(std::make_shared<MemoryContents>()), sector_size_(sector_size) {
  contents_->Resize(size_bytes);
}

GuestDisk GuestDisk::Clone() const {
  GuestDisk clone(*this);
  clone.contents_ = contents_->Copy();
  return clone;
}

std::unique_ptr<RawDevice> GuestDisk::Open() const {
  const FileCapabilities capabilities{.writable = true, .sector_size = sector_size_};
  return *RawDevice::Open(std::make_unique<MemoryFile>(
      contents_, MemoryFileOptions{.name = "disk.raw", .capabilities = capabilities}));
}

void GuestDisk::Write(uint64_t disk_offset, std::span<const std::byte> bytes) {
  contents_->Write(disk_offset, bytes);
}

void GuestDisk::WriteMbr(const std::vector<MbrPartitionSpec>& entries, uint64_t disk_offset) {
  std::vector<std::byte> sector(512);
  ByteWriter writer(sector);
  for (size_t i = 0; i < entries.size(); ++i) {
    const size_t at = kMbrEntries + i * 16;
    writer.Put(at, entries[i].status);
    writer.Put(at + 4, entries[i].type);
    writer.Put(at + 8, le32(entries[i].first));
    writer.Put(at + 12, le32(entries[i].count));
  }
  writer.Put(kMbrSignature, le16(0xAA55));
  Write(disk_offset, sector);
}

void GuestDisk::WriteGpt(const GptSpec& spec) {
  GptSpec whole = spec;
  if (whole.sector_size == 0) whole.sector_size = sector_size_;
  const uint64_t last = size_bytes() / whole.sector_size - 1;
  const uint64_t backup = whole.backup_sector != 0 ? whole.backup_sector : last;
  const uint64_t array_sectors =
      DivideRoundingUp<uint64_t>(uint64_t{whole.entry_count} * whole.entry_size, whole.sector_size);
  if (whole.protective_mbr) WriteMbr({{.type = 0xEE, .first = 1, .count = 0xFFFFFFFF}});
  WriteGptCopy(whole, 1, backup, whole.entries_sector);
  WriteGptCopy(whole, backup, 1, backup - array_sectors);
}

void GuestDisk::WriteGptCopy(const GptSpec& spec, uint64_t own_sector, uint64_t other_sector,
                             uint64_t entries_sector) {
  const auto entries = GptEntries(spec);
  std::vector<std::byte> header(kHeaderBytes);
  ByteWriter writer(header);
  writer.PutText(0, "EFI PART");
  writer.Put(8, le32(0x00010000));
  writer.Put(12, le32(kHeaderBytes));
  writer.Put(24, le64(own_sector));
  writer.Put(32, le64(other_sector));
  writer.Put(40, le64(34));
  writer.Put(48, le64(std::max(own_sector, other_sector) - 34));
  writer.Put(72, le64(entries_sector));
  writer.Put(80, le32(spec.entry_count));
  writer.Put(84, le32(spec.entry_size));
  writer.Put(88, le32(guest::Crc32(entries)));
  writer.Put(16, le32(guest::Crc32(header)));
  Write(own_sector * spec.sector_size, header);
  Write(entries_sector * spec.sector_size, entries);
}

void GuestDisk::Break(uint64_t disk_offset) {
  auto byte = contents_->Bytes({disk_offset, 1});
  byte.front() ^= std::byte{0x5A};
  Write(disk_offset, byte);
}

}  // namespace vhdx::testing
