// What to run in the guest after its disk has grown, so that the new space is used.

#ifndef VHDXKIT_GUEST_GROWTH_COMMANDS_H_
#define VHDXKIT_GUEST_GROWTH_COMMANDS_H_

#include <string>
#include <vector>

#include "guest/disk_contents.h"

namespace vhdx::guest {

/// The commands, in their order, for what is on the whole disk, or for the last partition and what
/// is in it. /dev/sdX is the disk in a guest; words in capitals are placeholders. A line for
/// another system than Linux begins with its name and a colon. Empty if nothing is recognized, if
/// it cannot grow, or if there are contradictions.
std::vector<std::string> GrowthCommands(const DiskContents& contents);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_GROWTH_COMMANDS_H_
