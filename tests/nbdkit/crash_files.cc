// nbdkit-crash-plugin: nbdkit-vhdx-plugin on files that a power cut can hurt. Soon after SIGUSR1
// the power goes: the image becomes what a disk may hold after a power cut, and the server ends at
// once, by SIGKILL. nbdkit must stay in the foreground (-f), where the signal finds it.
//
// Environment, for the plugin's own parameters are a user's:
//   VHDXKIT_CRASH_SEED=N      of what is lost
//   VHDXKIT_IGNORE_SYNCS=1    syncs do nothing

#include <semaphore.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <thread>

#include "nbdkit/files.h"
#include "testing/lossy_file.h"

namespace vhdx::nbd {
namespace {

using testing::Loss;
using testing::LossyFileSystem;
using testing::LossyOptions;
using testing::PowerSwitch;

constexpr std::chrono::milliseconds kLongestSync(8);  // as on a disk that turns
constexpr size_t kMostAwaited = 60;                   // changes
constexpr std::chrono::seconds kLongestWait(5);

std::string_view Environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

LossyOptions OptionsFromEnvironment() {
  const std::string_view seed = Environment("VHDXKIT_CRASH_SEED");
  const bool ignore = Environment("VHDXKIT_IGNORE_SYNCS") == "1";
  return {.seed = seed.empty() ? 1 : std::stoull(std::string(seed)),
          .sync = ignore ? testing::SyncMode::kDoesNothing : testing::SyncMode::kWorks,
          .longest_sync = kLongestSync,
          .after_cut = testing::AfterCut::kHangs};
}

void PrintLoss(const Loss& loss) {
  std::fprintf(stderr,
               "power cut: %zu changes not synced, %llu of their %llu sectors lost, length %llu ->"
               " %llu\n",
               loss.unsynced_changes, static_cast<unsigned long long>(loss.lost_sectors),
               static_cast<unsigned long long>(loss.unsynced_sectors),
               static_cast<unsigned long long>(loss.length_before),
               static_cast<unsigned long long>(loss.length_after));
}

/// A guest's kernel keeps what it writes until just before a flush, so that at most moments nothing
/// is there to be lost. The power goes at one where something is: how much is random.
void AwaitUnsyncedChanges(PowerSwitch& power, uint64_t seed) {
  const size_t enough = 1 + std::mt19937_64(seed)() % kMostAwaited;
  const auto deadline = std::chrono::steady_clock::now() + kLongestWait;
  while (power.UnsyncedChanges() < enough && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

sem_t power_goes;

[[noreturn]] void AwaitPowerCut(PowerSwitch& power, uint64_t seed) {
  while (::sem_wait(&power_goes) != 0) {
  }
  AwaitUnsyncedChanges(power, seed);
  const Result<std::vector<Loss>> losses = power.Cut();
  if (!losses) {
    std::fprintf(stderr, "power cut: %s\n", ToString(losses.error()).c_str());
    std::_Exit(1);
  }
  for (const Loss& loss : *losses) PrintLoss(loss);
  ::kill(::getpid(), SIGKILL);
  std::abort();  // Not reached.
}

LossyFileSystem& MakeFiles() {
  static HostFileSystem host;
  const LossyOptions options = OptionsFromEnvironment();
  static LossyFileSystem files(host, options);
  ::sem_init(&power_goes, 0, 0);
  std::signal(SIGUSR1, [](int) { ::sem_post(&power_goes); });
  std::thread(AwaitPowerCut, std::ref(files.power()), options.seed).detach();
  return files;
}

}  // namespace

FileSystem& Files() {
  static LossyFileSystem& files = MakeFiles();
  return files;
}

}  // namespace vhdx::nbd
