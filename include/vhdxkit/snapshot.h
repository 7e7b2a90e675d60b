// A snapshot of a disk while it is in use.

#ifndef VHDXKIT_SNAPSHOT_H_
#define VHDXKIT_SNAPSHOT_H_

#include <vhdxkit/create.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>

#include <chrono>
#include <string>

namespace vhdx {

struct SnapshotOptions {
  /// Of the child; as in CreateOptions.
  uint64_t block_size_bytes = 0;
  uint64_t log_size_bytes = 0;
  std::string creator = "vhdxkit";
};

struct SnapshotReport {
  std::string parent = {};              ///< the image that was written until now
  std::string child = {};               ///< the image that is written from now on
  std::chrono::nanoseconds pause = {};  ///< how long requests waited
};

/// Puts a new, empty child at `child_path` on top of a disk that is open for writing. The disk goes
/// on with the child; the image that was its top is flushed, closed and never written again, and
/// other programs may read it from then on. It contains every write that had returned, perhaps some
/// that were under way, and no other. Requests wait meanwhile, for about eight syncs; none fails
/// but CloneTo, with kUnsupported. When this returns, the child and its name are durable, and so is
/// all that was written before. A crash before that leaves the image without a child, or with an
/// empty one.
///
/// The child gets the permissions of the image and, if the host allows it, its owner, who may write
/// it in any case.
///
/// The lock of the image is exchanged for a reader's. If it fails, there is no child, and the disk
/// goes on as before. Errors: kReadOnly; kExists; kBusy (two snapshots at once); kInvalidArgument
/// (options; the disk is closed; a path that a child cannot name; parent.depth: the chain has as
/// many images as ChainOptions allows by default); kNoSpace; kPoisoned; those of FileSystem.
VHDXKIT_EXPORT
Result<SnapshotReport> Snapshot(Disk& disk, const std::string& child_path,
                                const SnapshotOptions& options = {});

}  // namespace vhdx

#endif  // VHDXKIT_SNAPSHOT_H_
