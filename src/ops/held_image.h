// The image that an operation changes in place: opened and locked once, for all of its steps.

#ifndef VHDXKIT_OPS_HELD_IMAGE_H_
#define VHDXKIT_OPS_HELD_IMAGE_H_

#include <vhdxkit/chain_options.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "image/image_opener.h"
#include "image/write_limits.h"
#include "io/held_file.h"

namespace vhdx {

struct HeldImageOptions {
  DiskAccess access = DiskAccess::kReadWrite;  ///< kReadOnly: for a dry run
  LockPolicy lock = LockPolicy::kLock;         ///< of the image; its parents are locked likewise
  SearchOptions search = {};
  WriteLimits limits = {};
};

class HeldImage {
 public:
  /// Errors: those of FileSystem::Open and File::Lock.
  static Result<std::unique_ptr<HeldImage>> Open(FileSystem& files, const std::string& path,
                                                 const HeldImageOptions& options);

  const std::string& path() const { return path_; }
  File& file() { return files_.held(); }
  /// The disk, with its parents. Errors: those of Disk::Open.
  Result<std::unique_ptr<Disk>> OpenDisk(DiskAccess access);
  /// For changes of its structures. It outlives what this returns.
  ImageOpener Opener(SessionIdentity identity);
  /// Fails with kBusy if the image has children. Errors: those of RefuseIfParent.
  Result<void> RefuseChildren();
  /// Files beside the image in which Hyper-V keeps track of its changes (.rct, .mrt): they do not
  /// know of a change that another program makes.
  std::vector<std::string> ChangeTrackingFiles();
  const WriteLimits& limits() const { return options_.limits; }

 private:
  HeldImage(FileSystem& files, std::string path, std::unique_ptr<File> file,
            const HeldImageOptions& options);

  HeldFileSystem files_;
  const std::string path_;
  const HeldImageOptions options_;
};

/// The size of the largest disk among the parents; 0 without one.
uint64_t LargestParentSize(const Disk& disk);

}  // namespace vhdx

#endif  // VHDXKIT_OPS_HELD_IMAGE_H_
