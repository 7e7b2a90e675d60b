#include "testing/free_space_volumes.h"

#include <bit>
#include <cstddef>
#include <span>
#include <string_view>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "testing/byte_writer.h"
#include "testing/memory_contents.h"

namespace vhdx::testing {
namespace {

constexpr uint64_t kFreeSpaceSector = 512;

uint64_t FatVolumeClusters(int bits) { return bits == 16 ? 5000 : 300; }

std::vector<std::byte> FatBootSector(int bits) {
  std::vector<std::byte> bytes(kFreeSpaceSector);
  ByteWriter writer(bytes);
  const FatVolumePlaces places = PlacesOfFatVolume(bits);
  const auto fat_sectors = static_cast<uint16_t>(places.fat_bytes / kFreeSpaceSector);
  writer.PutText(0, "\xEB\x3C\x90");
  writer.PutText(3, "vhdxkit ");
  writer.Put(11, le16(kFreeSpaceSector));
  writer.Put(13, uint8_t{1});
  writer.Put(14, le16(static_cast<uint16_t>(places.fat_offset / kFreeSpaceSector)));
  writer.Put(16, uint8_t{2});
  writer.Put(17, le16(bits == 32 ? 0 : 16));
  writer.Put(21, uint8_t{0xF8});
  writer.Put(22, le16(bits == 32 ? uint16_t{0} : fat_sectors));
  const uint64_t sectors = places.heap_offset / kFreeSpaceSector + FatVolumeClusters(bits);
  writer.Put(32, le32(static_cast<uint32_t>(sectors)));
  if (bits == 32) {
    writer.Put(36, le32(fat_sectors));
    writer.Put(44, le32(2));
    writer.Put(48, le16(1));
  }
  writer.Put(510, le16(0xAA55));
  return bytes;
}

void WriteFatInfo(GuestDisk& disk, uint32_t free_clusters) {
  std::vector<std::byte> bytes(kFreeSpaceSector);
  ByteWriter writer(bytes);
  writer.Put(0, le32(0x41615252));
  writer.Put(484, le32(0x61417272));
  writer.Put(488, le32(free_clusters));
  writer.Put(508, le32(0xAA550000));
  disk.Write(kFreeSpaceSector, bytes);
}

}  // namespace

FatVolumePlaces PlacesOfFatVolume(int bits) {
  FatVolumePlaces places{.fat_offset = (bits == 32 ? 8 : 1) * kFreeSpaceSector};
  const uint64_t entries = FatVolumeClusters(bits) + 2;
  places.fat_bytes = AlignUp(entries * static_cast<uint64_t>(bits) / 8 + 1, kFreeSpaceSector);
  places.heap_offset =
      places.fat_offset + 2 * places.fat_bytes + (bits == 32 ? 0 : kFreeSpaceSector);
  return places;
}

void SetFatEntry(GuestDisk& disk, int bits, uint64_t cluster, uint32_t value) {
  const FatVolumePlaces places = PlacesOfFatVolume(bits);
  const uint64_t bit = cluster * static_cast<uint64_t>(bits);
  for (uint64_t copy = 0; copy < 2; ++copy) {
    const uint64_t offset = places.fat_offset + copy * places.fat_bytes + bit / 8;
    auto bytes = disk.contents()->Bytes({offset, sizeof(le32)});
    const uint32_t shift = bit % 8;
    const uint32_t mask = (bits == 32 ? UINT32_MAX : (1U << bits) - 1) << shift;
    const uint32_t old = LoadFrom<le32>(bytes);
    StoreTo(std::span(bytes), le32((old & ~mask) | ((value << shift) & mask)));
    disk.Write(offset, bytes);
  }
}

FreeSpaceVolume FatVolume(int bits) {
  const FatVolumePlaces places = PlacesOfFatVolume(bits);
  const uint64_t clusters = FatVolumeClusters(bits);
  const uint64_t cluster = kFreeSpaceSector;
  FreeSpaceVolume volume{.disk = GuestDisk(places.heap_offset + clusters * cluster),
                         .unit_bytes = cluster,
                         .free = {}};
  volume.disk.Write(0, FatBootSector(bits));
  const uint32_t end = bits == 32 ? 0x0FFFFFFF : (1U << bits) - 1;
  SetFatEntry(volume.disk, bits, 0, end - 7);
  SetFatEntry(volume.disk, bits, 1, end);
  SetFatEntry(volume.disk, bits, 2, end);
  SetFatEntry(volume.disk, bits, 3, 5);
  SetFatEntry(volume.disk, bits, 5, end);
  SetFatEntry(volume.disk, bits, 7, end - 8);  // bad
  const auto offset_of = [&](uint64_t number) {
    return places.heap_offset + (number - 2) * cluster;
  };
  volume.free = {
      {offset_of(4), cluster}, {offset_of(6), cluster}, {offset_of(8), (clusters - 6) * cluster}};
  if (bits == 32) WriteFatInfo(volume.disk, static_cast<uint32_t>(clusters - 4));
  return volume;
}

void FixExfatChecksum(GuestDisk& disk) {
  const auto boot = disk.contents()->Bytes({0, 11 * kFreeSpaceSector});
  uint32_t sum = 0;
  for (size_t i = 0; i < boot.size(); ++i) {
    if (i == 106 || i == 107 || i == 112) continue;
    sum = std::rotr(sum, 1) + std::to_integer<uint32_t>(boot[i]);
  }
  std::vector<std::byte> checksum(sizeof(le32));
  StoreTo(std::span(checksum), le32(sum));
  disk.Write(11 * kFreeSpaceSector, checksum);
}

FreeSpaceVolume ExfatVolume() {
  const uint64_t cluster = kFreeSpaceSector;
  FreeSpaceVolume volume{.disk = GuestDisk(kExfatHeapOffset + kExfatClusters * cluster),
                         .unit_bytes = cluster,
                         .free = {}};
  std::vector<std::byte> bytes(kExfatHeapOffset + 5 * cluster);
  ByteWriter writer(bytes);
  writer.PutText(3, "EXFAT   ");
  writer.Put(72, le64(volume.disk.size_bytes() / kFreeSpaceSector));
  writer.Put(80, le32(kExfatFatOffset / kFreeSpaceSector));
  writer.Put(84, le32(8));
  writer.Put(88, le32(kExfatHeapOffset / kFreeSpaceSector));
  writer.Put(92, le32(kExfatClusters));
  writer.Put(96, le32(4));
  writer.Put(104, le16(0x100));
  writer.Put(108, uint8_t{9});
  writer.Put(110, uint8_t{1});
  writer.Put(112, uint8_t{3});
  writer.Put(510, le16(0xAA55));
  // The bitmap, the up-case table, the root directory.
  const std::vector<uint32_t> fat = {0xFFFFFFF8, UINT32_MAX, UINT32_MAX, UINT32_MAX,
                                     6,          0,          UINT32_MAX};
  for (size_t i = 0; i < fat.size(); ++i) writer.Put(kExfatFatOffset + 4 * i, le32(fat[i]));
  // Clusters 2 to 4, 6, and 16 to 31 with a file that has no chain.
  writer.Put(kExfatHeapOffset, std::byte{0b00010111});
  writer.Put(kExfatHeapOffset + 1, std::byte{0b11000000});
  writer.Put(kExfatHeapOffset + 2, std::byte{0xFF});
  writer.Put(kExfatHeapOffset + 3, std::byte{0b00111111});
  const uint64_t root = kExfatHeapOffset + 2 * cluster;
  for (size_t i = 0; i < 16; ++i) writer.Put(root + 32 * i, std::byte{0x05});  // deleted
  volume.disk.Write(0, bytes);
  std::vector<std::byte> entries(cluster);
  ByteWriter directory(entries);
  directory.Put(0, std::byte{0x81});
  directory.Put(20, le32(2));
  directory.Put(24, le64(DivideRoundingUp(kExfatClusters, uint64_t{8})));
  directory.Put(32, std::byte{0x82});
  directory.Put(32 + 20, le32(3));
  directory.Put(32 + 24, le64(60));
  volume.disk.Write(kExfatHeapOffset + 4 * cluster, entries);
  FixExfatChecksum(volume.disk);
  const auto offset_of = [&](uint64_t number) { return kExfatHeapOffset + (number - 2) * cluster; };
  volume.free = {{offset_of(5), cluster},
                 {offset_of(7), 9 * cluster},
                 {offset_of(32), (kExfatClusters - 30) * cluster}};
  return volume;
}

FreeSpaceVolume SwapVolume(uint64_t page_bytes, bool is_big_endian) {
  constexpr uint64_t kPages = 64;
  FreeSpaceVolume volume{
      .disk = GuestDisk(kPages * page_bytes), .unit_bytes = page_bytes, .free = {}};
  std::vector<std::byte> bytes(page_bytes);
  ByteWriter writer(bytes);
  const auto put = [&](size_t offset, uint32_t value) {
    writer.Put(offset, le32(is_big_endian ? std::byteswap(value) : value));
  };
  put(1024, 1);
  put(1028, kPages - 1);
  put(1032, 3);
  put(1536, 9);
  put(1540, 5);
  put(1544, 9);
  writer.PutText(page_bytes - 10, "SWAPSPACE2");
  volume.disk.Write(0, bytes);
  volume.free = {{page_bytes, 4 * page_bytes},
                 {6 * page_bytes, 3 * page_bytes},
                 {10 * page_bytes, (kPages - 10) * page_bytes}};
  return volume;
}

}  // namespace vhdx::testing
