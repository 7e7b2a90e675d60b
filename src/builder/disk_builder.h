// DiskBuilder: a new disk in a file of its own, which is there completely or not at all.
//
// The file has a temporary name in the target's directory, and is locked, until Commit completes
// it, renames it, and makes it durable if that was asked for. A builder that is destroyed before,
// after an error or a cancellation, removes it. What the format needs besides the contents of the
// disk is the business of the derived class, one for each format: to begin the file and to finish
// it. Whoever fills a disk knows only this interface.
//
// Any number of threads may use the device; the builder itself is used by one.

#ifndef VHDXKIT_BUILDER_DISK_BUILDER_H_
#define VHDXKIT_BUILDER_DISK_BUILDER_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/operation.h>

#include <cstdint>
#include <memory>

#include "io/staged_file.h"

namespace vhdx {

/// How the new file is created, and how it gets its name.
struct BuildOptions {
  RenameMode rename = RenameMode::kRefuseExisting;
  Durability durability = Durability::kNone;
  StagedFileOptions file = {};
  /// The file that is going to be replaced, locked until then (LockTarget); may be null.
  std::unique_ptr<File> replaced = {};
};

class DiskBuilder {
 public:
  DiskBuilder(const DiskBuilder&) = delete;
  DiskBuilder& operator=(const DiskBuilder&) = delete;
  virtual ~DiskBuilder() = default;

  /// The disk, which reads as zeros at first. It is not used once Commit has been called. If the
  /// builder was begun without a size, the device takes any offset that the format has, and only
  /// what was written can be read.
  virtual BlockDevice& device() = 0;
  /// Sets the size of a disk that was begun without one, once, before Commit. Nothing was written
  /// past it. Devices that were returned before are invalid. Errors: those of File::Resize.
  virtual Result<void> SetSize(uint64_t size_bytes) = 0;
  /// Says that a range of a disk without a size, to which nothing was written, will stay zeros: a
  /// format that allocates the whole disk does so now. Default: nothing. Errors: those of
  /// BlockDevice::WriteZeroes.
  virtual Result<void> NoteZeros(DiskRange) { return {}; }
  /// How many of the bytes for which CloneFrom has succeeded were zeros, and were left out.
  virtual uint64_t zeros_not_cloned() const { return 0; }

  /// Completes the file, gives it its name, and returns its length in bytes. Errors: kExists, or
  /// any of the host's, after which there is no new file; with the exception of a name that could
  /// not be made durable (StagedFile::Commit). kCancelled.
  Result<uint64_t> Commit(const OperationControl& control = {});
  /// Whether the file has its final name, also if Commit failed.
  bool is_committed() const { return staged_->is_committed(); }
  /// The new file, with its lock. Its name() is the final one.
  File& file() { return staged_->file(); }
  /// The same after Commit, for whoever goes on with it. Nothing else may be called afterwards but
  /// is_committed.
  std::unique_ptr<File> TakeFile() { return staged_->TakeFile(); }

 protected:
  DiskBuilder(std::unique_ptr<StagedFile> staged, BuildOptions options);

  /// Writes what is missing, but for syncs. Errors: those of File; kCancelled.
  virtual Result<void> Finish(const OperationControl& control) = 0;

 private:
  const BuildOptions options_;
  const std::unique_ptr<StagedFile> staged_;
};

}  // namespace vhdx

#endif  // VHDXKIT_BUILDER_DISK_BUILDER_H_
