// Makes the disk of an image larger or smaller.
//
// Only metadata is written, with three exceptions: the blocks that a fixed disk gains, what a disk
// has in its last block past its end, and the backup of a GUID partition table, which moves to the
// new end. At whatever moment the machine dies, the image opens, has the old size, the new one or
// one in between, and has lost no byte below the smaller of the two; the same call then does the
// rest.

#ifndef VHDXKIT_RESIZE_H_
#define VHDXKIT_RESIZE_H_

#include <vhdxkit/chain_options.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/file.h>
#include <vhdxkit/operation.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vhdx {

struct ResizeOptions {
  /// The new size in bytes: a multiple of the logical sector size, from one sector to 64 TiB.
  uint64_t size_bytes = 0;
  /// The smallest size that keeps all that was recognized on the disk, instead of size_bytes.
  bool to_minimum = false;
  /// Cut the disk even if data, or something that was recognized, may be past the new end.
  bool allow_unsafe = false;
  /// Read as much as the operation would, and write nothing.
  bool dry_run = false;
  /// Where to search for the parents of the image, and for its children.
  SearchOptions search = {};
  LockPolicy lock = LockPolicy::kLock;
  /// Resize the image even if it is the parent of other images, which become unreadable.
  bool orphan_children = false;
};

struct ResizeReport {
  std::string filename = {};
  uint64_t old_size_bytes = 0;  ///< of the disk
  uint64_t new_size_bytes = 0;
  uint64_t old_file_size_bytes = 0;
  uint64_t new_file_size_bytes = 0;  ///< of a dry run: as far as it is known, at least
  /// The BAT did not fit any more and was moved to a longer region.
  bool bat_moved = false;
  /// What the file needs in addition on the host.
  uint64_t host_space_needed_bytes = 0;
  /// Present blocks past the new end, whose space is given back.
  uint64_t cut_blocks = 0;
  /// What of the parents is past the end of a smaller child: bytes of the disk, none if empty.
  uint64_t hidden_parent_bytes = 0;
  /// The backup of a GUID partition table was moved to the new end, or will be.
  bool backup_gpt_moved = false;
  std::string backup_gpt_stays_because = {};  ///< why it is not moved, if it should be
  /// What makes use of a larger disk: commands for the guest, one a line.
  std::vector<std::string> next_commands = {};
  /// Files in which Hyper-V keeps track of the image's changes (.rct, .mrt), which are now stale:
  /// the next incremental backup has to be a full one.
  std::vector<std::string> change_tracking_files = {};
};

/// Resizes the disk of the image at `path`, which nobody else may use meanwhile. Errors:
/// kInvalidArgument (the size; data or something that was recognized would be cut, which
/// allow_unsafe permits; to_minimum where the minimum is not known); kBusy (the file is in use, or
/// the image has children); kNoSpace; kUnsupported; those of Disk::Open for writing.
VHDXKIT_EXPORT
Result<ResizeReport> Resize(FileSystem& files, const std::string& path,
                            const ResizeOptions& options, const OperationControl& control = {});

}  // namespace vhdx

#endif  // VHDXKIT_RESIZE_H_
