// A BlockDevice for libext2fs, which reads and writes through an "io_manager".

#ifndef VHDXKIT_TOOLS_FREE_SPACE_EXT_IO_H_
#define VHDXKIT_TOOLS_FREE_SPACE_EXT_IO_H_

#include <ext2fs/ext2fs.h>
#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace vhdx::free_space {

/// What libext2fs reads. It is bounded, lest structures that name each other in a circle keep it
/// reading.
class ExtSource {
 public:
  ExtSource(BlockDevice& volume, uint64_t max_reads) : volume_(volume), reads_left_(max_reads) {}

  /// What ext2fs_open2 takes instead of a file name.
  std::string Name() const;
  /// The library's code for the error, or 0.
  errcode_t Read(uint64_t offset, size_t length, void* buffer);
  /// The first error of the device, if there was one. Call it once, at the end.
  Result<void> Finish() { return std::move(status_); }

 private:
  BlockDevice& volume_;
  uint64_t reads_left_;
  Result<void> status_;
};

/// Reads from an ExtSource, and refuses to write.
io_manager ExtSourceManager();

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_EXT_IO_H_
