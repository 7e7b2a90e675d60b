#include "testing/guest_pool_members.h"

#include <array>
#include <bit>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "testing/byte_writer.h"

namespace vhdx::testing {
namespace {

using guest::VolumeKind;

// A member of a RAID 1; its superblock is 64 KiB before the end.
GuestVolume MdRaid0() {
  constexpr size_t kFromEnd = 64 * kKiB;
  std::vector<std::byte> tail(kFromEnd);
  ByteWriter writer(tail);
  writer.Put(0, le32(0xA92B4EFC));
  writer.Put(8, le32(90));
  writer.Put(20, le32(0x00112233));
  writer.Put(28, le32(1));  // the level
  writer.Put(32, le32(static_cast<uint32_t>((kGuestVolumeBytes - kFromEnd) / kKiB)));
  writer.Put(36, le32(1));
  writer.Put(40, le32(2));
  writer.Put(52, std::array<le32, 3>{0x44556677, 0x8899AABB, 0xCCDDEEFF});
  writer.Put(152, le32(MdChecksum(std::span(tail).first(4096))));
  const size_t start = kGuestVolumeBytes - kFromEnd;
  return {
      .name = "md-raid-0-90",
      .superblock = {.kind = VolumeKind::kMdRaid, .trailer_offset = start, .uuid = kGuestUuidText},
      .vital = {start, start + 4, start + 9, start + 152, start + 4000},
      .tail = std::move(tail)};
}

// The superblock of version 1 that is at that offset of its member, with an odd number of roles.
std::vector<std::byte> MdSuperblock1(uint64_t offset, uint32_t features = 0) {
  constexpr uint32_t kRoles = 3;
  std::vector<std::byte> bytes(256 + 2 * kRoles);
  ByteWriter writer(bytes);
  writer.Put(0, le32(0xA92B4EFC));
  writer.Put(4, le32(1));
  writer.Put(8, le32(features));
  writer.Put(16, kGuestUuid);
  writer.PutText(32, "host:0");
  writer.Put(72, le32(1));  // the level
  writer.Put(80, le64(16384));
  writer.Put(92, le32(2));
  writer.Put(128, le64(offset < kMiB ? 2048 : 0));
  writer.Put(136, le64(kGuestVolumeBytes / 512 - 2048));
  writer.Put(144, le64(offset / 512));
  writer.Put(220, le32(kRoles));
  writer.Put(216, le32(MdChecksum(bytes)));
  return bytes;
}

GuestVolume MdRaid1AtTheEnd() {
  constexpr size_t kFromEnd = 8 * kKiB;
  const size_t start = kGuestVolumeBytes - kFromEnd;
  std::vector<std::byte> tail = MdSuperblock1(start);
  tail.resize(kFromEnd);
  return {.name = "md-raid-1-0",
          .superblock = {.kind = VolumeKind::kMdRaid,
                         .trailer_offset = start,
                         .label = "host:0",
                         .uuid = kGuestUuidText},
          .vital = {start, start + 4, start + 145, start + 200, start + 220, start + 261},
          .tail = std::move(tail)};
}

GuestVolume MdRaid1AtTheStart(std::string name, size_t offset, uint32_t features = 0) {
  std::vector<std::byte> bytes = MdSuperblock1(offset, features);
  bytes.insert(bytes.begin(), offset, std::byte{0});
  GuestVolume volume = {
      .name = std::move(name),
      .superblock = {.kind = VolumeKind::kMdRaid, .label = "host:0", .uuid = kGuestUuidText},
      .bytes = std::move(bytes),
      .vital = {offset, offset + 4, offset + 146, offset + 200, offset + 220}};
  if (features == 0) volume.superblock.size_bytes = kGuestVolumeBytes;
  return volume;
}

// A list of names and values in XDR.
class XdrWriter {
 public:
  void PutNumber(uint32_t value) {
    const le32 big_endian = std::byteswap(value);
    const auto bytes = std::as_bytes(std::span(&big_endian, 1));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void PutText(std::string_view text) {
    PutNumber(static_cast<uint32_t>(text.size()));
    const auto bytes = std::as_bytes(std::span(text));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    bytes_.resize(AlignUp(bytes_.size(), 4));
  }
  void PutPair(std::string_view name, uint64_t value) {
    StartPair(name, 8, 8);
    PutNumber(static_cast<uint32_t>(value >> 32));
    PutNumber(static_cast<uint32_t>(value));
  }
  void PutPair(std::string_view name, std::string_view value) {
    StartPair(name, 9, 4 + AlignUp(value.size(), 4));
    PutText(value);
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  void StartPair(std::string_view name, uint32_t type, uint64_t value_bytes) {
    PutNumber(static_cast<uint32_t>(20 + AlignUp(name.size(), 4) + value_bytes));
    PutNumber(64);
    PutText(name);
    PutNumber(type);
    PutNumber(1);
  }

  std::vector<std::byte> bytes_;
};

// With the four uberblocks that blkid wants to see.
std::vector<std::byte> ZfsLabel() {
  XdrWriter list;
  list.PutNumber(0x01010000);
  list.PutNumber(0);
  list.PutNumber(1);
  list.PutPair("version", 5000);
  list.PutPair("name", "tank");
  list.PutPair("state", 0);
  list.PutPair("pool_guid", 1234567890123456789);
  list.PutPair("guid", 987654321);
  list.PutNumber(0);
  list.PutNumber(0);
  std::vector<std::byte> bytes(256 * kKiB);
  ByteWriter writer(bytes);
  writer.PutBytes(16 * kKiB, list.bytes());
  writer.Put(128 * kKiB - 40, le64(0x0210DA7AB10C7A11));
  for (size_t i = 0; i < 4; ++i) {
    const size_t uberblock = (128 + i) * kKiB;
    writer.Put(uberblock, le64(0x00BAB10C));
    writer.Put(uberblock + 8, le64(5000));
    writer.Put(uberblock + 16, le64(4 + i));
  }
  return bytes;
}

// Two labels at the end, or also two at the start.
GuestVolume Zfs(std::string name, bool at_the_start) {
  std::vector<std::byte> labels = ZfsLabel();
  const auto second = labels;
  labels.insert(labels.end(), second.begin(), second.end());
  const size_t third = kGuestVolumeBytes - labels.size();
  GuestVolume volume = {
      .name = std::move(name),
      .superblock = {.kind = VolumeKind::kZfs, .label = "tank", .uuid = "1234567890123456789"},
      .bytes = at_the_start ? labels : std::vector<std::byte>(),
      .tail = labels};
  if (!at_the_start) volume.superblock.trailer_offset = third;
  return volume;
}

}  // namespace

uint32_t MdChecksum(std::span<const std::byte> superblock) {
  uint64_t sum = 0;
  for (size_t i = 0; i + 4 <= superblock.size(); i += 4) {
    sum += LoadFrom<le32>(superblock.subspan(i));
  }
  if (superblock.size() % 4 != 0) sum += LoadFrom<le16>(superblock.last(2));
  return static_cast<uint32_t>((sum & 0xFFFFFFFF) + (sum >> 32));
}

std::vector<GuestVolume> GuestPoolMembers() {
  return {MdRaid0(),
          MdRaid1AtTheEnd(),
          MdRaid1AtTheStart("md-raid-1-1", 0),
          MdRaid1AtTheStart("md-raid-1-2", 4 * kKiB),
          MdRaid1AtTheStart("md-raid-reshaping", 4 * kKiB, 0x4),
          Zfs("zfs", true),
          Zfs("zfs-only-at-the-end", false)};
}

}  // namespace vhdx::testing
