// command_bench COMMAND [ARGUMENT...]: runs a command and prints what it took:
// {"seconds": S, "cpu-seconds": S, "peak-rss-bytes": N}.
//
// A program of its own because the kernel counts into a process's peak what its parent had when it
// was forked, and an interpreter has more than what is measured here. The command's output is
// thrown away; its exit status becomes that of command_bench.

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#include "bytes/formatting.h"

namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// The child's process id, or -1.
pid_t Start(char** command) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = -1;
  const int failed = posix_spawnp(&child, command[0], &actions, nullptr, command, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed == 0) return child;
  std::fprintf(stderr, "%s: %s\n", command[0], std::strerror(failed));
  return -1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s COMMAND [ARGUMENT...]\n", argv[0]);
    return 64;
  }
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = Start(argv + 1);
  int status = 0;
  rusage usage{};
  if (child < 0 || wait4(child, &status, 0, &usage) != child) return 127;
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const std::string report = vhdx::Format(
      R"({{"seconds": {:.6f}, "cpu-seconds": {:.6f}, "peak-rss-bytes": {}}})", elapsed.count(),
      Seconds(usage.ru_utime) + Seconds(usage.ru_stime), usage.ru_maxrss * 1024);
  std::printf("%s\n", report.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}
