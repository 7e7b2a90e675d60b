// Create a new, empty VHDX disk.
//
// The image is written under a temporary name in the target's directory and renamed when complete.
// After an error or a cancellation the target is as it was: not there, or the file that was to be
// replaced. There is one exception: if all that failed is making the name durable
// (CreateOptions::sync), the complete new image is there, and the error says so.

#ifndef VHDXKIT_CREATE_H_
#define VHDXKIT_CREATE_H_

#include <vhdxkit/chain_options.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/file.h>
#include <vhdxkit/guid.h>
#include <vhdxkit/image_info.h>
#include <vhdxkit/operation.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace vhdx {

struct CreateOptions {
  Subformat subformat = Subformat::kDynamic;
  /// Virtual size in bytes: a multiple of the logical sector size, from one sector to 64 TiB. For a
  /// differencing disk 0 means the size of the parent.
  uint64_t size_bytes = 0;
  /// A power of two from 1 MiB to 256 MiB; 0: 32 MiB for a dynamic disk, 2 MiB for others
  /// ([MS-VHDX] 2.6.2.1, File Parameters). A dynamic copy of a VHDX has the smallest block size of
  /// the chain that it is a copy of.
  uint64_t block_size_bytes = 0;
  /// A multiple of 1 MiB, up to 1 GiB; 0: 8 MiB.
  uint64_t log_size_bytes = 0;
  /// 512 or 4096; 0: 512, or the parent's.
  uint32_t logical_sector_size = 0;
  /// 512 or 4096; 0: 4096, or the parent's.
  uint32_t physical_sector_size = 0;
  /// Allocate the whole file on the host, without holes. Hyper-V rejects sparse files.
  bool preallocate = false;
  /// The Virtual Disk ID ([MS-VHDX] 2.6.2.3); default: that of the parent for a differencing disk,
  /// else random.
  std::optional<Guid> disk_id = {};
  /// Creator string stored in the file, in UTF-8; at most 256 UTF-16 code units ([MS-VHDX] 2.2.1).
  std::string creator = "vhdxkit";
  /// For a differencing disk: the path of the parent, which is opened, checked and locked.
  std::string parent_path = {};
  /// Where to search for the parents of the parent, and for the children of a file that is
  /// replaced.
  SearchOptions search = {};
  /// Whether the parent and its parents are locked meanwhile. The file that is replaced always is,
  /// where the host has locks.
  LockPolicy lock = LockPolicy::kLock;
  /// Source of the random bytes for GUIDs; empty: the host's. For reproducible images.
  std::function<Result<void>(MutableByteSpan)> random = {};
  /// Replace an existing file when the new one is complete.
  bool replace_existing = false;
  /// Replace it even if it is the parent of other images, which become unreadable.
  bool orphan_children = false;
  /// A child is for the same people as its parent, as the child that Snapshot makes: it gets the
  /// parent's permissions and, if the host allows it, its owner, who may write it in any case.
  bool access_of_parent = false;
  /// Make the file and its name durable before returning. If its directory cannot be synced, that
  /// is an error, and the complete file stays: a power cut may then undo its name.
  bool sync = false;
};

struct CreateReport {
  uint64_t size_bytes = 0;
  uint64_t block_size_bytes = 0;
  uint64_t file_size_bytes = 0;
};

/// Creates the image at `path`. Errors: kInvalidArgument (invalid options; parent.depth: the chain
/// of the parent has as many images as ChainOptions allows by default); kExists; kBusy (the file to
/// replace is in use, or is the parent of other images); kNoSpace; kCancelled; for a
/// differencing disk those of Disk::Open for the parent, and kCorrupt if Check finds an error in
/// the parent.
VHDXKIT_EXPORT
Result<CreateReport> Create(FileSystem& files, const std::string& path,
                            const CreateOptions& options, const OperationControl& control = {});

}  // namespace vhdx

#endif  // VHDXKIT_CREATE_H_
