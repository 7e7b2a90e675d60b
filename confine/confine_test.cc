// Each test starts a process, confines it, and lets it try what it must not be able to do.

#include "confine/confine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <vector>

#include "confine/landlock.h"

namespace vhdx::confine {
namespace {

constexpr int kCouldNotConfine = 99;

/// How the process ended: its status, or minus the signal.
int InProcess(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

Needs StandardNeeds() {
  return {.descriptors_to_read = {0},
          .descriptors_to_write = {1, 2},
          .memory_bytes = uint64_t{1} << 30,
          .processor_seconds = 60};
}

/// The same in a process that is confined. The work returns 0 if what it tried failed.
int Confined(const std::function<int()>& work, const Needs& needs = StandardNeeds()) {
  return InProcess([&] {
    if (!Confine(needs)) return kCouldNotConfine;
    return work();
  });
}

int Failed(long result) { return result < 0 ? 0 : 1; }

TEST(Confine, NothingIsMissingOnThisKernel) {
  EXPECT_EQ(InProcess([] {
              const auto confinement = Confine(StandardNeeds());
              if (!confinement) return kCouldNotConfine;
              return static_cast<int>(confinement->missing.size());
            }),
            0);
}

TEST(Confine, WhatIsNeededStillWorks) {
  std::array<int, 2> ends = {};
  ASSERT_EQ(::pipe(ends.data()), 0);
  Needs needs = StandardNeeds();
  needs.descriptors_to_read = {ends[0]};
  needs.descriptors_to_write = {ends[1]};
  const int outcome = Confined(
      [&] {
        char byte = 'a';
        if (::write(ends[1], &byte, 1) != 1 || ::read(ends[0], &byte, 1) != 1) return 1;
        std::vector<char> memory(50 << 20, 'x');
        return memory[1 << 20] == 'x' ? 0 : 2;
      },
      needs);
  EXPECT_EQ(outcome, 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(Confine, FileCannotBeOpened) {
  EXPECT_EQ(Confined([] { return Failed(::open("/etc/passwd", O_RDONLY | O_CLOEXEC)); }), 0);
  EXPECT_EQ(Confined([] { return Failed(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }), 0);
}

TEST(Confine, SocketCannotBeMadeOrConnected) {
  EXPECT_EQ(Confined([] { return Failed(::socket(AF_INET, SOCK_STREAM, 0)); }), 0);
  const int socket = ::socket(AF_INET, SOCK_DGRAM, 0);
  ASSERT_GE(socket, 0);
  Needs needs = StandardNeeds();
  needs.descriptors_to_write.push_back(socket);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(9);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto* target = reinterpret_cast<const sockaddr*>(&address);
  EXPECT_EQ(Confined([&] { return Failed(::connect(socket, target, sizeof(address))); }, needs), 0);
  EXPECT_EQ(
      Confined(
          [&] { return Failed(::sendto(socket, "x", 1, MSG_NOSIGNAL, target, sizeof(address))); },
          needs),
      0);
  ::close(socket);
}

TEST(Confine, ProcessCannotBeStarted) {
  EXPECT_EQ(Confined([] { return Failed(::fork()); }), 0);
  EXPECT_EQ(Confined([] {
              const std::array<const char*, 2> words = {"/bin/true", nullptr};
              return Failed(::execv(words[0], const_cast<char**>(words.data())));
            }),
            0);
}

TEST(Confine, OtherProcessCannotBeReached) {
  const pid_t parent = ::getpid();
  EXPECT_EQ(Confined([&] { return Failed(::kill(parent, 0)); }), 0);
  EXPECT_EQ(Confined([&] { return Failed(::syscall(SYS_pidfd_open, parent, 0)); }), 0);
}

TEST(Confine, MemoryCannotBeMadeExecutable) {
  EXPECT_EQ(Confined([] {
              void* page =
                  ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              return page == MAP_FAILED ? 0 : 1;
            }),
            0);
}

TEST(Confine, OtherDescriptorsAreClosed) {
  const int kept = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
  const int other = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
  const int last = ::fcntl(other, F_DUPFD_CLOEXEC, 200);
  ASSERT_GE(kept, 0);
  ASSERT_GE(last, 200);
  Needs needs = StandardNeeds();
  needs.descriptors_to_read = {kept};
  EXPECT_EQ(InProcess([&] {
              if (!Confine(needs)) return kCouldNotConfine;
              std::array<char, 4> bytes{};
              if (::read(kept, bytes.data(), 4) != 4) return 1;
              for (const int closed : {0, other, last}) {
                if (::close(closed) == 0 || errno != EBADF) return 2;
              }
              return 0;
            }),
            0);
  for (const int descriptor : {kept, other, last}) ::close(descriptor);
}

TEST(Confine, DescriptorToWriteCannotBeRead) {
  const int file = ::open("/dev/zero", O_RDWR | O_CLOEXEC);
  Needs needs = StandardNeeds();
  needs.descriptors_to_write = {file};
  char byte = 0;
  EXPECT_EQ(Confined([&] { return Failed(::read(file, &byte, 1)); }, needs), 0);
  ::close(file);
}

TEST(Confine, ProcessorTimeIsLimited) {
  Needs needs = StandardNeeds();
  needs.processor_seconds = 1;
  const int outcome = Confined(
      [] {
        volatile unsigned spins = 0;
        while (true) spins = spins + 1;
        return 0;
      },
      needs);
  EXPECT_LT(outcome, 0) << "it must end by a signal";
}

// Landlock alone, without the filter of system calls.
TEST(Confine, LandlockDeniesFilesByItself) {
  EXPECT_EQ(InProcess([] {
              const auto without = ::open("/etc/passwd", O_RDONLY | O_CLOEXEC);
              if (without < 0 || ::syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
                return kCouldNotConfine;
              }
              const auto denied = DenyFilesAndNetwork();
              if (!denied || denied->has_value()) return kCouldNotConfine;
              return Failed(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
            }),
            0);
}

}  // namespace
}  // namespace vhdx::confine
