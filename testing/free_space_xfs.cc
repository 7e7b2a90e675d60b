#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/crc32c.h"
#include "bytes/endian.h"
#include "testing/byte_writer.h"
#include "testing/free_space_volumes.h"
#include "testing/guest_disk.h"
#include "testing/guest_volumes.h"
#include "testing/memory_contents.h"

namespace vhdx::testing {
namespace {

constexpr uint64_t kXfsSector = 512;
constexpr uint64_t kXfsDataBlocks = 120;
constexpr uint32_t kXfsListBlocks = 4;

struct XfsFreeExtent {
  uint32_t first = 0;
  uint32_t count = 0;
};

// Numbers of XFS are big-endian.
class BigWriter {
 public:
  explicit BigWriter(std::span<std::byte> bytes) : writer_(bytes) {}

  template <std::unsigned_integral T>
  BigWriter& Put(size_t offset, T value) {
    writer_.Put(offset, LittleEndian<T>(std::byteswap(value)));
    return *this;
  }
  BigWriter& PutText(size_t offset, std::string_view text) {
    writer_.PutText(offset, text);
    return *this;
  }
  BigWriter& PutUuid(size_t offset) {
    writer_.PutBytes(offset, kGuestUuid);
    return *this;
  }
  BigWriter& PutByte(size_t offset, uint8_t value) { return Put(offset, value); }

 private:
  ByteWriter writer_;
};

class XfsWriter {
 public:
  XfsWriter(GuestDisk& disk, uint32_t version) : disk_(disk), version_(version) {}

  void WriteSuperblock() {
    std::vector<std::byte> bytes(kXfsSector);
    BigWriter writer(bytes);
    writer.PutText(0, "XFSB").PutUuid(32);
    writer.Put(4, uint32_t{kXfsBlockBytes}).Put(8, kXfsDataBlocks);
    writer.Put(48, uint64_t{kXfsGroupBlocks + 16}).Put(56, uint64_t{16 * 4});
    writer.Put(84, uint32_t{kXfsGroupBlocks}).Put(88, uint32_t{2});
    writer.Put(96, static_cast<uint32_t>(kXfsLogSectors * kXfsSector / kXfsBlockBytes));
    writer.Put(100, static_cast<uint16_t>(0xB4A0 + version_)).Put(102, uint16_t{kXfsSector});
    writer.Put(104, uint16_t{256}).Put(106, uint16_t{4});
    writer.PutByte(120, 10).PutByte(121, 9).PutByte(122, 8).PutByte(123, 2).PutByte(124, 6);
    writer.Put(144, uint64_t{20 + 16 + 2 * kXfsListBlocks + 2});
    if (version_ == 5) writer.Put(212, uint32_t{0xF}).Put(216, uint32_t{0xB});
    disk_.Write(0, bytes);
  }

  void WriteGroup(uint32_t number, uint32_t length, uint32_t free_blocks, uint32_t levels) {
    const uint32_t last_of_ring = RingSize() - 1;
    std::vector<std::byte> bytes(4 * kXfsSector);
    BigWriter free{std::span(bytes).subspan(kXfsSector, kXfsSector)};
    free.PutText(0, "XAGF").Put(4, uint32_t{1}).Put(8, number).Put(12, length).PutUuid(64);
    free.Put(16, uint32_t{2}).Put(20, uint32_t{3}).Put(24, uint32_t{6});
    free.Put(28, levels).Put(32, uint32_t{1}).Put(36, uint32_t{1});
    // The ring of the free list goes over its end.
    free.Put(40, last_of_ring).Put(44, kXfsListBlocks - 2).Put(48, kXfsListBlocks);
    free.Put(52, free_blocks).Put(60, (levels - 1) * 2).Put(88, uint32_t{7}).Put(92, uint32_t{1});
    BigWriter inodes{std::span(bytes).subspan(2 * kXfsSector, kXfsSector)};
    inodes.PutText(0, "XAGI").Put(4, uint32_t{1}).Put(8, number).Put(12, length).PutUuid(296);
    inodes.Put(20, uint32_t{4}).Put(24, uint32_t{1}).Put(328, uint32_t{5}).Put(332, uint32_t{1});
    const auto list = std::span(bytes).subspan(3 * kXfsSector);
    if (version_ == 5) BigWriter(list).PutText(0, "XAFL").Put(4, number).PutUuid(8);
    BigWriter ring{list.subspan(version_ == 5 ? 36 : 0)};
    for (uint32_t i = 0; i < kXfsListBlocks; ++i) {
      ring.Put(sizeof(le32) * ((last_of_ring + i) % RingSize()), 8 + i);
    }
    const uint64_t start = number * kXfsGroupBlocks * kXfsBlockBytes;
    disk_.Write(start + kXfsSector, std::span(bytes).subspan(kXfsSector));
  }

  void WriteLeaf(uint32_t group, uint32_t block, const std::vector<XfsFreeExtent>& extents) {
    auto bytes = TreeBlock(group, block, 0, extents.size());
    BigWriter body{std::span(bytes).subspan(HeaderBytes())};
    for (size_t i = 0; i < extents.size(); ++i) {
      body.Put(8 * i, extents[i].first).Put(8 * i + 4, extents[i].count);
    }
    WriteBlock(group, block, bytes);
  }

