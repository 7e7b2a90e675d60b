// Small volumes of the file systems whose free space is read by our own code, with files in them,
// for its tests and as seeds of its fuzzers. Checksums are right; what is not said to be used is
// zeros.

#ifndef VHDXKIT_TESTING_FREE_SPACE_VOLUMES_H_
#define VHDXKIT_TESTING_FREE_SPACE_VOLUMES_H_

#include <vhdxkit/block_device.h>

#include <cstdint>
#include <vector>

#include "testing/guest_disk.h"

namespace vhdx::testing {

struct FreeSpaceVolume {
  GuestDisk disk;
  uint64_t unit_bytes = 0;
  std::vector<DiskRange> free;
};

/// A FAT of 12, 16 or 32 bits. Its clusters have one sector of 512 bytes.
struct FatVolumePlaces {
  uint64_t fat_offset = 0;
  uint64_t fat_bytes = 0;  ///< of one of the two copies
  uint64_t heap_offset = 0;
};
FatVolumePlaces PlacesOfFatVolume(int bits);
/// Clusters 4, 6 and all from 8 on are free; 3 is continued in 5.
FreeSpaceVolume FatVolume(int bits);
/// Changes an entry in both copies.
void SetFatEntry(GuestDisk& disk, int bits, uint64_t cluster, uint32_t value);

/// An exFAT with clusters of 512 bytes. The root directory has clusters 4 and 6.
inline constexpr uint64_t kExfatFatOffset = uint64_t{24} * 512;
inline constexpr uint64_t kExfatHeapOffset = uint64_t{64} * 512;
inline constexpr uint64_t kExfatClusters = 603;
FreeSpaceVolume ExfatVolume();
/// Makes the checksum of the boot sectors right.
void FixExfatChecksum(GuestDisk& disk);

/// Swap space of 64 pages, with bad pages 5 and 9.
FreeSpaceVolume SwapVolume(uint64_t page_bytes, bool is_big_endian);

/// An XFS of version 4 or 5 with blocks of 1 KiB and two groups.
inline constexpr uint64_t kXfsBlockBytes = 1024;
inline constexpr uint64_t kXfsGroupBlocks = 64;
inline constexpr uint64_t kXfsLogOffset = (kXfsGroupBlocks + 16) * kXfsBlockBytes;
inline constexpr uint64_t kXfsLogSectors = 32;
FreeSpaceVolume XfsVolume(uint32_t version);
/// Makes all checksums right, in version 5.
void FixXfsChecksums(GuestDisk& disk);
/// Writes the log anew: everything before the end of the last record has that cycle, the rest the
/// one before. That record, of two sectors, begins at a sector of the log.
void WriteXfsLog(GuestDisk& disk, uint32_t cycle, uint64_t record_sector);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_FREE_SPACE_VOLUMES_H_
