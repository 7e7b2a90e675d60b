// nbdkit-vhdx-plugin: serves a VHDX disk over NBD. It translates, and nothing else.

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>
#include <unistd.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/version.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

#include "control/control_requests.h"
#include "control/control_server.h"
#include "nbdkit/files.h"
#include "nbdkit/served_disk.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

namespace {

using vhdx::Disk;
using vhdx::Result;
using vhdx::control::ControlServer;

// A client asks again for what did not fit.
constexpr size_t kExtentsAtATime = 1024;
constexpr uint32_t kLargestRequest = 64U << 20;  // nbdkit's own limit
constexpr uint32_t kPreferredRequest = 4096;

// nbdkit's callbacks carry no context before the first connection, so this has no other place.
// Made by Load, the first call, and gone after Unload, the last. The process that nbdkit leaves
// when it goes into the background ends without Unload, and must not close the disk: its locks are
// those of the server.
std::unique_ptr<vhdx::nbd::ServedDisk>& ServedPointer() {
  static auto& never_destroyed = *new std::unique_ptr<vhdx::nbd::ServedDisk>;
  return never_destroyed;
}
vhdx::nbd::ServedDisk& Served() { return *ServedPointer(); }

std::string control_path;  // empty: no control socket
std::unique_ptr<ControlServer> control_server;

// -- Errors --

// The few that NBD can carry; everything else reaches a client as EIO.
int ErrnoOf(const vhdx::Error& error) {
  switch (error.code) {
    case vhdx::ErrorCode::kInvalidArgument:
      return EINVAL;
    case vhdx::ErrorCode::kPermission:
    case vhdx::ErrorCode::kReadOnly:
      return EPERM;
    case vhdx::ErrorCode::kUnsupported:
      return ENOTSUP;
    case vhdx::ErrorCode::kNoSpace:
      return ENOSPC;
    case vhdx::ErrorCode::kNoMemory:
      return ENOMEM;
    case vhdx::ErrorCode::kPoisoned:
      return error.sys_errno == ENOSPC ? ENOSPC : EIO;  // a sync that found no space
    default:
      return EIO;
  }
}

// Each thing that is wrong is logged once: a client that works its way through a bad block asks
// thousands of times. When there were many, one of each kind is still logged.
class ErrorLog {
 public:
  void Add(const vhdx::Error& error, const std::string& sentence) {
    if (IsNew(error, sentence)) nbdkit_error("%s", sentence.c_str());
  }

  void Finish() {
    const std::lock_guard lock(mutex_);
    if (not_logged_ == 0) return;
    nbdkit_error("not logged: %" PRIu64 " more of these", not_logged_);
    not_logged_ = 0;
  }

 private:
  static constexpr size_t kMostSentences = 100;

  bool IsNew(const vhdx::Error& error, const std::string& sentence) {
    const std::string kind = std::string(vhdx::ErrorCodeName(error.code)) + error.rule;
    const std::lock_guard lock(mutex_);
    const bool of_new_kind = kinds_.insert(kind).second;
    const bool has_room = of_new_kind || logged_.size() < kMostSentences;
    if (has_room && logged_.insert(sentence).second) return true;
    ++not_logged_;
    return false;
  }

