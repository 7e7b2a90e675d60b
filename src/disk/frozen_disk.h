// A disk whose gate is held: to look at its files, or, with its top image at rest, to put another
// one on top.

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
  /// Waits for the requests under way, and lets nobody in. Errors: kInvalidArgument (closed).
  static Result<FrozenDisk> Pause(Disk& disk);
  /// The same, and ends the session of the top image, so that all that was written is durable.
  /// The log is empty. The disk is open for writing.
  /// Errors: those of Pause and Image::Rest: the disk then goes on as before.
  static Result<FrozenDisk> Freeze(Disk& disk);
  /// The disk goes on.
  ~FrozenDisk();
  FrozenDisk(FrozenDisk&& other) noexcept;
  FrozenDisk& operator=(FrozenDisk&&) = delete;

  const Image& top() const;
  /// Of the top image that was frozen, durably.
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
