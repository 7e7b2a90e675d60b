// seccomp: the kernel refuses this process every system call but a few.

#ifndef VHDXKIT_CONFINE_SYSTEM_CALLS_H_
#define VHDXKIT_CONFINE_SYSTEM_CALLS_H_

#include <vhdxkit/error.h>

#include <optional>
#include <string>

#include "confine/confine.h"

namespace vhdx::confine {

/// Refuses, with EPERM, every system call that is not about memory, time, waiting for threads of
/// this process, ending it, or the descriptors in `needs`. Returns what is missing, if anything is.
/// Errors: kIo, kNoMemory.
Result<std::optional<std::string>> AllowSystemCalls(const Needs& needs);

}  // namespace vhdx::confine

#endif  // VHDXKIT_CONFINE_SYSTEM_CALLS_H_
