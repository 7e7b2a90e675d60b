// The partition table of a disk: a master boot record (MBR) with the logical partitions of its
// extended ones, or a GUID partition table (GPT; [UEFI] 5.3) with its backup.
//
// The contents are hostile. Nothing that a disk contains is an error: what cannot be is left out or
// listed in `contradictions`, and only a read that fails is an error. Work and memory are bounded:
// at most kMaxLogicalPartitions extended boot records are read, and four arrays of GPT entries of
// kMaxGptArrayBytes each; a GPT with a larger array is not recognized.

#ifndef VHDXKIT_GUEST_PARTITION_TABLE_H_
#define VHDXKIT_GUEST_PARTITION_TABLE_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>
#include <vhdxkit/guid.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "guest/contradictions.h"

namespace vhdx::guest {

inline constexpr size_t kMaxLogicalPartitions = 256;
inline constexpr uint64_t kMaxGptArrayBytes = uint64_t{256} << 10;  // 2048 entries of 128 bytes

enum class PartitionTableKind : uint8_t {
  kNone,
  kMbr,
  kGpt,
  kGptOfOtherSectorSize,  ///< of sectors of 4096 bytes on a disk that has 512, or the reverse
  kGptLost,               ///< an MBR that protects a GPT, of which neither copy is valid
};

struct Partition {
  enum class Role : uint8_t {
    kPrimary,
    kExtended,  ///< contains logical partitions
    kLogical,
  };

  uint32_t number = 0;  ///< as Linux counts: from 1; logical ones from 5
  DiskRange range;      ///< may reach past the end of the disk; that is a contradiction
  Role role = Role::kPrimary;
  uint8_t mbr_type = 0;   ///< in an MBR
  Guid type_guid = {};    ///< in a GPT
  std::string name = {};  ///< in a GPT: UTF-8, U+FFFD for what is not UTF-16
};

/// The two copies of a GPT. Ranges of a copy that is not valid are empty.
struct GptCopies {
  bool primary_valid = false;
  bool backup_valid = false;
  DiskRange primary_entries;
  DiskRange backup_entries;
  DiskRange backup_header;    ///< one sector: where the primary header says, else the last one
  uint64_t backup_bytes = 0;  ///< what a backup takes at the end of a disk: entries and header
};

struct PartitionTable {
  PartitionTableKind kind = PartitionTableKind::kNone;
  uint32_t sector_size = 0;  ///< that the table counts in, in bytes
  std::vector<Partition> partitions;
  uint64_t structures_end = 0;   ///< the end of the table at the start of the disk; 0: no table
  std::optional<GptCopies> gpt;  ///< with kGpt and kGptOfOtherSectorSize
  Contradictions contradictions;
};

/// Reads the table of the disk. An MBR without any partition is not a table, and neither is the
/// boot sector of a file system. Errors: those of BlockDevice::Read.
Result<PartitionTable> ReadPartitionTable(BlockDevice& disk);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_PARTITION_TABLE_H_
