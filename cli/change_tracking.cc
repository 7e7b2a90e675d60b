#include "cli/change_tracking.h"

#include "bytes/formatting.h"

namespace vhdx::cli {

void WarnOfChangeTracking(const Invocation& invocation, const std::string& image,
                          const std::vector<std::string>& files, bool dry_run) {
  if (files.empty()) return;
  const bool one = files.size() == 1;
  invocation.messages.Warn(
      image,
      Format("Hyper-V tracks the changes of this disk in {}, which {} out of date{}; the next "
             "incremental backup must be a full one",
             Join(files, " and "),
             dry_run ? "would be"
             : one   ? "is"
                     : "are",
             dry_run ? " after this" : " now"));
}

}  // namespace vhdx::cli
