// The boot sector of ReFS, which starts with a file system recognition structure.

#include <array>
#include <bit>
#include <cstddef>
#include <string_view>

#include "bytes/formatting.h"
#include "guest/superblock_fields.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {
namespace {

/// What Windows calls FILE_SYSTEM_RECOGNITION_STRUCTURE, and what ReFS has after it.
struct RefsBoot {
  static constexpr size_t kNameOffset = 3;
  static constexpr size_t kChecksumOffset = 22;
  static constexpr size_t kRecognitionBytes = 24;

  std::array<std::byte, kNameOffset> jump;
  std::array<char, 8> name;  ///< "ReFS", and zeros
  std::array<std::byte, 5> zeros;
  std::array<char, 4> identifier;  ///< "FSRS"
  le16 length;                     ///< bytes that the checksum covers
  le16 checksum;
  le64 sector_count;
  le32 bytes_per_sector;
  le32 sectors_per_cluster;
  std::array<uint8_t, 2> version;
  std::array<std::byte, 14> flags;
  le64 serial;
};
static_assert(offsetof(RefsBoot, name) == RefsBoot::kNameOffset);
static_assert(offsetof(RefsBoot, checksum) == RefsBoot::kChecksumOffset);
static_assert(offsetof(RefsBoot, sector_count) == RefsBoot::kRecognitionBytes);
static_assert(offsetof(RefsBoot, serial) == 56 && sizeof(RefsBoot) == 64);

constexpr size_t kMaxRecognitionBytes = 4096;

// Of all bytes but the jump and the checksum.
uint16_t RecognitionChecksum(ByteSpan bytes) {
  uint16_t sum = 0;
  for (size_t i = RefsBoot::kNameOffset; i < bytes.size(); ++i) {
    if (i == RefsBoot::kChecksumOffset || i == RefsBoot::kChecksumOffset + 1) continue;
    sum = static_cast<uint16_t>(std::rotr(sum, 1) + std::to_integer<uint16_t>(bytes[i]));
  }
  return sum;
}

bool RefsIsPlausible(const RefsBoot& refs, ByteSpan head) {
  if (!FieldIs(refs.name, std::string_view("ReFS\0\0\0\0", 8)) ||
      !FieldIs(refs.identifier, "FSRS") || refs.length < RefsBoot::kRecognitionBytes ||
      refs.length > kMaxRecognitionBytes) {
    return false;
  }
  return RecognitionChecksum(head.first(refs.length)) == refs.checksum &&
         IsPowerOfTwoWithin(refs.bytes_per_sector, 512, 4096) &&
         IsPowerOfTwoWithin(refs.sectors_per_cluster, 1, 4096) && refs.sector_count != 0;
}

}  // namespace

// The count of sectors is of whole clusters. A copy of the boot sector is somewhere after them, and
// the format is not published.
std::optional<Superblock> ParseRefs(const RangeStart& start) {
  const auto refs = start.At<RefsBoot>(0);
  if (!RefsIsPlausible(refs, start.head)) return std::nullopt;
  return Superblock{.kind = VolumeKind::kRefs,
                    .no_size_because = "does not say where the copy of its boot sector is",
                    .uuid = Format("{:016X}", uint64_t{refs.serial})};
}

}  // namespace vhdx::guest
