#include "nbdkit/served_disk.h"

#include <vhdxkit/image_tree.h>

#include <utility>

namespace vhdx::nbd {

Result<void> ServedDisk::Reopen(DiskAccess how) {
  disk_.reset();  // and its locks, which are not for two
  open.access = how;
  auto disk = Disk::Open(files_, path, open);
  if (!disk) return std::unexpected(std::move(disk.error()));
  // Under the lock nobody makes a child of it.
  if (how == DiskAccess::kReadWrite && !orphan_children) {
    if (auto fine = RefuseIfParent(files_, path, open); !fine) return fine;
  }
  disk_ = *std::move(disk);
  return {};
}

Result<void> ServedDisk::Prepare() {
  const std::lock_guard lock(mutex_);
  if (access == DiskAccess::kReadOnly) return Reopen(*access);
  // Not kept: nbdkit may fork yet, and the lock of a file that two processes hold open outlives
  // either of them.
  OpenOptions reading = open;
  reading.access = DiskAccess::kReadOnly;
  auto disk = Disk::Open(files_, path, reading);
  if (!disk) return std::unexpected(std::move(disk.error()));
  // A server that refuses every write looks to a client like a broken disk.
  auto may_be_written = (*disk)->RefuseUnwritable();
  if (access) {
    disk->reset();
    return may_be_written ? Reopen(*access) : may_be_written;
  }
  // Whether a connection wants to write is not known yet. Refusing all that do would look to a
  // client like a server without an export.
  if (!may_be_written) {
    read_only_reason_ = std::move(may_be_written.error());
    return {};
  }
  if (orphan_children) return {};
  auto free = RefuseIfParent(files_, path, open);
  if (!free && free.error().code == ErrorCode::kBusy) read_only_reason_ = std::move(free.error());
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
