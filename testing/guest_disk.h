// A disk in memory, with a partition table that a test writes by hand.
//
// The checksums of the tables are right; a test that wants them wrong changes bytes afterwards.

#ifndef VHDXKIT_TESTING_GUEST_DISK_H_
#define VHDXKIT_TESTING_GUEST_DISK_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/guid.h>
#include <vhdxkit/raw_device.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "testing/memory_contents.h"

namespace vhdx::testing {

/// An entry of an MBR or of an extended boot record; numbers in sectors.
struct MbrPartitionSpec {
  uint8_t type = 0x83;
  uint32_t first = 0;
  uint32_t count = 0;
  uint8_t status = 0;
};

/// An entry of a GPT; numbers in sectors, the last one inclusive. One that ends at 0 is unused.
struct GptPartitionSpec {
  uint64_t first = 0;
  uint64_t last = 0;
  std::string name = {};
};

struct GptSpec {
  std::vector<GptPartitionSpec> partitions;
  uint32_t entry_count = 128;
  uint32_t entry_size = 128;
  uint32_t sector_size = 0;  ///< 0: that of the disk
  uint64_t entries_sector = 2;
  uint64_t backup_sector = 0;  ///< 0: the last
  bool protective_mbr = true;
};

class GuestDisk {
 public:
  static constexpr Guid kPartitionType = Guid::FromFields(
      0x0FC63DAF, 0x8483, 0x4772, {0x8E, 0x79, 0x3D, 0x69, 0xD8, 0x47, 0x7D, 0xE4});

  explicit GuestDisk(uint64_t size_bytes, uint32_t sector_size = 512);
  /// A disk of its own with the same bytes. A copy made otherwise shares them.
  GuestDisk Clone() const;

  uint64_t size_bytes() const { return contents_->size(); }
  const std::shared_ptr<MemoryContents>& contents() const { return contents_; }
  /// The disk as it is now.
  std::unique_ptr<RawDevice> Open() const;

  void Write(uint64_t disk_offset, std::span<const std::byte> bytes);
  void Resize(uint64_t size_bytes) { contents_->Resize(size_bytes); }
  /// The four entries, and the signature, of the sector at that offset.
  void WriteMbr(const std::vector<MbrPartitionSpec>& entries, uint64_t disk_offset = 0);
  /// Both copies, each with its entries, and the protective MBR.
  void WriteGpt(const GptSpec& spec);
  /// Changes the byte there.
  void Break(uint64_t disk_offset);

 private:
  void WriteGptCopy(const GptSpec& spec, uint64_t own_sector, uint64_t other_sector,
                    uint64_t entries_sector);

  std::shared_ptr<MemoryContents> contents_;
  uint32_t sector_size_;
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_GUEST_DISK_H_
