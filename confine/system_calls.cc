#include "confine/system_calls.h"

#include <linux/sched.h>
#include <seccomp.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <initializer_list>
#include <memory>
#include <span>
#include <system_error>
#include <vector>

#include "confine/sanitizers.h"

namespace vhdx::confine {
namespace {

// What is harmless with any arguments: nothing that reaches out of the process.
constexpr std::array kHarmless = {
    SCMP_SYS(brk),           SCMP_SYS(munmap),         SCMP_SYS(mremap),
    SCMP_SYS(madvise),       SCMP_SYS(futex),          SCMP_SYS(sched_yield),
    SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),   SCMP_SYS(clock_nanosleep),
    SCMP_SYS(getrandom),     SCMP_SYS(getpid),         SCMP_SYS(gettid),
    SCMP_SYS(getuid),        SCMP_SYS(geteuid),        SCMP_SYS(getgid),
    SCMP_SYS(getegid),       SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigreturn),  SCMP_SYS(sigaltstack),    SCMP_SYS(close),
    SCMP_SYS(exit),          SCMP_SYS(exit_group),     SCMP_SYS(restart_syscall),
};
constexpr std::array kReading = {SCMP_SYS(read),   SCMP_SYS(pread64), SCMP_SYS(readv),
                                 SCMP_SYS(preadv), SCMP_SYS(preadv2), SCMP_SYS(recvfrom)};
constexpr std::array kWriting = {SCMP_SYS(write), SCMP_SYS(writev)};

class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_ERRNO(EPERM))) {
    if (context_ == nullptr) failure_ = ENOMEM;
  }

  void Allow(int call, std::initializer_list<scmp_arg_cmp> conditions = {}) {
    if (failure_ != 0) return;
    failure_ =
        -seccomp_rule_add_array(context_.get(), SCMP_ACT_ALLOW, call,
                                static_cast<unsigned>(conditions.size()), conditions.begin());
  }
  void AllowOn(std::span<const int> calls, std::span<const int> descriptors) {
    for (const int call : calls) {
      for (const int descriptor : descriptors) Allow(call, {FirstIs(descriptor)});
    }
  }
  /// The errno of the first step that failed, or 0.
  int Load() {
    if (failure_ == 0) failure_ = -seccomp_load(context_.get());
    return failure_;
  }

  static scmp_arg_cmp FirstIs(int descriptor) {
    return {0, SCMP_CMP_MASKED_EQ, 0xFFFFFFFF, static_cast<unsigned>(descriptor)};
  }

 private:
  struct Release {
    void operator()(void* context) const { seccomp_release(context); }
  };

  std::unique_ptr<void, Release> context_;
  int failure_ = 0;
};

void AllowMemory(Filter& filter) {
  // New pages, never with code in them.
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
    filter.Allow(call, {{2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}});
  }
}

// A socket that is connected needs no address, and one that is not gets none.
void AllowSending(Filter& filter, std::span<const int> descriptors) {
  for (const int descriptor : descriptors) {
    filter.Allow(SCMP_SYS(sendto), {Filter::FirstIs(descriptor), {4, SCMP_CMP_EQ, 0, 0}});
  }
}

}  // namespace

Result<std::optional<std::string>> AllowSystemCalls(const Needs& needs) {
  Filter filter;
  for (const int call : kHarmless) filter.Allow(call);
  AllowMemory(filter);
  if (kIsSanitized) {
    for (const int call : {SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(write)}) {
      filter.Allow(call);
    }
  }
  filter.AllowOn(kReading, needs.descriptors_to_read);
  filter.AllowOn(kWriting, needs.descriptors_to_write);
  AllowSending(filter, needs.descriptors_to_write);
  const int failure = filter.Load();
  if (failure == 0) return std::nullopt;
  if (failure == EINVAL || failure == ENOSYS || failure == ECANCELED) {
    return "this kernel has no seccomp filters";
  }
  return std::unexpected(
      Error{.code = failure == ENOMEM ? ErrorCode::kNoMemory : ErrorCode::kIo,
            .sys_errno = failure,
            .sentence = "cannot filter system calls: " + std::generic_category().message(failure)});
}

}  // namespace vhdx::confine
