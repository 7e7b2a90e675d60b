// The label of an LVM physical volume.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "guest/crc32.h"
#include "guest/lvm_label.h"
#include "guest/superblock_fields.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {
namespace {

// LVM groups the 32 characters of a UUID in its own way.
std::string LvmUuid(const LvmHeader& header) {
  std::string text = FieldText(header.uuid);
  if (text.size() != header.uuid.size()) return "";
  for (const size_t at : {26U, 22U, 18U, 14U, 10U, 6U}) text.insert(at, "-");
  return text;
}

std::optional<Superblock> LvmIn(ByteSpan sector, uint64_t number) {
  const auto offset = LvmHeaderIn(sector, number);
  if (!offset) return std::nullopt;
  const auto header = LoadFrom<LvmHeader>(sector.subspan(*offset));
  Superblock superblock{.kind = VolumeKind::kLvm, .uuid = LvmUuid(header)};
  if (header.device_size != 0) {
    superblock.size_bytes = header.device_size;
  } else {
    superblock.no_size_because = "does not say how large it is";
  }
  return superblock;
}

}  // namespace

std::optional<size_t> LvmHeaderIn(ByteSpan sector, uint64_t number) {
  const auto label = LoadFrom<LvmLabel>(sector);
  if (!FieldIs(label.id, "LABELONE") || !FieldIs(label.type, "LVM2 001") ||
      label.sector != number ||
      !FitsInside(label.header_offset, sizeof(LvmHeader), sector.size()) ||
      Crc32Register(kLvmInitialCrc, sector.subspan(LvmLabel::kChecksummed)) != label.crc) {
    return std::nullopt;
  }
  return size_t{label.header_offset};
}

std::optional<Superblock> ParseLvm(const RangeStart& start) {
  for (uint64_t number = 0; number <= LvmLabel::kLastSector; ++number) {
    const auto sector = start.head.subspan(number * LvmLabel::kSectorBytes, LvmLabel::kSectorBytes);
    if (auto superblock = LvmIn(sector, number)) return superblock;
  }
  return std::nullopt;
}

}  // namespace vhdx::guest
