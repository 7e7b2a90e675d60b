// The boot sector of a BitLocker volume.

#include <vhdxkit/guid.h>

#include <cstddef>

#include "guest/boot_sector.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {
namespace {

// 4967d63b-2e29-4ad8-8399-f6a339e3d001, where BitLocker has it since Windows 7, and where BitLocker
// To Go has it, in the boot sector of a FAT32 that says what to do.
constexpr Guid kBitLockerGuid =
    Guid::FromFields(0x4967D63B, 0x2E29, 0x4AD8, {0x83, 0x99, 0xF6, 0xA3, 0x39, 0xE3, 0xD0, 0x01});
constexpr size_t kBitLockerToGoOffset = 424;

}  // namespace

bool IsBitLockerToGo(const RangeStart& start) {
  return start.At<Guid>(kBitLockerToGoOffset) == kBitLockerGuid;
}

// Its metadata has the size of the part that is encrypted, which changes while Windows encrypts or
// decrypts the volume.
std::optional<Superblock> ParseBitLocker(const RangeStart& start) {
  const auto bios = start.At<BiosParameters>(0);
  if (!HasBootSignature(start) || !IsSectorSize(bios.bytes_per_sector) ||
      !(FieldIs(bios.oem_name, "-FVE-FS-") || IsBitLockerToGo(start))) {
    return std::nullopt;
  }
  return Superblock{.kind = VolumeKind::kBitLocker,
                    .no_size_because = "does not say where it ends"};
}

}  // namespace vhdx::guest
