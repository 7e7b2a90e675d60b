#include "io/posix_lock.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <optional>
#include <string_view>
#include <vector>

#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "io/file_descriptor.h"
#include "io/host_error.h"

namespace vhdx {
namespace {

constexpr off_t kFirstUsedByte = 100;
constexpr off_t kFirstUnsharedByte = 200;
constexpr size_t kPermissionCount = 4;
constexpr uint8_t kChanging = kWrite | kResize;
constexpr size_t kMaxHoldersNamed = 3;

struct flock OneByte(short type, off_t byte) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;
}

/// Offsets of bytes that stand for permissions. It allocates nothing: a lock is given back without
/// memory, too.
class ByteList {
 public:
  /// The byte that stands for each permission in `permissions`, counted from first_byte.
  ByteList(off_t first_byte, uint8_t permissions) { Add(first_byte, permissions); }
  explicit ByteList(LockBytes set) {
    Add(kFirstUsedByte, set.used);
    Add(kFirstUnsharedByte, set.unshared);
  }

  const off_t* begin() const { return bytes_.data(); }
  const off_t* end() const { return bytes_.data() + count_; }

 private:
  void Add(off_t first_byte, uint8_t permissions) {
    for (size_t p = 0; p < kPermissionCount; ++p) {
      if ((permissions >> p & 1) != 0) bytes_[count_++] = first_byte + static_cast<off_t>(p);
    }
  }

  std::array<off_t, 2 * kPermissionCount> bytes_ = {};
  size_t count_ = 0;
};

LockBytes Without(LockBytes set, LockBytes taken) {
  return {.used = static_cast<uint8_t>(set.used & ~taken.used),
          .unshared = static_cast<uint8_t>(set.unshared & ~taken.unshared)};
}

std::unexpected<Error> LockFailure(int sys_errno, const std::string& name) {
  Error error = HostError(sys_errno, "lock the file", name);
  if (sys_errno == EINVAL || sys_errno == ENOLCK) error.code = ErrorCode::kUnsupported;
  if (sys_errno == EAGAIN || sys_errno == EACCES) error.code = ErrorCode::kBusy;
  return std::unexpected(std::move(error));
}

FileIdentity IdentityOf(const struct stat& status) {
  return {.device = status.st_dev, .inode = status.st_ino};
}

// The user sees nbdkit only in a list of processes.
std::string AdviceOn(const std::vector<std::string>& holders) {
  const bool has_nbdkit = std::ranges::any_of(
      holders, [](const std::string& holder) { return holder.starts_with("nbdkit "); });
  return Format("stop {}{}", holders.size() > 1 ? "them" : "it",
                has_nbdkit ? " (`vhdx serve` uses nbdkit)" : "");
}

std::unexpected<Error> BusyFailure(int fd, const std::string& name, std::string_view how_open,
                                   std::string_view expected) {
  struct stat status = {};
  std::vector<std::string> holders;
  if (::fstat(fd, &status) == 0) holders = HoldersOf(IdentityOf(status));
  auto failure = Fail(ErrorCode::kBusy, "", name);
  Error& error = failure.error();
  error.found =
      Format("{} in {}", how_open, holders.empty() ? "another program" : Join(holders, ", "));
  error.expected = expected;
  error.sentence = Format("the file is {}; {}", error.found, AdviceOn(holders));
  return failure;
}

void Release(int fd, LockBytes bytes) {
  for (const off_t byte : ByteList(bytes)) {
    struct flock lock = OneByte(F_UNLCK, byte);
    ::fcntl(fd, F_OFD_SETLK, &lock);
  }
}

Result<void> Acquire(int fd, const std::string& name, LockBytes bytes) {
  for (const off_t byte : ByteList(bytes)) {
    struct flock lock = OneByte(F_RDLCK, byte);
    if (::fcntl(fd, F_OFD_SETLK, &lock) != 0) return LockFailure(errno, name);
  }
  return {};
}

/// Whether nobody else holds the byte of one of `permissions`.
Result<bool> IsFree(int fd, const std::string& name, off_t first_byte, uint8_t permissions) {
  for (const off_t byte : ByteList(first_byte, permissions)) {
    struct flock lock = OneByte(F_WRLCK, byte);
    if (::fcntl(fd, F_OFD_GETLK, &lock) != 0) return LockFailure(errno, name);
    if (lock.l_type != F_UNLCK) return false;
  }
  return true;
}

Result<void> AcquireAndProbe(int fd, const std::string& name, LockBytes added) {
  VHDX_TRY(Acquire(fd, name, added));
  const bool may_use = VHDX_TRY(IsFree(fd, name, kFirstUnsharedByte, added.used));
  if (may_use && VHDX_TRY(IsFree(fd, name, kFirstUsedByte, added.unshared))) return {};
  const auto unwritten = VHDX_TRY(IsFree(fd, name, kFirstUsedByte, kChanging));
  return BusyFailure(fd, name, unwritten ? "open" : "open for writing",
                     (added.used & kChanging) != 0 ? kNotOpen : kNotOpenForWriting);
}

// -- Who else has the file open --

std::optional<pid_t> ParsePid(std::string_view text) {
  pid_t pid = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return pid;
}

bool HasOpen(pid_t pid, FileIdentity identity) {
  const OpenFolder folder(::opendir(Format("/proc/{}/fd", pid).c_str()));
  if (folder == nullptr) return false;
  while (const dirent* entry = ::readdir(folder.get())) {
    struct stat status = {};
    if (::fstatat(::dirfd(folder.get()), entry->d_name, &status, 0) != 0) continue;
    if (IdentityOf(status) == identity) return true;
  }
  return false;
}

std::string ProcessName(pid_t pid) {
  std::ifstream file(Format("/proc/{}/comm", pid));
  std::string name;
  std::getline(file, name);
  // A process chooses its name itself: keep it from playing with a terminal.
  std::erase_if(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  return name.empty() ? "a process" : name;
}

}  // namespace

LockBytes BytesOf(LockMode mode) {
  if (mode == LockMode::kNone) return {};
  // Interop: what `qemu-io -f vhdx` (7.2) holds with and without -r, as /proc/locks shows it. A
  // writer does not unshare consistent read: every reader of an image unshares write and is kept
  // out by that, and QEMU's own "force share" (-U), which does not, is let in as its user asked.
  return {.used = static_cast<uint8_t>(kConsistentRead |
                                       (mode == LockMode::kExclusive ? kChanging : uint8_t{0})),
          .unshared = kChanging};
}

Result<void> ChangeLock(int fd, const std::string& name, LockBytes held, LockBytes wanted) {
  const LockBytes added = Without(wanted, held);
  const auto taken = Caught([&] { return AcquireAndProbe(fd, name, added); });
  Release(fd, taken ? Without(held, wanted) : added);
  return taken;
}

std::vector<std::string> HoldersOf(FileIdentity identity) {
  const OpenFolder processes(::opendir("/proc"));
  std::vector<std::string> holders;
  if (processes == nullptr) return holders;
  while (const dirent* entry = ::readdir(processes.get())) {
    const std::optional<pid_t> pid = ParsePid(entry->d_name);
    if (!pid || *pid == ::getpid() || !HasOpen(*pid, identity)) continue;
    holders.push_back(Format("{} (pid {})", ProcessName(*pid), *pid));
    if (holders.size() == kMaxHoldersNamed) break;
  }
  return holders;
}

}  // namespace vhdx
