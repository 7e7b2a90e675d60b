#include "nbdkit/served_disk.h"

#include <vhdxkit/image_tree.h>

#include <utility>

namespace vhdx::nbd {

Result<void> ServedDisk::Reopen(DiskAccess access) {
  disk_.reset();  // and its locks, which are not for two
  open.access = access;
  auto disk = Disk::Open(files_, path, open);
  if (!disk) return std::unexpected(std::move(disk.error()));
  disk_ = *std::move(disk);
  return {};
}

Result<void> ServedDisk::Prepare() {
  // Not kept: nbdkit may fork yet, and the lock of a file that two processes hold open outlives
  // either of them.
  OpenOptions reading = open;
  reading.access = DiskAccess::kReadOnly;
  auto disk = Disk::Open(files_, path, reading);
  if (!disk) return std::unexpected(std::move(disk.error()));
  return {};
}

Result<Disk*> ServedDisk::Connect(bool read_only) {
  const std::lock_guard lock(mutex_);
  const bool is_writable = disk_ != nullptr && disk_->writable();
  if (disk_ == nullptr || (!read_only && !is_writable && connections_ == 0)) {
    const auto access = read_only ? DiskAccess::kReadOnly : DiskAccess::kReadWrite;
    if (auto opened = Reopen(access); !opened) return std::unexpected(std::move(opened.error()));
    // Under the lock nobody makes a child of it.
    if (!read_only && !orphan_children) {
      if (auto fine = RefuseIfParent(files_, path, open); !fine) {
        disk_.reset();
        return std::unexpected(std::move(fine.error()));
      }
    }
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
