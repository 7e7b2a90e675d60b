// Files in which Hyper-V keeps track of what changes on a disk, for incremental backups. They do
// not know of what other programs change.

#ifndef VHDXKIT_CLI_CHANGE_TRACKING_H_
#define VHDXKIT_CLI_CHANGE_TRACKING_H_

#include <string>
#include <vector>

#include "cli/invocation.h"

namespace vhdx::cli {

/// Warns that the files, which are beside the image, are out of date now, or would be after a dry
/// run.
void WarnOfChangeTracking(const Invocation& invocation, const std::string& image,
                          const std::vector<std::string>& files, bool dry_run);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_CHANGE_TRACKING_H_
