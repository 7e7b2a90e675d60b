#include "confine/confine.h"

#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "bytes/try.h"
#include "confine/landlock.h"
#include "confine/sanitizers.h"
#include "confine/system_calls.h"

namespace vhdx::confine {
namespace {

std::unexpected<Error> Failed(const char* action, int sys_errno) {
  return std::unexpected(Error{.code = sys_errno == EPERM ? ErrorCode::kPermission : ErrorCode::kIo,
                               .sys_errno = sys_errno,
                               .sentence = std::string("cannot ") + action + ": " +
                                           std::generic_category().message(sys_errno)});
}

Result<void> CloseAllBut(std::vector<int> kept) {
  std::ranges::sort(kept);
  unsigned next = 0;
  kept.push_back(-1);  // the last gap has no end
  for (const int descriptor : kept) {
    const auto end = static_cast<unsigned>(descriptor);
    if (end > next && ::syscall(SYS_close_range, next, end - (descriptor < 0 ? 0 : 1), 0) != 0) {
      return Failed("close other files", errno);
    }
    next = std::max(next, end + 1);
    if (descriptor < 0) break;
  }
  return {};
}

Result<void> Limit(__rlimit_resource resource, uint64_t value) {
  struct rlimit limit = {};
  if (::getrlimit(resource, &limit) != 0) return Failed("read a limit", errno);
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, value);
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(resource, &limit) == 0 ? Result<void>{} : Failed("set a limit", errno);
}

Result<void> SetLimits(const Needs& needs) {
  // A sanitizer reserves terabytes of addresses.
  if (!kIsSanitized) VHDX_TRY(Limit(RLIMIT_AS, needs.memory_bytes));
  VHDX_TRY(Limit(RLIMIT_CPU, needs.processor_seconds));
  VHDX_TRY(Limit(RLIMIT_CORE, 0));
  // What is open stays open.
  if (!kIsSanitized) VHDX_TRY(Limit(RLIMIT_NOFILE, 0));
  VHDX_TRY(Limit(RLIMIT_NPROC, 0));
  return Limit(RLIMIT_MSGQUEUE, 0);
}

}  // namespace

Result<Confinement> Confine(const Needs& needs) {
  std::vector<int> kept = needs.descriptors_to_read;
  kept.insert(kept.end(), needs.descriptors_to_write.begin(), needs.descriptors_to_write.end());
  VHDX_TRY(CloseAllBut(std::move(kept)));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Failed("give up privileges", errno);
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return Failed("forbid tracing", errno);
  Confinement done;
  const auto note = [&](std::optional<std::string> missing) {
    if (missing) done.missing.push_back(*std::move(missing));
  };
  note(VHDX_TRY(DenyFilesAndNetwork()));  // opens a descriptor of its own
  VHDX_TRY(SetLimits(needs));
  note(VHDX_TRY(AllowSystemCalls(needs)));
  return done;
}

}  // namespace vhdx::confine
