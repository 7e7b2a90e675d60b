// vhdx::BlockDevice: the contents of a disk, whatever holds them.
//
// A Disk (a .vhdx with all its parents) is one; so is a raw file. Conversion, comparison and the
// servers know only this. Offsets and lengths are bytes and need no alignment for reading;
// everything lies inside [0, size_bytes()). Threads: every function may be called from any thread
// at any time. A write is durable after a Flush that was called once the write had returned; until
// then a crash may lose it.

#ifndef VHDXKIT_BLOCK_DEVICE_H_
#define VHDXKIT_BLOCK_DEVICE_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

namespace vhdx {

/// A range of bytes of a disk.
struct DiskRange {
  uint64_t disk_offset = 0;
  uint64_t length_bytes = 0;
  uint64_t end() const { return disk_offset + length_bytes; }
  friend auto operator<=>(const DiskRange&, const DiskRange&) = default;
};

enum class ExtentKind : uint8_t {
  kData,  ///< bytes that stand in a file
  kZero,  ///< says that it reads as zeros (ZERO, UNMAPPED, UNDEFINED blocks; [MS-VHDX] 2.5.1.1)
  kHole,  ///< nothing in any layer: reads as zeros
};

/// A run of a disk that is all of one kind and, for data, contiguous in one file.
struct Extent {
  DiskRange range;
  ExtentKind kind = ExtentKind::kHole;
  bool present = false;      ///< some layer has an entry other than PAYLOAD_BLOCK_NOT_PRESENT
  uint32_t depth = 0;        ///< the layer that decides: 0 is the image itself, 1 its parent, ...
  File* file = nullptr;      ///< kData: where the bytes are; lives as long as the device
  uint64_t file_offset = 0;  ///< kData: bytes from the start of `file`
};

class BlockDevice {
 public:
  BlockDevice() = default;
  BlockDevice(const BlockDevice&) = delete;
  BlockDevice& operator=(const BlockDevice&) = delete;
  virtual ~BlockDevice() = default;

  /// For messages: what the user called it.
  virtual const std::string& name() const = 0;
  virtual uint64_t size_bytes() const = 0;
  virtual uint32_t logical_sector_size() const = 0;
  virtual uint32_t physical_sector_size() const = 0;
  virtual bool writable() const = 0;

  /// Fills the buffer from disk_offset. Errors: kInvalidArgument (past the end), kCorrupt, kIo.
  virtual Result<void> Read(uint64_t disk_offset, MutableByteSpan buffer) = 0;
  /// Errors: kReadOnly, kInvalidArgument (past the end), kNoSpace, kIo, kPoisoned.
  virtual Result<void> Write(uint64_t disk_offset, ByteSpan buffer) = 0;
  /// The range reads as zeros afterwards; space may be kept.
  virtual Result<void> WriteZeroes(DiskRange range) = 0;
  /// The range reads as zeros afterwards, and its space is given back where that is possible.
  virtual Result<void> Trim(DiskRange range) = 0;
  /// Everything written before is durable when it returns success.
  virtual Result<void> Flush() = 0;

  /// The extents of a prefix of the range, from its start on, in order, without gaps, adjacent
  /// equal ones merged: the whole range, or exactly max_extents of them (go on behind the last).
  /// Reads metadata only. A non-empty range gives at least one. Errors as for Read.
  virtual Result<std::vector<Extent>> Extents(DiskRange range, size_t max_extents) = 0;

  /// Whether the device stands, in whole or in part, in that file.
  virtual bool Uses(const FileIdentity& file) const = 0;

  /// Shares the bytes of `source` with the range at disk_offset (reflink) instead of copying them;
  /// kUnsupported where that cannot be, and then nothing has changed.
  virtual Result<void> CloneFrom(uint64_t disk_offset, File& source, FileRange source_range);
};

}  // namespace vhdx

#endif  // VHDXKIT_BLOCK_DEVICE_H_
