#include "ops/held_image.h"

#include <vhdxkit/image_tree.h>

#include <algorithm>
#include <utility>

#include "bytes/border.h"
#include "bytes/try.h"

namespace vhdx {

HeldImage::HeldImage(FileSystem& files, std::string path, std::unique_ptr<File> file,
                     const HeldImageOptions& options)
    : files_(files, path, std::move(file)), path_(std::move(path)), options_(options) {}

Result<std::unique_ptr<HeldImage>> HeldImage::Open(FileSystem& files, const std::string& path,
                                                   const HeldImageOptions& options) {
  const bool writes = options.access == DiskAccess::kReadWrite;
  auto file = VHDX_TRY(
      files.Open(path, {.access = writes ? FileAccess::kReadWrite : FileAccess::kReadOnly}));
  if (options.lock == LockPolicy::kLock) {
    const auto locked = file->Lock(writes ? LockMode::kExclusive : LockMode::kShared);
    // A dry run goes on where the host has no locks, as reading does.
    const bool goes_on = !writes && !locked && locked.error().code == ErrorCode::kUnsupported;
    if (!locked && !goes_on) return std::unexpected(locked.error());
  }
  return std::unique_ptr<HeldImage>(new HeldImage(files, path, std::move(file), options));
}

Result<std::unique_ptr<Disk>> HeldImage::OpenDisk(DiskAccess access) {
  return Disk::Open(
      files_, path_,
      {.access = access, .chain = {.search = options_.search, .images = {.lock = options_.lock}}});
}

ImageOpener HeldImage::Opener(SessionIdentity identity) {
  return {files_, [this]() -> Result<std::unique_ptr<File>> { return files_.OpenHeld(); }, identity,
          options_.limits};
}

Result<void> HeldImage::RefuseChildren() { return RefuseIfParent(files_, path_, options_.search); }

std::vector<std::string> HeldImage::ChangeTrackingFiles() {
  std::vector<std::string> found;
  for (const char* const ending : {".rct", ".mrt"}) {
    std::string path = path_ + ending;
    if (ThrowIfNoMemory(files_.RealPath(path))) found.push_back(std::move(path));
  }
  return found;
}

uint64_t LargestParentSize(const Disk& disk) {
  uint64_t largest = 0;
  for (size_t depth = 1; depth < disk.chain_length(); ++depth) {
    largest = std::max(largest, disk.image_at_open(depth).parameters.virtual_disk_size_bytes);
  }
  return largest;
}

}  // namespace vhdx
