// libntfs-3g, as C++ sees it, with a BlockDevice below it.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_NTFS_LIBRARY_H_
#define VHDXKIT_TOOLS_FREE_SPACE_NTFS_LIBRARY_H_

// Its headers ask for what its own configuration would say.
#define HAVE_STDINT_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_TIME_H 1
#define HAVE_STDARG_H 1

extern "C" {
// In this order: each needs those before it.
// clang-format off
#include <ntfs-3g/types.h>
#include <ntfs-3g/layout.h>
#include <ntfs-3g/device.h>
#include <ntfs-3g/volume.h>
#include <ntfs-3g/inode.h>
#include <ntfs-3g/attrib.h>
#include <ntfs-3g/runlist.h>
#include <ntfs-3g/logfile.h>
// clang-format on
}
#undef min
#undef max

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace vhdx::free_space {

/// What libntfs-3g reads. It is bounded, lest structures that name each other in a circle keep it
/// reading.
class NtfsSource {
 public:
  NtfsSource(BlockDevice& volume, uint64_t max_reads) : volume_(volume), reads_left_(max_reads) {}

  uint64_t size_bytes() const { return volume_.size_bytes(); }
  /// What pread(2) returns: as much as there is, or -1.
  s64 Read(void* buffer, s64 count, s64 offset);
  /// The first error of the device, if there was one. Call it once, at the end.
  Result<void> Finish() { return std::move(status_); }

 private:
  BlockDevice& volume_;
  uint64_t reads_left_;
  Result<void> status_;
};

struct UnmountNtfs {
  void operator()(ntfs_volume* volume) const { ntfs_umount(volume, TRUE); }
};
using NtfsVolume = std::unique_ptr<ntfs_volume, UnmountNtfs>;

/// Mounts the volume inside of this process, for reading only. Nothing if libntfs-3g refuses it;
/// errno then says why. The source must outlive the volume.
NtfsVolume MountNtfs(NtfsSource& source);

struct CloseNtfsInode {
  void operator()(ntfs_inode* inode) const { ntfs_inode_close(inode); }
};
using NtfsInode = std::unique_ptr<ntfs_inode, CloseNtfsInode>;

struct CloseNtfsAttribute {
  void operator()(ntfs_attr* attribute) const { ntfs_attr_close(attribute); }
};
using NtfsAttribute = std::unique_ptr<ntfs_attr, CloseNtfsAttribute>;

struct PutNtfsSearch {
  void operator()(ntfs_attr_search_ctx* search) const { ntfs_attr_put_search_ctx(search); }
};
using NtfsSearch = std::unique_ptr<ntfs_attr_search_ctx, PutNtfsSearch>;

struct FreeNtfsMemory {
  void operator()(void* memory) const;
};

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_NTFS_LIBRARY_H_
