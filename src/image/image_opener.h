// An image that nobody else uses, opened anew for each step of an operation that changes its
// structures.
//
// A step is a session: it begins with a file whose log is empty or is replayed, and ends with one
// whose log is empty. So each step finds the image as the one before left it, and whatever a power
// cut left.

#ifndef VHDXKIT_IMAGE_IMAGE_OPENER_H_
#define VHDXKIT_IMAGE_IMAGE_OPENER_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "image/image.h"
#include "image/write_limits.h"

namespace vhdx {

class ImageOpener {
 public:
  /// Gives the file of the image, open for writing; whoever made the opener keeps it locked.
  using OpenFile = std::function<Result<std::unique_ptr<File>>()>;

  /// `files` gives the GUIDs of sessions, and outlives the opener and its images.
  ImageOpener(FileSystem& files, OpenFile open_file, SessionIdentity identity,
              const WriteLimits& limits)
      : files_(files), open_file_(std::move(open_file)), identity_(identity), limits_(limits) {}

  /// Ready for writing, with a session that has begun. Errors: those of Image::Open,
  /// Image::EnableWriting and Journal::Start.
  Result<std::unique_ptr<Image>> Open() { return Begin(std::nullopt); }
  /// The same as if the disk had that size: what is past the end of the disk, to every reader, can
  /// be written like the rest. Its BAT has an entry for each block of it.
  Result<std::unique_ptr<Image>> OpenAsIf(uint64_t disk_size) { return Begin(disk_size); }
  /// The structures only; nothing is written.
  Result<std::unique_ptr<Image>> Look() { return Read(std::nullopt); }

 private:
  Result<std::unique_ptr<Image>> Read(std::optional<uint64_t> disk_size);
  Result<std::unique_ptr<Image>> Begin(std::optional<uint64_t> disk_size);

  FileSystem& files_;
  const OpenFile open_file_;
  const SessionIdentity identity_;
  const WriteLimits limits_;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_IMAGE_OPENER_H_
