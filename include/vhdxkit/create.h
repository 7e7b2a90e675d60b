// Create: a new, empty VHDX disk, whole or not at all.
//
// The image is written under a temporary name in the folder of its own and renamed when it is
// complete; what fails or is cancelled leaves nothing under the target's name.

#ifndef VHDXKIT_CREATE_H_
#define VHDXKIT_CREATE_H_

#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
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
  /// Bytes, a multiple of the logical sector, 1 sector to 64 TiB. A differencing disk may leave it
  /// 0: as its parent.
  uint64_t size_bytes = 0;
  /// A power of two from 1 to 256 MiB; 0: 32 MiB for a dynamic disk, 2 MiB for the others.
  uint64_t block_size_bytes = 0;
  /// A multiple of 1 MiB, up to 1 GiB; 0: 8 MiB.
  uint64_t log_size_bytes = 0;
  /// 512 or 4096; 0: 512, or the parent's.
  uint32_t logical_sector_size = 0;
  /// 512 or 4096; 0: 4096, or the parent's.
  uint32_t physical_sector_size = 0;
  /// Everything is allocated on the host, so that the file has no hole.
  bool preallocate = false;
  /// The disk's own id; the parent's for a differencing disk, else random.
  std::optional<Guid> disk_id = {};
  /// Who made it, for people; at most 256 UTF-16 units.
  std::string creator = "vhdxkit";
  /// Differencing: the parent's path. It is opened, checked and locked like any image.
  std::string parent_path = {};
  /// Where the parents of the parent may lie, and whether to lock; where children may lie of a file
  /// that is to be replaced.
  OpenOptions open = {};
  /// Where the random bytes of GUIDs come from; empty: from the host. For images that are to come
  /// out the same every time.
  std::function<Result<void>(MutableByteSpan)> random = {};
  /// Replaces a file that is there already, once the new one is whole.
  bool replace_existing = false;
  /// Replaces it even if it is the parent of other images, which then cannot be read any more.
  bool orphan_children = false;
  /// Makes the file and its name durable before it returns.
  bool sync = false;
};

struct CreateReport {
  uint64_t size_bytes = 0;
  uint64_t block_size_bytes = 0;
  uint64_t file_size_bytes = 0;
};

/// Errors: kInvalidArgument (options that no disk can have); kExists; kBusy (the file to be
/// replaced is in use, or is a parent); kNoSpace; kCancelled; for a differencing disk those of
/// Disk::Open on its parent, and kCorrupt for a parent that Check would call so.
Result<CreateReport> Create(FileSystem& files, const std::string& path,
                            const CreateOptions& options, const OperationControl& control = {});

}  // namespace vhdx

#endif  // VHDXKIT_CREATE_H_
