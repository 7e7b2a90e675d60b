// A disk between two stacks of images: its gate is held, and its top image is at rest.

#ifndef VHDXKIT_DISK_FROZEN_DISK_H_
#define VHDXKIT_DISK_FROZEN_DISK_H_

#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/guid.h>

#include <memory>

#include "image/image.h"

namespace vhdx {

/// What a disk that is open for writing consists of, for whoever is going to freeze it. The image
/// may only be asked for what never changes.
struct WrittenDisk {
  FileSystem& files;
  Image& image;
  bool direct = false;
};

class FrozenDisk {
 public:
  /// Errors: kReadOnly.
  static Result<WrittenDisk> Look(Disk& disk);
  /// Waits for the requests under way, lets nobody in, and ends the session of the top image, so
  /// that all that was written is durable in a file whose log is empty. The disk is open for
  /// writing. Errors: kInvalidArgument (closed); those of Image::Rest: the disk then goes on as
  /// before.
  static Result<FrozenDisk> Freeze(Disk& disk);
  /// The disk goes on.
  ~FrozenDisk();
  FrozenDisk(FrozenDisk&& other) noexcept;
  FrozenDisk& operator=(FrozenDisk&&) = delete;

  const Image& top() const;
  /// Of the top image, durably.
  const Guid& data_write_guid() const;
  /// Puts a child of the top image on top of it, to be written from now on. What was the top image
  /// may be read by others. Errors: those of Image::EnableWriting; nothing has changed then.
  Result<void> PutOnTop(std::unique_ptr<Image> child);

 private:
  explicit FrozenDisk(Disk::State& state) : state_(&state) {}
  Disk::State* state_;
};

}  // namespace vhdx

#endif  // VHDXKIT_DISK_FROZEN_DISK_H_
