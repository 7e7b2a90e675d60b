// Landlock: the kernel denies this process the file system and the network.

#ifndef VHDXKIT_CONFINE_LANDLOCK_H_
#define VHDXKIT_CONFINE_LANDLOCK_H_

#include <vhdxkit/error.h>

#include <optional>
#include <string>

namespace vhdx::confine {

/// Denies everything that this kernel's Landlock knows. Returns what is missing, if anything is.
/// The process must have no_new_privs. Errors: kIo, kPermission.
Result<std::optional<std::string>> DenyFilesAndNetwork();

}  // namespace vhdx::confine

#endif  // VHDXKIT_CONFINE_LANDLOCK_H_
