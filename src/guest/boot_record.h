// The master boot record of a disk as it is stored; extended boot records have the same form.

#ifndef VHDXKIT_GUEST_BOOT_RECORD_H_
#define VHDXKIT_GUEST_BOOT_RECORD_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "bytes/endian.h"

namespace vhdx::guest {

/// One of the four entries of a boot record. Sectors are logical ones of the disk.
struct MbrEntry {
  static constexpr uint8_t kProtective = 0xEE;

  uint8_t status;                      ///< 0x80: active, else 0
  std::array<std::byte, 3> first_chs;  ///< of a geometry that nobody uses
  uint8_t type;                        ///< 0: unused
  std::array<std::byte, 3> last_chs;
  le32 first_sector;  ///< in an extended boot record: counted from elsewhere
  le32 sector_count;

  bool used() const { return type != 0 && sector_count != 0; }
  bool protective() const { return type == kProtective; }
  bool extended() const { return used() && (type == 0x05 || type == 0x0F || type == 0x85); }
};
static_assert(sizeof(MbrEntry) == 16 && offsetof(MbrEntry, first_sector) == 8);

/// The master boot record, and each extended one.
struct BootRecord {
  std::array<std::byte, 446> code;
  std::array<MbrEntry, 4> entries;
  le16 signature;

  bool valid() const { return signature == 0xAA55; }
};
static_assert(sizeof(BootRecord) == 512 && offsetof(BootRecord, signature) == 510);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_BOOT_RECORD_H_
