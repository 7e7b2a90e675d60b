// The file systems of a disk, trimmed by a Linux kernel of their own: guestfish of libguestfs
// starts a virtual machine that has the disk from our server. It replays journals, and knows what
// vhdx-free-space does not.

#ifndef VHDXKIT_CLI_APPLIANCE_H_
#define VHDXKIT_CLI_APPLIANCE_H_

#include <vhdxkit/chain_options.h>
#include <vhdxkit/error.h>

#include <string>
#include <string_view>
#include <vector>

#include "cli/invocation.h"

namespace vhdx::cli {

struct ApplianceOptions {
  LockPolicy lock = LockPolicy::kLock;
  bool orphan_children = false;
};

/// Mounts and trims each file system that the appliance finds on the disk of the image at `path`,
/// and says of each what became of it, one a line. Errors: kNotFound (guestfish or nbdkit is not
/// installed); kBusy; kCancelled; kIo (with what guestfish said).
Result<std::vector<std::string>> TrimInAppliance(const Invocation& invocation,
                                                 const std::string& path,
                                                 const ApplianceOptions& options);

/// What guestfish said on standard error, as such lines. For tests.
std::vector<std::string> LinesOfAppliance(std::string_view said);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_APPLIANCE_H_
