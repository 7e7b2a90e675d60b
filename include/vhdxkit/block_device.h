// vhdx::BlockDevice: the contents of a disk, however they are stored.
//
// A Disk (a .vhdx with all its parents) is one, and so is a raw file. Conversion, comparison and
// the servers use only this interface.
//
// Offsets and lengths are in bytes and lie inside [0, size_bytes()]; a request past the end fails
// with kInvalidArgument and does nothing. No alignment is required. Writing part of a logical
// sector of a Disk reads, changes and writes that sector under a lock, so whole sectors are faster.
// A request of length zero is valid and does nothing.
//
// Threads: any function may be called from any thread at any time. A write is durable once a Flush
// that was called after the write had returned has succeeded; until then a crash may lose it.

#ifndef VHDXKIT_BLOCK_DEVICE_H_
#define VHDXKIT_BLOCK_DEVICE_H_

#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
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
  kData,  ///< stored in a file
  kZero,  ///< marked as reading as zeros (ZERO, UNMAPPED and UNDEFINED blocks; [MS-VHDX] 2.5.1.1)
  kHole,  ///< not present in any layer: reads as zeros
};

/// A range of a disk that is all of one kind and, if it is data, contiguous in one file.
struct Extent {
  DiskRange range;
  ExtentKind kind = ExtentKind::kHole;
  bool present = false;  ///< some layer has an entry other than PAYLOAD_BLOCK_NOT_PRESENT
  uint32_t depth = 0;    ///< the layer it comes from: 0 is the image itself, 1 its parent, …
  File* file =
      nullptr;  ///< kData: the file with the bytes, for reading; valid as long as the device
  uint64_t file_offset = 0;  ///< kData: bytes from the start of `file`
};

class VHDXKIT_EXPORT BlockDevice {
 public:
  BlockDevice() = default;
  BlockDevice(const BlockDevice&) = delete;
  BlockDevice& operator=(const BlockDevice&) = delete;
  virtual ~BlockDevice() = default;

  /// The name for messages: the path it was opened by.
  virtual const std::string& name() const = 0;
  virtual uint64_t size_bytes() const = 0;
  /// 512 or 4096 bytes.
  virtual uint32_t logical_sector_size() const = 0;
  virtual uint32_t physical_sector_size() const = 0;
  /// False: Write, WriteZeroes, Trim and CloneFrom fail with kReadOnly.
  virtual bool writable() const = 0;

  /// Fills the buffer with the bytes from disk_offset on. After an error the contents of the buffer
  /// are undefined. Errors: kInvalidArgument (past the end), kCorrupt, kIo.
  virtual Result<void> Read(uint64_t disk_offset, MutableByteSpan buffer) = 0;
  /// Writes the buffer at disk_offset. After an error some of it may have been written.
  /// Errors: kReadOnly, kInvalidArgument (past the end), kCorrupt, kNoSpace, kIo, kPoisoned.
  virtual Result<void> Write(uint64_t disk_offset, ByteSpan buffer) = 0;
  /// Makes the range read as zeros. Its space may stay allocated. Errors: those of Write.
  virtual Result<void> WriteZeroes(DiskRange range) = 0;
  /// Makes the range read as zeros and frees its space where possible (a fixed disk keeps it).
  /// Errors: those of Write.
  virtual Result<void> Trim(DiskRange range) = 0;
  /// Makes durable all writes, zeroes and trims that had returned when it was called.
  /// Errors: kNoSpace, kIo, kPoisoned.
  virtual Result<void> Flush() = 0;

  /// Lists the extents of the range from its start on, in order, without gaps, with adjacent equal
  /// ones merged: those of the whole range, or exactly max_extents of them (to continue, call it
  /// again after the end of the last). The list may end earlier, before a part that cannot be
  /// listed; the next call then fails. max_extents must be at least 1. Reads only metadata. A range
  /// that is not empty yields at least one extent. Errors: those of Read.
  virtual Result<std::vector<Extent>> Extents(DiskRange range, size_t max_extents) = 0;

  /// Returns whether any part of the device is stored in that file.
  virtual bool Uses(const FileIdentity& file) const = 0;

  /// Writes the bytes of `source` at disk_offset by sharing them (reflink) instead of copying.
  /// Errors: those of Write; kUnsupported if the device or the host cannot share them, and then
  /// nothing has changed.
  virtual Result<void> CloneFrom(uint64_t disk_offset, File& source, FileRange source_range);
};

}  // namespace vhdx

#endif  // VHDXKIT_BLOCK_DEVICE_H_
