#include <vhdxkit/inspect.h>

#include <utility>

#include "bytes/border.h"
#include "disk/open_image.h"
#include "disk/parent_search.h"

namespace vhdx {

Result<Inspection> Inspect(FileSystem& files, const std::string& path,
                           const OpenOptions& options) try {
  Findings findings;
  auto image = OpenImage(files, path, options, findings);
  if (!image) return std::unexpected(std::move(image.error()));
  Inspection inspection{.image = (*image)->info(), .parent = std::nullopt};
  inspection.image.findings = findings.kept();
  if (!inspection.image.parent_locator) {
    if (auto used = RefuseUnusedParents(**image, 1, options); !used) {
      return std::unexpected(std::move(used.error()));
    }
    return inspection;
  }

  const ParentLocatorInfo& locator = *inspection.image.parent_locator;
  auto search = ParentSearch::Start(files, (*image)->file(), options);
  if (!search) return std::unexpected(std::move(search.error()));
  auto parent = options.parents.empty() ? search->Find(locator)
                                        : search->Open(options.parents.front(), locator);
  if (!parent) return std::unexpected(std::move(parent.error()));
  ParentState state{.attempts = search->attempts(), .duplicates = search->duplicates()};
  if (*parent != nullptr) {
    state.identity = ParentState::Identity::kOk;
    state.resolved = (*parent)->name();
  } else if (search->stranger() != nullptr) {
    state.identity = ParentState::Identity::kMismatch;
    if (options.ignore_parent_id) state.resolved = search->stranger()->name();
  }
  inspection.parent = std::move(state);
  return inspection;
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx
