// The label of an LVM physical volume.

#include <array>
#include <cstddef>
#include <string>

#include "bytes/arithmetic.h"
#include "guest/crc32.h"
#include "guest/superblock_fields.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {
namespace {

/// LVM: the label, in one of the first four sectors of 512 bytes, and what follows it.
struct LvmLabel {
  static constexpr size_t kSectorBytes = 512;
  static constexpr size_t kChecksummed = 20;  ///< from here to the end of the sector
  static constexpr uint32_t kInitialCrc = 0xF597A6CF;

  std::array<char, 8> id;  ///< "LABELONE"
  le64 sector;             ///< its own
  le32 crc;
  le32 header_offset;        ///< of the header of the physical volume, from the label
  std::array<char, 8> type;  ///< "LVM2 001"
};
static_assert(sizeof(LvmLabel) == 32);

/// The start of the header of an LVM physical volume.
struct LvmHeader {
  std::array<std::byte, 32> uuid;
  le64 device_size;  ///< in bytes
};
static_assert(sizeof(LvmHeader) == 40);

// LVM groups the 32 characters of a UUID in its own way.
std::string LvmUuid(const LvmHeader& header) {
  std::string text = FieldText(header.uuid);
  if (text.size() != header.uuid.size()) return "";
  for (const size_t at : {26U, 22U, 18U, 14U, 10U, 6U}) text.insert(at, "-");
  return text;
}

std::optional<Superblock> LvmIn(ByteSpan sector, uint64_t number) {
  const auto label = LoadFrom<LvmLabel>(sector);
  if (!FieldIs(label.id, "LABELONE") || !FieldIs(label.type, "LVM2 001") ||
      label.sector != number ||
      !FitsInside(label.header_offset, sizeof(LvmHeader), sector.size()) ||
      Crc32Register(LvmLabel::kInitialCrc, sector.subspan(LvmLabel::kChecksummed)) != label.crc) {
    return std::nullopt;
  }
  const auto header = LoadFrom<LvmHeader>(sector.subspan(label.header_offset));
  Superblock superblock{.kind = VolumeKind::kLvm, .uuid = LvmUuid(header)};
  if (header.device_size != 0) {
    superblock.size_bytes = header.device_size;
  } else {
    superblock.no_size_because = "does not say how large it is";
  }
  return superblock;
}

}  // namespace

std::optional<Superblock> ParseLvm(const RangeStart& start) {
  for (uint64_t number = 0; number < 4; ++number) {
    const auto sector = start.head.subspan(number * LvmLabel::kSectorBytes, LvmLabel::kSectorBytes);
    if (auto superblock = LvmIn(sector, number)) return superblock;
  }
  return std::nullopt;
}

}  // namespace vhdx::guest
