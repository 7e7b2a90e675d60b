// Unix sockets at a path: the one that NBD is served on, and the control socket.

#ifndef VHDXKIT_CONTROL_UNIX_SOCKET_H_
#define VHDXKIT_CONTROL_UNIX_SOCKET_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <optional>
#include <string>

#include "io/file_descriptor.h"

namespace vhdx::control {

/// Errors: kInvalidArgument (too long for a Unix socket).
Result<void> CheckSocketPath(const std::string& path);

/// Removes a socket that a server left which was killed. Errors: kExists (the path is something
/// else); kBusy (a server listens on it); kInvalidArgument.
Result<void> MakeSocketPathFree(const std::string& path);

/// Whether only this user can reach what is in the directory of the path. Errors: kNotFound (there
/// is no such directory); kPermission (other users may enter it, or it belongs to another user).
Result<void> CheckPrivateFolder(const std::string& path);

/// A new socket of that name, mode 0600, that listens. Errors: kInvalidArgument; those of the host.
Result<FileDescriptor> ListenAt(const std::string& path);

/// Which file is at the path; nothing if there is none.
std::optional<FileIdentity> SocketIdentity(const std::string& path);

/// A connection to the server that listens there. Errors: kNotFound (there is no such file);
/// kExists (it is not a socket); kBusy (no server listens on it); kPermission; kInvalidArgument;
/// kIo.
Result<FileDescriptor> ConnectTo(const std::string& path);

}  // namespace vhdx::control

#endif  // VHDXKIT_CONTROL_UNIX_SOCKET_H_
