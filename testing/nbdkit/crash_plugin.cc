// nbdkit-crash-plugin: a .vhdx on a LossyFile. Soon after SIGUSR1 the power goes: the file becomes
// what a disk may hold after a power cut, and the server ends at once, by SIGKILL.
//
//   nbdkit -f ./nbdkit-crash-plugin.so file=DISK.vhdx seed=N ignore-syncs=0|1
//
// nbdkit must stay in the foreground (-f), where SIGUSR1 finds it.

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>
#include <semaphore.h>
#include <sys/types.h>
#include <unistd.h>
#include <vhdxkit/disk.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>

#include "testing/lossy_file.h"

namespace vhdx::testing {
namespace {

constexpr std::chrono::milliseconds kLongestSync(20);  // as on a disk that turns

constexpr size_t kMostAwaited = 60;  // changes
constexpr std::chrono::seconds kLongestWait(5);

/// What one process of nbdkit serves.
struct Served {
  std::string path = {};
  LossyOptions options = {.longest_sync = kLongestSync};
  HostFileSystem host = {};
  std::unique_ptr<LossyFileSystem> files = {};
  std::unique_ptr<Disk> disk = {};
};

/// nbdkit calls functions without a context of their own.
Served& served() {
  static auto* const the_one = new Served;  // Requests may still be running at exit.
  return *the_one;
}

int Failed(const Error& error) {
  nbdkit_error("%s", ToString(error).c_str());
  nbdkit_set_error(EIO);
  return -1;
}

int Done(const Result<void>& result) { return result ? 0 : Failed(result.error()); }

// -- The power --

sem_t power_goes;

void OnSignal(int) { ::sem_post(&power_goes); }

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
void AwaitUnsyncedChanges() {
  PowerSwitch& power = served().files->power();
  const size_t enough = 1 + std::mt19937_64(served().options.seed)() % kMostAwaited;
  const auto deadline = std::chrono::steady_clock::now() + kLongestWait;
  while (power.UnsyncedChanges() < enough && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

[[noreturn]] void AwaitPowerCut() {
  while (::sem_wait(&power_goes) != 0) {
  }
  AwaitUnsyncedChanges();
  const Result<std::vector<Loss>> losses = served().files->power().Cut();
  if (!losses) {
    std::fprintf(stderr, "power cut: %s\n", ToString(losses.error()).c_str());
    std::_Exit(1);
  }
  for (const Loss& loss : *losses) PrintLoss(loss);
  ::kill(::getpid(), SIGKILL);
  std::abort();  // Not reached.
}

// -- The plugin --

int Config(const char* key, const char* value) {
  const std::string_view name = key;
  if (name == "file") {
    char* const path = nbdkit_absolute_path(value);
    if (path == nullptr) return -1;
    served().path = path;
    std::free(path);
    return 0;
  }
  if (name == "seed") return nbdkit_parse_uint64_t(key, value, &served().options.seed);
  if (name == "ignore-syncs") {
    const int ignore = nbdkit_parse_bool(value);
    served().options.sync = ignore == 1 ? SyncMode::kDoesNothing : SyncMode::kWorks;
    return ignore < 0 ? -1 : 0;
  }
  nbdkit_error("no option named '%s'", key);
  return -1;
}

int AfterFork() {
  served().files = std::make_unique<LossyFileSystem>(served().host, served().options);
  Result<std::unique_ptr<Disk>> disk =
      Disk::Open(*served().files, served().path, {.access = DiskAccess::kReadWrite});
  if (!disk) return Failed(disk.error());
  served().disk = std::move(*disk);
  ::sem_init(&power_goes, 0, 0);
  std::signal(SIGUSR1, OnSignal);
  std::thread(AwaitPowerCut).detach();
  return 0;
}

void Cleanup() {
  if (served().disk) Done(served().disk->Close());
}

void* Open(int) { return NBDKIT_HANDLE_NOT_NEEDED; }

int64_t GetSize(void*) { return static_cast<int64_t>(served().disk->size_bytes()); }

int CanMultiConn(void*) { return 1; }

int Read(void*, void* buffer, uint32_t count, uint64_t offset, uint32_t) {
  return Done(served().disk->Read(offset, {static_cast<std::byte*>(buffer), count}));
}

int Write(void*, const void* buffer, uint32_t count, uint64_t offset, uint32_t) {
  return Done(served().disk->Write(offset, {static_cast<const std::byte*>(buffer), count}));
}

int Flush(void*, uint32_t) { return Done(served().disk->Flush()); }

int Trim(void*, uint32_t count, uint64_t offset, uint32_t) {
  return Done(served().disk->Trim({offset, count}));
}

int Zero(void*, uint32_t count, uint64_t offset, uint32_t flags) {
  const DiskRange range = {offset, count};
  return Done((flags & NBDKIT_FLAG_MAY_TRIM) != 0 ? served().disk->Trim(range)
                                                  : served().disk->WriteZeroes(range));
}

nbdkit_plugin MakePlugin() {
  nbdkit_plugin plugin = {};
  plugin.name = "crash";
  plugin.longname = "vhdxkit's disk whose power can be cut";
  plugin.config = Config;
  plugin.magic_config_key = "file";
  plugin.after_fork = AfterFork;
  plugin.cleanup = Cleanup;
  plugin.open = Open;
  plugin.get_size = GetSize;
  plugin.can_multi_conn = CanMultiConn;
  plugin.pread = Read;
  plugin.pwrite = Write;
  plugin.flush = Flush;
  plugin.trim = Trim;
  plugin.zero = Zero;
  return plugin;
}

nbdkit_plugin plugin = MakePlugin();

}  // namespace
}  // namespace vhdx::testing

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL
using vhdx::testing::plugin;
NBDKIT_REGISTER_PLUGIN(plugin)