  std::mutex mutex_;                        // guards what follows
  std::unordered_set<std::string> kinds_;   // codes with rules: there are few
  std::unordered_set<std::string> logged_;  // sentences
  uint64_t not_logged_ = 0;
};

ErrorLog error_log;

void Report(const vhdx::Error& error) {
  std::string sentence = vhdx::ToString(error);
  if (error.code == vhdx::ErrorCode::kBusy && !error.found.empty() && error.expected.empty()) {
    sentence += "; serve the child, or use -r; orphan-children=true writes anyway";
  }
  error_log.Add(error, sentence);
  nbdkit_set_error(ErrnoOf(error));
}

// What a callback answers; no exception may reach nbdkit, which is C.
template <typename Work>
int Answer(Work&& work) noexcept {
  try {
    const Result<void> done = work();
    if (done) return 0;
    Report(done.error());
  } catch (const std::exception& failure) {
    nbdkit_error("%s", failure.what());
    nbdkit_set_error(ENOMEM);
  }
  return -1;
}

Result<void> Mistake(std::string sentence) {
  return vhdx::Fail(vhdx::ErrorCode::kInvalidArgument, std::move(sentence));
}

// -- Configuration --

// nbdkit changes its folder when it goes into the background.
Result<std::string> AbsolutePath(const char* path) {
  char* const absolute = nbdkit_absolute_path(path);
  if (absolute == nullptr) {
    return vhdx::Fail(vhdx::ErrorCode::kInvalidArgument, "this is not a path", path);
  }
  std::string result = absolute;
  std::free(absolute);
  return result;
}

Result<void> SetFlag(bool& flag, std::string_view key, std::string_view value) {
  const bool yes = value == "true" || value == "yes" || value == "on" || value == "1";
  const bool no = value == "false" || value == "no" || value == "off" || value == "0";
  if (!yes && !no) {
    return Mistake(std::string(key) + "= takes true or false, and not \"" + std::string(value) +
                   "\"");
  }
  flag = yes;
  return {};
}

Result<void> SetAccess(std::string_view value) {
  if (value != "read" && value != "write") {
    return Mistake("access= takes read or write, and not \"" + std::string(value) + "\"");
  }
  Served().access = value == "read" ? vhdx::DiskAccess::kReadOnly : vhdx::DiskAccess::kReadWrite;
  return {};
}

Result<void> SetPageCache(std::string_view value) {
  if (value != "serving" && value != "host") {
    return Mistake("page-cache= takes serving or host, and not \"" + std::string(value) + "\"");
  }
  Served().open.page_cache =
      value == "serving" ? vhdx::PageCache::kForServing : vhdx::PageCache::kAsHost;
  return {};
}

Result<void> Configure(std::string_view key, const char* value) {
  vhdx::nbd::ServedDisk& served = Served();
  if (key == "orphan-children") return SetFlag(served.orphan_children, key, value);
  if (key == "allow-any-parent") return SetFlag(served.open.chain.search.anywhere, key, value);
  if (key == "no-lock") {
    bool ignore = false;
    auto set = SetFlag(ignore, key, value);
    served.open.chain.images.lock = ignore ? vhdx::LockPolicy::kIgnore : vhdx::LockPolicy::kLock;
    return set;
  }
  if (key == "ignore-parent-id") return SetFlag(served.open.chain.ignore_parent_id, key, value);
  if (key == "ignore-log") return SetFlag(served.open.chain.images.ignore_log, key, value);
  if (key == "access") return SetAccess(value);
  if (key == "page-cache") return SetPageCache(value);
  if (key != "file" && key != "parent-dir" && key != "parent" && key != "control") {
    return Mistake("unknown parameter \"" + std::string(key) +
                   "\"; `nbdkit vhdx --help` lists the parameters");
  }
  auto path = AbsolutePath(value);
  if (!path) return std::unexpected(std::move(path.error()));
  if (key == "parent-dir" || key == "parent") {
    vhdx::ChainOptions& chain = served.open.chain;
    (key == "parent" ? chain.parents : chain.search.folders).push_back(*std::move(path));
    return {};
  }
  if (key == "control") {
    control_path = *std::move(path);
    return {};
  }
  if (!served.path.empty()) return Mistake("file= was given twice; one process serves one disk");
  served.path = *std::move(path);
  return {};
}

int Config(const char* key, const char* value) {
  return Answer([&] { return Configure(key, value); });
}

int ConfigComplete() {
  return Answer([]() -> Result<void> {
    if (Served().path.empty()) return Mistake("file= is missing: say which image is to be served");
    if (!control_path.empty() && !Served().access) {
      return Mistake("control= needs access=read or access=write: the disk is open from the start");
    }
    return {};
  });
}

void Load() {
  // Where the host limits the length of files a write is to fail, and not to end the process.
  std::signal(SIGXFSZ, SIG_IGN);
  ServedPointer() = std::make_unique<vhdx::nbd::ServedDisk>(vhdx::nbd::Files());
  Served().open.page_cache = vhdx::PageCache::kForServing;
}

int GetReady() {
  return Answer([]() -> Result<void> {
    if (!control_path.empty()) {
      // Said before nbdkit may go into the background.
      if (auto fine = ControlServer::CheckPath(control_path); !fine) return fine;
    }
    if (auto ready = Served().Prepare(); !ready) return ready;
    if (const auto& reason = Served().read_only_reason()) {
      // Not an error, which is what nbdkit would call it.
      const bool is_parent = reason->code == vhdx::ErrorCode::kBusy;
      std::fprintf(stderr, "nbdkit: vhdx: %s; serving it read-only%s\n",
                   vhdx::ToString(*reason).c_str(),
                   is_parent ? " (orphan-children=true allows writing)" : "");
    }
    return {};
  });
}

// A thread does not outlive a fork.
int AfterFork() {
  return Answer([]() -> Result<void> {
    if (control_path.empty()) return {};
    const vhdx::control::ControlRequests requests(vhdx::nbd::Files(), *Served().opened(),
                                                  Served().open.chain);
    auto server = ControlServer::Start(
        control_path,
        {.answer = [requests](std::string_view line) { return requests.AnswerTo(line); },
         .stop = nbdkit_shutdown});
    if (!server) return std::unexpected(std::move(server.error()));
    control_server = *std::move(server);
    return {};
  });
}

bool close_failed = false;

void Cleanup() {
  if (control_server != nullptr) control_server->Stop();
  close_failed = Answer([] {
                   auto closed = Served().Close();
                   if (!closed && control_server != nullptr)
                     control_server->SayLast(closed.error());
                   return closed;
                 }) != 0;
  error_log.Finish();
  // Whoever asked for the end sees now that the file is closed.
  control_server.reset();
}

// The last call. nbdkit would end with 0 now, and a script or a service manager would believe that
// everything is in the file.
void Unload() {
  ServedPointer().reset();
  control_path.clear();
  if (!close_failed) return;
  std::fflush(nullptr);
  ::_exit(EXIT_FAILURE);
}

// -- Connections --

Disk& DiskOf(void* handle) { return *static_cast<Disk*>(handle); }

void* Open(int readonly) {
  Disk* disk = nullptr;
  const int answer = Answer([&]() -> Result<void> {
    auto connected = Served().Connect(readonly != 0);
    if (!connected) return std::unexpected(std::move(connected.error()));
    disk = *connected;
    return {};
  });
  return answer == 0 ? disk : nullptr;
}

void Close(void*) { Served().Disconnect(); }

int64_t GetSize(void* handle) { return static_cast<int64_t>(DiskOf(handle).size_bytes()); }

int BlockSize(void* handle, uint32_t* minimum, uint32_t* preferred, uint32_t* maximum) {
  const Disk& disk = DiskOf(handle);
  *minimum = 1;  // part of a sector is read and written by the engine
  *preferred = std::max(disk.physical_sector_size(), kPreferredRequest);
  *maximum = kLargestRequest;
  return 0;
}

int CanWrite(void* handle) { return DiskOf(handle).writable() ? 1 : 0; }
int Yes(void*) { return 1; }
int No(void*) { return 0; }
// nbdkit then flushes after the request: a flush is what FUA costs here too.
int CanFua(void*) { return NBDKIT_FUA_EMULATE; }

// -- Requests --

int Read(void* handle, void* buffer, uint32_t count, uint64_t offset, uint32_t) {
  return Answer(
      [&] { return DiskOf(handle).Read(offset, {static_cast<std::byte*>(buffer), count}); });
}

int Write(void* handle, const void* buffer, uint32_t count, uint64_t offset, uint32_t) {
  return Answer(
      [&] { return DiskOf(handle).Write(offset, {static_cast<const std::byte*>(buffer), count}); });
}

int Trim(void* handle, uint32_t count, uint64_t offset, uint32_t) {
  return Answer([&] { return DiskOf(handle).Trim({offset, count}); });
}

int Zero(void* handle, uint32_t count, uint64_t offset, uint32_t flags) {
  return Answer([&] {
    const vhdx::DiskRange range{offset, count};
    const bool may_trim = (flags & NBDKIT_FLAG_MAY_TRIM) != 0;
    return may_trim ? DiskOf(handle).Trim(range) : DiskOf(handle).WriteZeroes(range);
  });
}

int Flush(void* handle, uint32_t) {
  return Answer([&] { return DiskOf(handle).Flush(); });
}

uint64_t SmallestBlock(const Disk& disk) {
  uint64_t smallest = disk.image_at_open(0).parameters.block_size_bytes;
  for (size_t depth = 1; depth < disk.chain_length(); ++depth) {
    smallest = std::min<uint64_t>(smallest, disk.image_at_open(depth).parameters.block_size_bytes);
  }
  return smallest;
}

Result<void> AddExtent(vhdx::DiskRange range, uint32_t type, nbdkit_extents* answers) {
  if (nbdkit_add_extent(answers, range.disk_offset, range.length_bytes, type) == 0) return {};
  return std::unexpected(vhdx::Error{.code = vhdx::ErrorCode::kNoMemory});
}

Result<void> AddExtents(Disk& disk, vhdx::DiskRange range, size_t most, nbdkit_extents* answers) {
  const auto extents = disk.Extents(range, most);
  if (!extents) {
    const vhdx::ErrorCode code = extents.error().code;
    if (code != vhdx::ErrorCode::kCorrupt && code != vhdx::ErrorCode::kIo) {
      return std::unexpected(extents.error());
    }
    // A block that cannot be resolved is called allocated: only reading it fails. The client asks
    // again for what follows.
    const uint64_t block = SmallestBlock(disk);
    const uint64_t end = std::min((range.disk_offset / block + 1) * block, range.end());
    return AddExtent({range.disk_offset, end - range.disk_offset}, 0, answers);
  }
  for (const vhdx::Extent& extent : *extents) {
    const uint32_t type =
        extent.kind == vhdx::ExtentKind::kData ? 0 : NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO;
    if (auto added = AddExtent(extent.range, type, answers); !added) return added;
  }
  return {};
}

int Extents(void* handle, uint32_t count, uint64_t offset, uint32_t flags,
            nbdkit_extents* answers) {
  return Answer([&] {
    const size_t most = (flags & NBDKIT_FLAG_REQ_ONE) != 0 ? 1 : kExtentsAtATime;
    return AddExtents(DiskOf(handle), {offset, count}, most, answers);
  });
}

nbdkit_plugin Describe() {
  nbdkit_plugin plugin = {};
  plugin.name = "vhdx";
  plugin.longname = "Hyper-V virtual disk (VHDX)";
  plugin.version = VHDXKIT_VERSION;
  plugin.description = "Serves a VHDX disk with all its parents.";
  plugin.magic_config_key = "file";
  plugin.config_help =
      "file=IMAGE               (required) the image to serve\n"
      "access=read|write        open and lock it at start (default: at the first connection)\n"
      "control=SOCKET           (with access=) take commands of `vhdx ctl` on this Unix socket\n"
      "parent-dir=DIR           also search this directory for parents; can be repeated\n"
      "allow-any-parent=true    accept parents in any directory\n"
      "parent=IMAGE             (with -r) use this image as the parent; can be repeated\n"
      "ignore-parent-id=true    (with -r) accept a parent whose identity differs\n"
      "ignore-log=true          (with -r) read as if the log were empty\n"
      "orphan-children=true     allow writes even if it is the parent of other images\n"
      "page-cache=serving|host  optimize host caching for serving, or leave it to the\n"
      "                         host (default: serving)\n"
      "no-lock=true             do not lock, for file systems without locks";
  plugin.config = Config;
  plugin.config_complete = ConfigComplete;
  plugin.load = Load;
  plugin.get_ready = GetReady;
  plugin.after_fork = AfterFork;
  plugin.cleanup = Cleanup;
  plugin.unload = Unload;
  plugin.open = Open;
  plugin.close = Close;
  plugin.get_size = GetSize;
  plugin.block_size = BlockSize;
  plugin.can_write = CanWrite;
  plugin.can_flush = Yes;
  plugin.can_trim = CanWrite;
  plugin.can_zero = CanWrite;
  plugin.can_fua = CanFua;
  plugin.can_multi_conn = Yes;  // one Disk behind all of them: a flush is for all
  plugin.can_extents = Yes;
  plugin.is_rotational = No;
  plugin.pread = Read;
  plugin.pwrite = Write;
  plugin.trim = Trim;
  plugin.zero = Zero;
  plugin.flush = Flush;
  plugin.extents = Extents;
  return plugin;
}

nbdkit_plugin plugin = Describe();

}  // namespace

NBDKIT_REGISTER_PLUGIN(plugin)