  void WriteNode(uint32_t group, uint32_t block, const std::vector<uint32_t>& children) {
    auto bytes = TreeBlock(group, block, 1, children.size());
    const size_t most = (kXfsBlockBytes - HeaderBytes()) / 12;
    BigWriter body{std::span(bytes).subspan(HeaderBytes())};
    for (size_t i = 0; i < children.size(); ++i) body.Put(8 * most + 4 * i, children[i]);
    WriteBlock(group, block, bytes);
  }

 private:
  size_t HeaderBytes() const { return version_ == 5 ? 56 : 16; }
  uint32_t RingSize() const { return version_ == 5 ? 119 : 128; }

  std::vector<std::byte> TreeBlock(uint32_t group, uint32_t block, uint16_t level, size_t count) {
    std::vector<std::byte> bytes(kXfsBlockBytes);
    BigWriter writer(bytes);
    writer.PutText(0, version_ == 5 ? "AB3B" : "ABTB").Put(4, level);
    writer.Put(6, static_cast<uint16_t>(count)).Put(8, UINT32_MAX).Put(12, UINT32_MAX);
    if (version_ == 5) {
      writer.Put(16, (group * kXfsGroupBlocks + block) * (kXfsBlockBytes / kXfsSector));
      writer.PutUuid(32).Put(48, group);
    }
    return bytes;
  }

  void WriteBlock(uint32_t group, uint32_t block, std::span<const std::byte> bytes) {
    disk_.Write((group * kXfsGroupBlocks + block) * kXfsBlockBytes, bytes);
  }

  GuestDisk& disk_;
  const uint32_t version_;
};

// Makes a checksum right where there is what has it.
void FixXfsChecksum(GuestDisk& disk, FileRange range, std::string_view magic, size_t crc_offset) {
  auto bytes = disk.contents()->Bytes(range);
  if (bytes.size() != range.length_bytes) return;
  const auto wanted = std::as_bytes(std::span(magic));
  if (!std::equal(wanted.begin(), wanted.end(), bytes.begin())) return;
  StoreTo(std::span(bytes).subspan(crc_offset), le32(Crc32cWithoutField(bytes, crc_offset)));
  disk.Write(range.file_offset, bytes);
}

}  // namespace

void WriteXfsLog(GuestDisk& disk, uint32_t cycle, uint64_t record_sector) {
  std::vector<std::byte> bytes(kXfsLogSectors * kXfsSector);
  const uint64_t end = record_sector + 2;
  const uint64_t head = end % kXfsLogSectors;
  const auto sector = [&](uint64_t number) {
    return BigWriter(std::span(bytes).subspan(number % kXfsLogSectors * kXfsSector, kXfsSector));
  };
  const auto cycle_of = [&](uint64_t number) {
    return head == 0 || number % kXfsLogSectors < head ? cycle : cycle - 1;
  };
  for (uint64_t i = 0; i < kXfsLogSectors; ++i) sector(i).Put(0, cycle_of(i));
  sector(record_sector)
      .Put(0, uint32_t{0xFEEDBABE})
      .Put(4, cycle_of(record_sector))
      .Put(8, uint32_t{2})
      .Put(12, uint32_t{kXfsSector})
      .Put(40, uint32_t{1})
      .Put(320, uint32_t{32768});
  sector(record_sector + 1).Put(4, uint32_t{8}).PutByte(8, 0xAA).PutByte(9, 0x20);
  disk.Write(kXfsLogOffset, bytes);
}

void FixXfsChecksums(GuestDisk& disk) {
  const auto superblock = disk.contents()->Bytes({0, kXfsSector});
  if (superblock.size() != kXfsSector || (std::to_integer<int>(superblock[101]) & 0xF) != 5) return;
  FixXfsChecksum(disk, {0, kXfsSector}, "XFSB", 224);
  for (uint64_t group = 0; group < 2; ++group) {
    const uint64_t start = group * kXfsGroupBlocks * kXfsBlockBytes;
    FixXfsChecksum(disk, {start + kXfsSector, kXfsSector}, "XAGF", 216);
    FixXfsChecksum(disk, {start + 2 * kXfsSector, kXfsSector}, "XAGI", 312);
    FixXfsChecksum(disk, {start + 3 * kXfsSector, kXfsSector}, "XAFL", 32);
  }
  for (uint64_t block = 0; block < kXfsDataBlocks; ++block) {
    FixXfsChecksum(disk, {block * kXfsBlockBytes, kXfsBlockBytes}, "AB3B", 52);
  }
}

FreeSpaceVolume XfsVolume(uint32_t version) {
  FreeSpaceVolume volume{
      .disk = GuestDisk(kXfsDataBlocks * kXfsBlockBytes), .unit_bytes = kXfsBlockBytes, .free = {}};
  XfsWriter writer(volume.disk, version);
  writer.WriteSuperblock();
  writer.WriteGroup(0, kXfsGroupBlocks, 20, 2);
  writer.WriteNode(0, 2, {12, 13});
  writer.WriteLeaf(0, 12, {{32, 4}, {40, 2}});
  writer.WriteLeaf(0, 13, {{50, 14}});
  writer.WriteGroup(1, kXfsDataBlocks - kXfsGroupBlocks, 16, 1);
  writer.WriteLeaf(1, 2, {{40, 16}});
  WriteXfsLog(volume.disk, 3, 9);
  FixXfsChecksums(volume.disk);
  const auto range = [](uint64_t first, uint64_t count) {
    return DiskRange{first * kXfsBlockBytes, count * kXfsBlockBytes};
  };
  volume.free = {range(32, 4), range(40, 2), range(50, 14), range(kXfsGroupBlocks + 40, 16)};
  return volume;
}

}  // namespace vhdx::testing
