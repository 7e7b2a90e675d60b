#include "nbdkit/served_disk.h"

#include <vhdxkit/image_tree.h>

#include <utility>

namespace vhdx::nbd {

Result<std::unique_ptr<Disk>> ServedDisk::Open(DiskAccess how) {
  open.access = how;
  auto disk = Disk::Open(files_, path, open);
  if (!disk || how == DiskAccess::kReadOnly) return disk;
  // A block that reads as another looks to a client like a broken disk.
  if (auto sound = (*disk)->RefuseSharedSpace(); !sound) {
    return std::unexpected(std::move(sound.error()));
  }
  return disk;
}

// Under the lock nobody makes a child of it.
Result<void> ServedDisk::RefuseParent() {
  return orphan_children ? Result<void>{} : RefuseIfParent(files_, path, open.chain.search);
}

Result<void> ServedDisk::Reopen(DiskAccess how) {
  disk_.reset();  // and its locks, which are not for two
  auto disk = Open(how);
  if (!disk) return std::unexpected(std::move(disk.error()));
  if (how == DiskAccess::kReadWrite) {
    if (auto fine = RefuseParent(); !fine) return fine;
  }
  disk_ = *std::move(disk);
  return {};
}

Result<void> ServedDisk::Prepare() {
  const std::lock_guard lock(mutex_);
  if (access) return Reopen(*access);
  // Not kept: nbdkit may fork yet, and the lock of a file that two processes hold open outlives
  // either of them.
  if (auto readable = Open(DiskAccess::kReadOnly); !readable) {
    return std::unexpected(std::move(readable.error()));
  }
  // Whether a connection wants to write is not known yet. Refusing all that do would look to a
  // client like a server without an export. What the host says now may be different then.
  auto writable = Open(DiskAccess::kReadWrite);
  if (!writable) {
    const ErrorCode code = writable.error().code;
    const bool of_the_host =
        code == ErrorCode::kPermission || code == ErrorCode::kReadOnly || code == ErrorCode::kBusy;
    if (!of_the_host) read_only_reason_ = std::move(writable.error());
    return {};
  }
  auto fine = RefuseParent();
  if (!fine && fine.error().code == ErrorCode::kBusy) read_only_reason_ = std::move(fine.error());
  return {};
}

Result<Disk*> ServedDisk::Connect(bool read_only) {
  const std::lock_guard lock(mutex_);
  read_only = read_only || read_only_reason_.has_value();
  const bool is_writable = disk_ != nullptr && disk_->writable();
  const bool may_reopen = !access && connections_ == 0;
  if (disk_ == nullptr || (!read_only && !is_writable && may_reopen)) {
    const auto how = read_only ? DiskAccess::kReadOnly : DiskAccess::kReadWrite;
    if (auto opened = Reopen(how); !opened) return std::unexpected(std::move(opened.error()));
  }
  ++connections_;
  return disk_.get();
}

void ServedDisk::Disconnect() {
  const std::lock_guard lock(mutex_);
  --connections_;
}

Result<void> ServedDisk::Close() {
  const std::lock_guard lock(mutex_);
  if (disk_ == nullptr) return {};
  auto closed = disk_->Close();
  disk_.reset();
  return closed;
}

}  // namespace vhdx::nbd
