// Gives unused space of an image back to the host, in place.
//
// First, what need not be stored is given up: blocks that read as zeros, blocks that the guest has
// trimmed and that kept their space, and what the file systems on the disk say is free. Then blocks
// at the end of the file move into the space that is free before them, and the file is cut. The
// file is never larger meanwhile than by a few blocks, and the host never needs the space of the
// disk twice. At whatever moment the machine dies, the image opens and reads the same, except where
// a file system said that nothing is stored; the same call then does the rest.

#ifndef VHDXKIT_COMPACT_H_
#define VHDXKIT_COMPACT_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/chain_options.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/file.h>
#include <vhdxkit/operation.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vhdx {

enum class CompactMode : uint8_t {
  kFull,        ///< everything below
  kQuick,       ///< what the file systems say is free, and blocks that were trimmed
  kPrezeroed,   ///< blocks that read as zeros, and blocks that were trimmed
  kPretrimmed,  ///< only blocks that were trimmed and kept their space (UNMAPPED, UNDEFINED)
  kRetrim,      ///< what the file systems say is free; nothing is moved
};

/// A file system, or another volume, that was recognized on the disk.
struct DiskVolume {
  DiskRange range;                         ///< of the disk
  std::optional<uint32_t> partition = {};  ///< its number, from 1; empty: the whole disk
  std::string type = {};                   ///< such as "ext4" or "LVM"
};

/// What a volume says is free, or why it is not asked.
struct VolumeFreeSpace {
  DiskVolume volume;
  std::vector<DiskRange> free = {};  ///< of the disk, in order, apart, inside of the volume
  std::string skipped_because = {};  ///< the volume is left alone: a clause for users
};

/// Asks the volumes of a disk, which it may read. What it returns has been verified: a range that
/// is free by it loses its contents. Errors end the operation.
using AskFreeSpace = std::function<Result<std::vector<VolumeFreeSpace>>(
    BlockDevice& disk, const std::vector<DiskVolume>& volumes)>;

struct CompactOptions {
  CompactMode mode = CompactMode::kFull;
  /// Empty: file systems are not asked, whatever the mode.
  AskFreeSpace ask_free_space = {};
  /// Do not make holes in blocks that stay: for hosts, or copies, that must not be sparse.
  bool no_holes = false;
  /// Read as much as the operation would, and write nothing.
  bool dry_run = false;
  /// Where to search for the parents of the image, and for its children.
  SearchOptions search = {};
  LockPolicy lock = LockPolicy::kLock;
  /// Trim what file systems say is free even if the image is the parent of others, which become
  /// unreadable. Without such a trim what the image reads stays, and so do its children.
  bool orphan_children = false;
};

struct CompactReport {
  /// One for each volume.
  struct Volume {
    DiskVolume volume;
    uint64_t free_bytes = 0;        ///< by its own count
    uint64_t given_back_bytes = 0;  ///< of these: no longer stored, as far as they were
    uint64_t kept_bytes = 0;        ///< of these: stored, because the rest of their block is in use
    std::string skipped_because = {};
  };
  std::string filename = {};
  uint32_t block_size_bytes = 0;
  uint64_t old_file_size_bytes = 0;
  uint64_t new_file_size_bytes = 0;  ///< of a dry run: what it would be
  uint64_t old_allocated_bytes = 0;  ///< on the host
  uint64_t new_allocated_bytes = 0;  ///< of a dry run: an estimate
  uint64_t moved_blocks = 0;         ///< payload and sector bitmap blocks
  uint64_t freed_blocks = 0;         ///< payload blocks that are no longer stored
  uint64_t partly_used_bytes = 0;    ///< holes inside of blocks that are stored
  uint64_t unreferenced_bytes = 0;   ///< between structures, where no block fits
  std::vector<Volume> volumes = {};
  /// As ResizeReport::change_tracking_files.
  std::vector<std::string> change_tracking_files = {};
};

/// Compacts the image at `path`, which nobody else may use meanwhile. Errors: kBusy (the file is in
/// use, or the image has children and file systems are to be trimmed); kNoSpace; kCancelled, after
/// which the image is whole, with a part of the work done; those of Disk::Open for writing, and of
/// ask_free_space.
VHDXKIT_EXPORT
Result<CompactReport> Compact(FileSystem& files, const std::string& path,
                              const CompactOptions& options, const OperationControl& control = {});

}  // namespace vhdx

#endif  // VHDXKIT_COMPACT_H_
