// What file systems and the like begin and end with, as small as their parsers need it: for tests,
// and as seeds of the fuzzer. Checksums are right.

#ifndef VHDXKIT_TESTING_GUEST_VOLUMES_H_
#define VHDXKIT_TESTING_GUEST_VOLUMES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "guest/superblock.h"
#include "testing/guest_disk.h"

namespace vhdx::testing {

struct GuestVolume {
  std::string name;  ///< unique, of lower-case letters, digits and "-"
  /// What the parser is to make of it.
  guest::Superblock superblock;
  std::vector<std::byte> bytes = {};  ///< what the range begins with
  /// Bytes of which a change makes it something that is not recognized, from the start.
  std::vector<size_t> vital = {};
  std::vector<std::byte> tail = {};  ///< what a range of kGuestVolumeBytes ends with
};

/// The size of each of them, unless its name or form says otherwise.
inline constexpr uint64_t kGuestVolumeBytes = uint64_t{16} << 20;
/// The UUID of those that have one of this form.
inline constexpr std::array<std::byte, 16> kGuestUuid = {
    std::byte{0x00}, std::byte{0x11}, std::byte{0x22}, std::byte{0x33},
    std::byte{0x44}, std::byte{0x55}, std::byte{0x66}, std::byte{0x77},
    std::byte{0x88}, std::byte{0x99}, std::byte{0xAA}, std::byte{0xBB},
    std::byte{0xCC}, std::byte{0xDD}, std::byte{0xEE}, std::byte{0xFF}};
inline constexpr const char* kGuestUuidText = "00112233-4455-6677-8899-aabbccddeeff";

/// One of each kind, and some in their other forms.
std::vector<GuestVolume> GuestVolumes();

/// The one of that name.
GuestVolume GuestVolumeNamed(const std::string& name);

/// Writes it to the range of kGuestVolumeBytes at that offset.
void WriteVolume(const GuestVolume& volume, GuestDisk& disk, uint64_t disk_offset = 0);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_GUEST_VOLUMES_H_
