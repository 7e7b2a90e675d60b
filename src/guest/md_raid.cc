// The superblock of a member of a Linux RAID (MD). The versions differ in where it is: 0.90 and 1.0
// count from the end of the member, 1.1 and 1.2 from its start.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "bytes/arithmetic.h"
#include "guest/superblock_fields.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {
namespace {

constexpr uint32_t kMdMagic = 0xA92B4EFC;
constexpr uint64_t kMdSectorBytes = 512;
constexpr size_t kMdSuperblockBytes = 4096;  // the most, of any version
constexpr std::string_view kAtTheEnd = "has its superblock at the end of the disk";

/// Version 0.90, in the byte order of the host that wrote it; big-endian ones are not recognized.
struct MdSuperblock0 {
  le32 magic;
  le32 major;  ///< 0
  le32 minor;  ///< 90
  std::array<std::byte, 8> patch;
  le32 uuid_0;
  std::array<std::byte, 28> sizes;
  std::array<le32, 3> uuid_1;
  std::array<std::byte, 88> reserved_and_state;
  le32 checksum;
};
static_assert(offsetof(MdSuperblock0, uuid_0) == 20 && offsetof(MdSuperblock0, uuid_1) == 52);
static_assert(offsetof(MdSuperblock0, checksum) == 152);

/// Version 1: what is of interest here. Sectors have 512 bytes.
struct MdSuperblock1 {
  static constexpr size_t kBytes = 256;  ///< without the roles of the devices, of two bytes each
  static constexpr uint32_t kReshaping = 0x4 | 0x40;

  le32 magic;
  le32 major;  ///< 1
  le32 features;
  le32 padding;
  Uuid uuid;  ///< of the array
  std::array<std::byte, 32> name;
  std::array<std::byte, 64> array_geometry;
  le64 data_sector;  ///< where the data starts
  le64 data_sectors;
  le64 own_sector;
  std::array<std::byte, 64> device;
  le32 checksum;
  le32 role_count;
};
static_assert(offsetof(MdSuperblock1, uuid) == 16 && offsetof(MdSuperblock1, name) == 32);
static_assert(offsetof(MdSuperblock1, data_sector) == 128);
static_assert(offsetof(MdSuperblock1, checksum) == 216);

// The sum of the words, and half of one, without the field of the checksum itself.
uint32_t MdChecksum(ByteSpan bytes, size_t field) {
  uint64_t sum = 0;
  size_t at = 0;
  for (; at + sizeof(le32) <= bytes.size(); at += sizeof(le32)) {
    if (at != field) sum += LoadFrom<le32>(bytes.subspan(at));
  }
  if (at < bytes.size()) sum += LoadFrom<le16>(bytes.subspan(at));
  return static_cast<uint32_t>(sum) + static_cast<uint32_t>(sum >> 32);
}

// Linux compares the checksum of version 0.90 in this form, as some hosts stored no more of it.
uint32_t FoldedTo16Bits(uint32_t sum) {
  for (int i = 0; i < 2; ++i) sum = (sum & 0xFFFF) + (sum >> 16);
  return sum;
}

std::string Md0Uuid(const MdSuperblock0& md) {
  Uuid uuid;
  const std::array<uint32_t, 4> words = {md.uuid_0, md.uuid_1[0], md.uuid_1[1], md.uuid_1[2]};
  for (size_t i = 0; i < words.size(); ++i) {
    StoreTo(std::span(uuid).subspan(4 * i), le32(std::byteswap(words[i])));
  }
  return UuidText(uuid);
}

std::optional<Superblock> Version0(RangeReader& range) {
  constexpr uint64_t kReserved = 64 * kKiB;
  const uint64_t size = AlignDown(range.size_bytes(), kReserved);
  if (size == 0) return std::nullopt;
  const uint64_t offset = size - kReserved;
  const auto bytes = range.Read(offset, kMdSuperblockBytes);
  if (!bytes) return std::nullopt;
  const auto md = LoadFrom<MdSuperblock0>(*bytes);
  if (md.magic != kMdMagic || md.major != 0 || md.minor < 90 ||
      FoldedTo16Bits(MdChecksum(*bytes, offsetof(MdSuperblock0, checksum))) !=
          FoldedTo16Bits(md.checksum)) {
    return std::nullopt;
  }
  return Superblock{.kind = VolumeKind::kMdRaid,
                    .no_size_because = kAtTheEnd,
                    .trailer_offset = offset,
                    .uuid = Md0Uuid(md)};
}

// The superblock at that offset, which it must have, too.
std::optional<MdSuperblock1> LoadVersion1(RangeReader& range, uint64_t offset) {
  const auto md = range.Load<MdSuperblock1>(offset);
  if (!md || md->magic != kMdMagic || md->major != 1 ||
      CheckedMultiply(md->own_sector, kMdSectorBytes) != offset) {
    return std::nullopt;
  }
  const uint64_t length = MdSuperblock1::kBytes + sizeof(le16) * uint64_t{md->role_count};
  if (length > kMdSuperblockBytes) return std::nullopt;
  const auto bytes = range.Read(offset, length);
  if (!bytes || MdChecksum(*bytes, offsetof(MdSuperblock1, checksum)) != md->checksum) {
    return std::nullopt;
  }
  return md;
}

std::optional<Superblock> Version1AtTheEnd(RangeReader& range) {
  constexpr uint64_t kDistance = 8 * kKiB;
  if (range.size_bytes() < kDistance) return std::nullopt;
  const uint64_t offset = AlignDown(range.size_bytes() - kDistance, kMdSuperblockBytes);
  const auto md = LoadVersion1(range, offset);
  if (!md) return std::nullopt;
  return Superblock{.kind = VolumeKind::kMdRaid,
                    .no_size_because = kAtTheEnd,
                    .trailer_offset = offset,
                    .label = FieldText(md->name),
                    .uuid = UuidText(md->uuid)};
}

std::optional<Superblock> Version1AtTheStart(RangeReader& range, uint64_t offset) {
  const auto md = LoadVersion1(range, offset);
  if (!md) return std::nullopt;
  Superblock superblock{
      .kind = VolumeKind::kMdRaid, .label = FieldText(md->name), .uuid = UuidText(md->uuid)};
  if ((md->features & MdSuperblock1::kReshaping) != 0) {
    superblock.no_size_because = "is being reshaped";
    return superblock;
  }
  const auto end_sector = CheckedAdd(md->data_sector, md->data_sectors);
  const auto end = end_sector ? CheckedMultiply(*end_sector, kMdSectorBytes) : std::nullopt;
  if (!end) return std::nullopt;
  superblock.size_bytes = std::max<uint64_t>(*end, offset + kMdSuperblockBytes);
  return superblock;
}

}  // namespace

std::optional<Superblock> ParseMdRaid(const RangeStart& start) {
  RangeReader& range = start.range;
  if (auto member = Version1AtTheStart(range, 0)) return member;
  if (auto member = Version1AtTheStart(range, 4 * kKiB)) return member;
  if (auto member = Version1AtTheEnd(range)) return member;
  return Version0(range);
}

}  // namespace vhdx::guest
