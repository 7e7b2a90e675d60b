#include "control/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "io/host_error.h"
#include "io/paths.h"

namespace vhdx::control {
namespace {

constexpr int kBacklog = 16;
constexpr mode_t kOfOwner = S_IRUSR | S_IWUSR;
constexpr mode_t kOfOthers = S_IRWXG | S_IRWXO;

Result<sockaddr_un> SocketAddress(const std::string& path) {
  sockaddr_un address = {};
  if (path.size() >= sizeof(address.sun_path)) {
    return Fail(ErrorCode::kInvalidArgument,
                Format("too long for the path of a socket, which has at most {} bytes",
                       sizeof(address.sun_path) - 1),
                path);
  }
  address.sun_family = AF_UNIX;
  std::ranges::copy(path, address.sun_path);
  return address;
}

Result<FileDescriptor> NewSocket(const std::string& path) {
  FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return HostFailure(errno, "create a socket", path);
  return fd;
}

const sockaddr* Pointer(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace

Result<void> CheckSocketPath(const std::string& path) {
  VHDX_TRY(SocketAddress(path));
  return {};
}

Result<void> MakeSocketPathFree(const std::string& path) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) return {};
  const auto connected = ConnectTo(path);
  if (connected) return Fail(ErrorCode::kBusy, "another server listens on this socket", path);
  switch (connected.error().code) {
    case ErrorCode::kExists:
      return Fail(ErrorCode::kExists,
                  "the file exists and is not a socket; remove it, or use another name", path);
    case ErrorCode::kInvalidArgument:
      return std::unexpected(connected.error());
    case ErrorCode::kBusy:
      if (::unlink(path.c_str()) == 0) return {};
      [[fallthrough]];
    default:
      return Fail(ErrorCode::kExists, "the socket exists; remove it, or use another name", path);
  }
}

Result<void> CheckPrivateFolder(const std::string& path) {
  const std::string folder = FolderOf(path);
  struct stat status = {};
  if (::stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    return Fail(ErrorCode::kNotFound, "the directory of the socket does not exist", path);
  }
  const bool is_ours = status.st_uid == ::geteuid();
  if (is_ours && (status.st_mode & kOfOthers) == 0) return {};
  return Fail(ErrorCode::kPermission,
              Format("the directory of a control socket must be closed to other users, but \"{}\" "
                     "{}; make one with `mkdir -m 700 DIR`",
                     folder, is_ours ? "is open to them" : "belongs to another user"),
              path);
}

Result<FileDescriptor> ListenAt(const std::string& path) {
  const auto address = VHDX_TRY(SocketAddress(path));
  auto fd = VHDX_TRY(NewSocket(path));
  // Its mode becomes that of the file, so that there is no moment at which others can connect.
  if (::fchmod(fd.get(), kOfOwner) != 0 ||
      ::bind(fd.get(), Pointer(address), sizeof(address)) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    return HostFailure(errno, "listen on the socket", path);
  }
  return fd;
}

std::optional<FileIdentity> SocketIdentity(const std::string& path) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  return FileIdentity{.device = status.st_dev, .inode = status.st_ino};
}

Result<FileDescriptor> ConnectTo(const std::string& path) {
  const auto address = VHDX_TRY(SocketAddress(path));
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0 && ::lstat(path.c_str(), &status) != 0) {
    return HostFailure(errno, "open the socket", path);
  }
  if (!S_ISSOCK(status.st_mode)) return Fail(ErrorCode::kExists, "this is not a socket", path);
  auto fd = VHDX_TRY(NewSocket(path));
  if (::connect(fd.get(), Pointer(address), sizeof(address)) == 0) return fd;
  if (errno == ECONNREFUSED) return Fail(ErrorCode::kBusy, "no server listens on it", path);
  return HostFailure(errno, "connect to the server", path);
}

}  // namespace vhdx::control
