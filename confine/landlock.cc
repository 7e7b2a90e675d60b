#include "confine/landlock.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>

namespace vhdx::confine {
namespace {

// The kernel's headers may be older than the kernel, so its interface is written down here.
constexpr long kCreateRuleset = 444;
constexpr long kRestrictSelf = 446;
constexpr uint32_t kAskForVersion = 1;

struct RulesetAttributes {
  uint64_t files;    ///< what is denied unless a rule allows it
  uint64_t network;  ///< since version 4
  uint64_t scopes;   ///< since version 6: what reaches out of the process's own domain
};

/// Which version of the interface has how many rights.
uint64_t FileRights(long version) {
  constexpr uint64_t kFirst = 13;  // execute, read, write, remove and make of each kind
  const uint64_t count = kFirst + (version >= 2 ? 1 : 0)  // linking into another directory
                         + (version >= 3 ? 1 : 0)         // truncating
                         + (version >= 5 ? 1 : 0);        // ioctl of devices
  return (uint64_t{1} << count) - 1;
}

Error LandlockError(const char* action) {
  return Error{.code = ErrorCode::kIo,
               .sys_errno = errno,
               .sentence = std::string("cannot ") + action +
                           " a Landlock ruleset: " + std::generic_category().message(errno)};
}

}  // namespace

Result<std::optional<std::string>> DenyFilesAndNetwork() {
  const long version = ::syscall(kCreateRuleset, nullptr, size_t{0}, kAskForVersion);
  if (version < 0 && (errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM)) {
    return "this kernel has no Landlock, or it is disabled";
  }
  if (version < 0) return std::unexpected(LandlockError("ask for"));
  constexpr uint64_t kBindAndConnect = 3;
  constexpr uint64_t kAbstractSocketsAndSignals = 3;
  const RulesetAttributes attributes{
      .files = FileRights(version),
      .network = version >= 4 ? kBindAndConnect : 0,
      .scopes = version >= 6 ? kAbstractSocketsAndSignals : 0,
  };
  // Old kernels take what they do not know if it is zero.
  const long ruleset = ::syscall(kCreateRuleset, &attributes, sizeof(attributes), 0);
  if (ruleset < 0) return std::unexpected(LandlockError("make"));
  const long restricted = ::syscall(kRestrictSelf, ruleset, 0);
  const Error error = restricted < 0 ? LandlockError("enforce") : Error{};
  ::close(static_cast<int>(ruleset));
  if (restricted < 0) return std::unexpected(error);
  if (version < 4) return "the Landlock of this kernel cannot deny the network";
  return std::nullopt;
}

}  // namespace vhdx::confine
