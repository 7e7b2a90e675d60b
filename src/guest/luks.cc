// The headers of LUKS 1 and 2.

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "bytes/arithmetic.h"
#include "guest/superblock_fields.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {
namespace {

/// What the headers of LUKS 1 and 2 have in common.
struct LuksStart {
  std::array<char, 6> magic;
  be16 version;
};
static_assert(sizeof(LuksStart) == 8);
constexpr std::string_view kLuksMagic = "LUKS\xBA\xBE";
constexpr std::string_view kToTheEnd = "extends to the end of the disk";

/// LUKS1: the header at the start.
struct Luks1Header {
  struct KeySlot {
    be32 active;  ///< kActive or kInactive
    std::array<std::byte, 36> iterations_and_salt;
    be32 material_sector;
    be32 stripes;
  };
  static constexpr uint32_t kActive = 0x00AC71F3;
  static constexpr uint32_t kInactive = 0x0000DEAD;

  LuksStart start;
  std::array<std::byte, 96> cipher_names;
  be32 payload_sector;
  be32 key_bytes;
  std::array<std::byte, 56> digest_and_salt;
  std::array<std::byte, 40> uuid;
  std::array<KeySlot, 8> key_slots;
};
static_assert(sizeof(Luks1Header) == 592 && offsetof(Luks1Header, uuid) == 168);

/// LUKS2: the binary header at the start.
struct Luks2Header {
  LuksStart start;
  be64 header_bytes;  ///< with the JSON area
  be64 sequence;
  std::array<std::byte, 48> label;
  std::array<std::byte, 32> checksum_name;
  std::array<std::byte, 64> salt;
  std::array<std::byte, 40> uuid;
  std::array<std::byte, 48> subsystem;
  be64 own_offset;  ///< 0 of the first copy
};
static_assert(sizeof(Luks2Header) == 264);

std::optional<Superblock> ParseLuks1(const Luks1Header& header) {
  const bool slots_are_plausible =
      std::ranges::all_of(header.key_slots, [](const Luks1Header::KeySlot& slot) {
        return slot.active == Luks1Header::kActive || slot.active == Luks1Header::kInactive;
      });
  if (!slots_are_plausible || header.key_bytes == 0 || FieldText(header.cipher_names).empty()) {
    return std::nullopt;
  }
  return Superblock{
      .kind = VolumeKind::kLuks1, .no_size_because = kToTheEnd, .uuid = FieldText(header.uuid)};
}

std::optional<Superblock> ParseLuks2(const Luks2Header& header) {
  if (!IsPowerOfTwoWithin(header.header_bytes, 16 * kKiB, 4 * kMiB) || header.own_offset != 0 ||
      FieldText(header.checksum_name).empty()) {
    return std::nullopt;
  }
  return Superblock{.kind = VolumeKind::kLuks2,
                    .no_size_because = kToTheEnd,
                    .label = FieldText(header.label),
                    .uuid = FieldText(header.uuid)};
}

}  // namespace

std::optional<Superblock> ParseLuks(const RangeStart& start) {
  const auto luks = start.At<LuksStart>(0);
  if (!FieldIs(luks.magic, kLuksMagic)) return std::nullopt;
  if (luks.version == 1) return ParseLuks1(start.At<Luks1Header>(0));
  if (luks.version == 2) return ParseLuks2(start.At<Luks2Header>(0));
  return std::nullopt;
}

}  // namespace vhdx::guest
