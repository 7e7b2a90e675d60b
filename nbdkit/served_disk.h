// The one disk that this process serves, shared by all connections.

#ifndef VHDXKIT_NBDKIT_SERVED_DISK_H_
#define VHDXKIT_NBDKIT_SERVED_DISK_H_

#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace vhdx::nbd {

class ServedDisk {
 public:
  /// `files` must outlive it.
  explicit ServedDisk(FileSystem& files) : files_(files) {}

  // The configuration, before Prepare.
  std::string path;
  OpenOptions open;
  bool orphan_children = false;
  /// How to open the disk at start; not set: the first connection decides.
  std::optional<DiskAccess> access;

  /// Opens and locks the disk if `access` is set; otherwise only tries to read it, so that errors
  /// are reported before anybody connects. Errors: those of Connect.
  Result<void> Prepare();

  /// Why every connection is read-only although `access` is not set: the image has children, or
  /// breaks a rule that forbids writing. Set by Prepare.
  const std::optional<Error>& read_only_reason() const { return read_only_reason_; }

  /// The disk that Prepare has opened because `access` is set, until Close.
  Disk* opened() const { return disk_.get(); }

  /// One more connection. The first opens the disk, unless Prepare has. One that may write finds it
  /// read-only if others that may not are there already; if they have gone, it is opened again.
  /// Errors: those of Disk::Open; kBusy for a parent.
  Result<Disk*> Connect(bool read_only);
  void Disconnect();

  /// Ends writing. Errors: those of Disk::Close.
  Result<void> Close();

 private:
  Result<std::unique_ptr<Disk>> Open(DiskAccess how);
  Result<void> RefuseParent();
  Result<void> Reopen(DiskAccess how);

  FileSystem& files_;
  std::optional<Error> read_only_reason_;
  std::mutex mutex_;  // guards what follows
  std::unique_ptr<Disk> disk_;
  size_t connections_ = 0;
};

}  // namespace vhdx::nbd

#endif  // VHDXKIT_NBDKIT_SERVED_DISK_H_
