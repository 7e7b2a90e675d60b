#include "tools/free_space/ntfs_library.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace vhdx::free_space {
namespace {

NtfsSource& SourceOf(const ntfs_device* device) {
  return *static_cast<NtfsSource*>(device->d_private);
}

int OpenDevice(ntfs_device* device, int) {
  NDevSetOpen(device);
  NDevSetReadOnly(device);
  return 0;
}

int CloseDevice(ntfs_device* device) {
  NDevClearOpen(device);
  return 0;
}

// Only asks whether there is such an offset: what is read says where.
s64 SeekDevice(ntfs_device* device, s64 offset, int whence) {
  if (whence == SEEK_SET && offset >= 0 &&
      static_cast<uint64_t>(offset) <= SourceOf(device).size_bytes()) {
    return offset;
  }
  errno = EINVAL;
  return -1;
}

s64 ReadDevice(ntfs_device* device, void* buffer, s64 count, s64 offset) {
  return SourceOf(device).Read(buffer, count, offset);
}

int SyncDevice(ntfs_device*) { return 0; }

int Refuse() {
  errno = EOPNOTSUPP;
  return -1;
}

ntfs_device_operations MakeOperations() {
  ntfs_device_operations operations = {};
  operations.open = OpenDevice;
  operations.close = CloseDevice;
  operations.seek = SeekDevice;
  operations.pread = ReadDevice;
  operations.sync = SyncDevice;
  operations.read = [](ntfs_device*, void*, s64) -> s64 { return Refuse(); };
  operations.write = [](ntfs_device*, const void*, s64) -> s64 { return Refuse(); };
  operations.pwrite = [](ntfs_device*, const void*, s64, s64) -> s64 { return Refuse(); };
  operations.stat = [](ntfs_device*, struct stat*) { return Refuse(); };
  operations.ioctl = [](ntfs_device*, unsigned long, void*) { return Refuse(); };
  return operations;
}

}  // namespace

s64 NtfsSource::Read(void* buffer, s64 count, s64 offset) {
  if (!status_ || reads_left_ == 0 || count < 0 || offset < 0) {
    errno = EIO;
    return -1;
  }
  --reads_left_;
  const auto start = std::min(static_cast<uint64_t>(offset), size_bytes());
  const auto length =
      static_cast<size_t>(std::min(static_cast<uint64_t>(count), size_bytes() - start));
  auto read = volume_.Read(start, {static_cast<std::byte*>(buffer), length});
  if (read) return static_cast<s64>(length);
  status_ = std::move(read);
  errno = EIO;
  return -1;
}

NtfsVolume MountNtfs(NtfsSource& source) {
  static ntfs_device_operations operations = MakeOperations();
  ntfs_device* device = ntfs_device_alloc("volume", 0, &operations, &source);
  if (device == nullptr) return nullptr;
  NtfsVolume volume(ntfs_device_mount(device, NTFS_MNT_RDONLY | NTFS_MNT_FORENSIC));
  if (volume == nullptr) {
    const int failure = errno;
    ntfs_device_free(device);
    errno = failure;
  }
  return volume;
}

void FreeNtfsMemory::operator()(void* memory) const { std::free(memory); }

}  // namespace vhdx::free_space
