#include <vhdxkit/inspect.h>

#include <utility>

#include "bytes/border.h"
#include "bytes/try.h"
#include "disk/frozen_disk.h"
#include "disk/open_image.h"
#include "disk/parent_search.h"

namespace vhdx {

namespace {

Result<Inspection> InspectImage(FileSystem& files, Image& image, const Findings& findings,
                                const ChainOptions& options) {
  Inspection inspection{.image = image.info(), .parent = std::nullopt};
  inspection.image.findings = findings.kept();
  if (!inspection.image.parent_locator) {
    VHDX_TRY(RefuseUnusedParents(image, 1, options));
    return inspection;
  }

  const ParentLocatorInfo& locator = *inspection.image.parent_locator;
  auto search = VHDX_TRY(ParentSearch::Start(files, image.file(), options.search));
  auto parent = VHDX_TRY(options.parents.empty() ? search.Find(locator)
                                                 : search.Open(options.parents.front(), locator));
  ParentState state{.attempts = search.attempts(), .duplicates = search.duplicates()};
  if (parent != nullptr) {
    state.identity = ParentState::Identity::kOk;
    state.resolved = parent->name();
  } else if (search.mismatch() != nullptr) {
    state.identity = ParentState::Identity::kMismatch;
    if (options.ignore_parent_id) state.resolved = search.mismatch()->name();
  }
  inspection.parent = std::move(state);
  return inspection;
}

// Requests wait while the image is read, and not while its parent is looked for.
Result<std::unique_ptr<Image>> OpenPaused(FileSystem& files, Disk& disk, ImageOptions options,
                                          Findings& findings) {
  const FrozenDisk paused = VHDX_TRY(FrozenDisk::Pause(disk));
  options.lock = LockPolicy::kIgnore;
  auto image = VHDX_TRY(OpenImage(files, disk.name(), options, findings));
  if (!disk.Uses(image->file().identity())) {
    return Fail(ErrorCode::kNotFound, "another file has the name of the image that is in use",
                disk.name());
  }
  return image;
}

}  // namespace

Result<Inspection> Inspect(FileSystem& files, const std::string& path,
                           const ChainOptions& options) try {
  Findings findings;
  const auto image = VHDX_TRY(OpenImage(files, path, options.images, findings));
  return InspectImage(files, *image, findings, options);
} catch (...) {
  return CaughtException();
}

Result<Inspection> Inspect(FileSystem& files, Disk& disk, const ChainOptions& options) try {
  Findings findings;
  const auto image = VHDX_TRY(OpenPaused(files, disk, options.images, findings));
  return InspectImage(files, *image, findings, options);
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx
