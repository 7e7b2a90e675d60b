// HostFileSystem: opening files, and what is asked of folders. host_names.cc has the names.

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>

#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "io/direct_file.h"
#include "io/host_error.h"
#include "io/posix_file.h"

namespace vhdx {
namespace {

constexpr uint64_t kUsualAlignment = 4096;  // of direct I/O where the host does not say
constexpr uint64_t kLargestAlignment = uint64_t{64} * 1024;

// -- What may be opened --

std::string_view SentenceForUnsupported(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "this is a directory, not a file";
    case S_IFIFO:
      return "this is a pipe (FIFO); images need a file that can be read at any offset";
    case S_IFSOCK:
      return "this is a socket, not a file";
    case S_IFCHR:
      return "this is a character device; only files and block devices can hold an image";
    default:
      return "this is neither a file nor a block device";
  }
}

bool Supported(mode_t mode) { return S_ISREG(mode) || S_ISBLK(mode); }

Result<struct stat> Status(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return HostFailure(errno, "open the file", path);
  return status;
}

int OpenFlags(const OpenFileOptions& options, bool block_device) {
  const bool writing = options.access == FileAccess::kReadWrite;
  int flags = O_CLOEXEC | O_NOCTTY | (writing ? O_RDWR : O_RDONLY);
  if (options.creation == FileCreation::kNew) flags |= O_CREAT | O_EXCL;
  if (options.direct) flags |= O_DIRECT;
  // Without O_CREAT, O_EXCL refuses a device that is mounted or otherwise in use.
  if (block_device && writing) flags |= O_EXCL;
  // Should a pipe have taken the file's place since it was looked at, opening it must not wait for
  // a peer.
  if (!block_device) flags |= O_NONBLOCK;
  return flags;
}

std::unexpected<Error> OpenFailure(int sys_errno, const std::string& path,
                                   const OpenFileOptions& options) {
  const bool creating = options.creation == FileCreation::kNew;
  if (sys_errno == EINVAL && options.direct) {
    return Fail(ErrorCode::kUnsupported, "this file system has no direct I/O", path);
  }
  const bool writing = options.access == FileAccess::kReadWrite;
  Error error = HostError(sys_errno,
                          creating  ? "create the file"
                          : writing ? "open the file for writing"
                                    : "open the file",
                          path);
  if (sys_errno == EWOULDBLOCK)
    error.code = ErrorCode::kBusy;  // a lease that another process holds
  if (sys_errno == EBUSY) error.sentence += "; unmount it, or end what uses it";
  return std::unexpected(std::move(error));
}

// The file whose permissions a new one gets, if there is one.
std::optional<struct stat> StatusOfOther(const OpenFileOptions& options) {
  struct stat status = {};
  const bool is_there = options.creation == FileCreation::kNew && !options.access_of.empty() &&
                        ::stat(std::string(options.access_of).c_str(), &status) == 0 &&
                        S_ISREG(status.st_mode);
  return is_there ? std::optional(status) : std::nullopt;
}

// The owner and group of another file as far as we may, and its permissions. Its group's are not
// for another group.
bool GiveAccessOf(const struct stat& other, bool owner_may_write, int fd) {
  const bool has_group = ::fchown(fd, other.st_uid, other.st_gid) == 0 ||
                         ::fchown(fd, static_cast<uid_t>(-1), other.st_gid) == 0;
  mode_t mode = other.st_mode & (S_IRWXU | S_IRWXG | S_IRWXO);
  if (!has_group) mode &= ~static_cast<mode_t>(S_IRWXG);
  if (owner_may_write) mode |= S_IWUSR;
  return ::fchmod(fd, mode) == 0;
}

Result<FileDescriptor> OpenDescriptor(const std::string& path, const OpenFileOptions& options,
                                      bool block_device) {
  constexpr mode_t kForAll = 0666;  // less the umask
  const auto other = StatusOfOther(options);
  int fd = -1;
  do {
    fd =
        ::open(path.c_str(), OpenFlags(options, block_device), other ? S_IRUSR | S_IWUSR : kForAll);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return OpenFailure(errno, path, options);
  FileDescriptor descriptor(fd);
  if (other && !GiveAccessOf(*other, options.owner_may_write, fd)) {
    const int sys_errno = errno;
    ::unlink(path.c_str());
    return HostFailure(sys_errno,
                       "give the file the permissions of " + std::string(options.access_of), path);
  }
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) != 0) ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
  return descriptor;
}

// -- What it can do --

/// The type of the file system that the file is on, or 0.
uint32_t FileSystemType(int fd) {
  struct statfs status = {};
  return ::fstatfs(fd, &status) == 0 ? static_cast<uint32_t>(status.f_type) : 0;
}

/// File systems on which bytes that a file gains by growing read as zeros, after a crash too.
bool ExtensionReadsZero(uint32_t file_system) {
  constexpr auto kKnown = std::to_array<uint32_t>(
      {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC,
       OVERLAYFS_SUPER_MAGIC, NFS_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC, CEPH_SUPER_MAGIC,
       V9FS_MAGIC, OCFS2_SUPER_MAGIC, 0x01161970 /* GFS2 */, 0x2fc12fc1 /* ZFS */,
       0xca451a4e /* bcachefs */});
  return std::ranges::find(kKnown, file_system) != kKnown.end();
}

/// What statx says about direct I/O, or nothing where the kernel does not (before 6.1, or this file
/// system).
uint64_t AlignmentFromHost(int fd) {
  struct statx status = {};
  if (::syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) != 0) return 0;
  if ((status.stx_mask & STATX_DIOALIGN) == 0) return 0;
  return std::max(status.stx_dio_mem_align, status.stx_dio_offset_align);
}

uint32_t SectorSize(int fd, bool block_device) {
  constexpr uint32_t kUsual = 512;
  int sector = 0;
  const bool known = block_device && ::ioctl(fd, BLKSSZGET, &sector) == 0 && sector > 0;
  return known ? static_cast<uint32_t>(sector) : kUsual;
}

uint64_t DirectAlignment(int fd, bool block_device) {
  uint64_t alignment = AlignmentFromHost(fd);
  if (alignment == 0 && block_device) alignment = SectorSize(fd, block_device);
  if (alignment == 0 || alignment > kLargestAlignment) alignment = kUsualAlignment;
  return std::bit_ceil(std::max<uint64_t>(alignment, 512));
}

FileCapabilities CapabilitiesOf(int fd, bool block_device, const OpenFileOptions& options) {
  const bool writable = options.access == FileAccess::kReadWrite;
  return {.writable = writable,
          .block_device = block_device,
          .sector_size = SectorSize(fd, block_device),
          .extension_reads_zero = !block_device && ExtensionReadsZero(FileSystemType(fd)),
          .punch_hole = writable,
          .clone_range = writable && !block_device,
          .io_alignment = options.direct ? DirectAlignment(fd, block_device) : 1};
}

Result<OpenedFile> Describe(FileDescriptor descriptor, const std::string& path,
                            const OpenFileOptions& options) {
  const int fd = descriptor.get();
  struct stat status = {};
  if (::fstat(fd, &status) != 0) return HostFailure(errno, "open the file", path);
  if (!Supported(status.st_mode)) {
    return Fail(ErrorCode::kUnsupported, std::string(SentenceForUnsupported(status.st_mode)), path);
  }
  const bool block_device = S_ISBLK(status.st_mode);
  uint64_t device_bytes = 0;
  if (block_device && ::ioctl(fd, BLKGETSIZE64, &device_bytes) != 0) {
    return HostFailure(errno, "read the length of the device", path);
  }
  // Several names can stand for one device: its number tells, not the inode of the name.
  const FileIdentity identity = block_device
                                    ? FileIdentity{.device = status.st_rdev, .inode = 0}
                                    : FileIdentity{.device = status.st_dev, .inode = status.st_ino};
  const bool is_ext4 = !block_device && FileSystemType(fd) == EXT4_SUPER_MAGIC;
  return OpenedFile{.descriptor = std::move(descriptor),
                    .name = options.known_as.empty() ? path : std::string(options.known_as),
                    .identity = identity,
                    .capabilities = CapabilitiesOf(fd, block_device, options),
                    .device_bytes = device_bytes,
                    // Measured: XFS, Btrfs and tmpfs are slower with it.
                    .allocates_by_page = options.creation == FileCreation::kNew && is_ext4,
                    // Measured: XFS writes part of a folio as fast as a page; Btrfs is slow anyway.
                    .caches_in_folios = is_ext4 && !options.direct};
}

// The name of a file that is being created: it goes with the file if that cannot be opened.
class NewName {
 public:
  NewName(const std::string& path, const OpenFileOptions& options)
      : path_(options.creation == FileCreation::kNew ? &path : nullptr) {}
  NewName(const NewName&) = delete;
  NewName& operator=(const NewName&) = delete;
  ~NewName() {
    if (path_ != nullptr) ::unlink(path_->c_str());
  }
  void Keep() { path_ = nullptr; }

 private:
  const std::string* path_;
};

std::unique_ptr<File> MakeFile(OpenedFile opened, const OpenFileOptions& options) {
  if (options.direct) return std::make_unique<DirectFile>(std::move(opened));
  return std::make_unique<PosixFile>(std::move(opened));
}

}  // namespace

Result<std::unique_ptr<File>> HostFileSystem::Open(const std::string& path,
                                                   const OpenFileOptions& options) try {
  bool block_device = false;
  if (options.creation == FileCreation::kExisting) {
    // Looked at before it is opened: opening some devices does something.
    const auto status = VHDX_TRY(Status(path));
    if (!Supported(status.st_mode)) {
      return Fail(ErrorCode::kUnsupported, std::string(SentenceForUnsupported(status.st_mode)),
                  path);
    }
    block_device = S_ISBLK(status.st_mode);
  }
  auto descriptor = VHDX_TRY(OpenDescriptor(path, options, block_device));
  NewName name(path, options);
  auto opened = VHDX_TRY(Describe(std::move(descriptor), path, options));
  if (opened.capabilities.block_device != block_device) {
    return Fail(ErrorCode::kBusy, "the file was replaced while it was being opened", path);
  }
  auto file = MakeFile(std::move(opened), options);
  name.Keep();
  return file;
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx
