#include <vhdxkit/inspect.h>

#include <utility>

#include "bytes/border.h"
#include "bytes/try.h"
#include "disk/frozen_disk.h"
#include "disk/open_image.h"
#include "disk/parent_search.h"

namespace vhdx {

Result<Inspection> Inspect(FileSystem& files, const std::string& path,
                           const ChainOptions& options) try {
  Findings findings;
  auto image = VHDX_TRY(OpenImage(files, path, options.images, findings));
  Inspection inspection{.image = image->info(), .parent = std::nullopt};
  inspection.image.findings = findings.kept();
  if (!inspection.image.parent_locator) {
    VHDX_TRY(RefuseUnusedParents(*image, 1, options));
    return inspection;
  }

  const ParentLocatorInfo& locator = *inspection.image.parent_locator;
  auto search = VHDX_TRY(ParentSearch::Start(files, image->file(), options.search));
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
} catch (...) {
  return CaughtException();
}

Result<Inspection> Inspect(FileSystem& files, Disk& disk, const ChainOptions& options) try {
  const FrozenDisk paused = VHDX_TRY(FrozenDisk::Pause(disk));
  ChainOptions unlocked = options;
  unlocked.images.lock = LockPolicy::kIgnore;
  return Inspect(files, disk.name(), unlocked);
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx
