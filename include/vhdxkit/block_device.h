// vhdx::BlockDevice: the contents of a disk, however they are stored.
//
// A Disk (a .vhdx with all its parents) is one, and so is a raw file. Conversion, comparison and
// the servers use only this interface. What follows holds for every implementation.
//
// Ranges. Offsets and lengths are in bytes. A request that ends past size_bytes(), or whose offset
// and length overflow, fails with kInvalidArgument and does nothing. A request of length zero
// succeeds without any I/O, after the same checks. No alignment is required. Writing part of a
// logical sector reads, changes and writes that sector under a lock, so whole sectors are faster.
//
// Padding. Where the disk is stored with more bytes than size_bytes(), or with fewer (a raw file
// that is not a multiple of a sector), the difference reads as zeros; bytes other than zeros cannot
// be written to it.
//
// Threads. Any function may be called from any thread at any time. If requests overlap in time,
// each 512-byte sector is read and stored as one of them has it, never as a mixture: a read beside
// a write sees the old or the new contents, sector by sector.
//
// Durability. A write is durable once a Flush that was called after the write had returned has
// succeeded; until then a crash may lose it. With WriteFlag::kFua it is durable when it returns.

#ifndef VHDXKIT_BLOCK_DEVICE_H_
#define VHDXKIT_BLOCK_DEVICE_H_

#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/file.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
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
  kData,  ///< stored
  kZero,  ///< marked as reading as zeros (ZERO, UNMAPPED and UNDEFINED blocks; [MS-VHDX] 2.5.1.1)
  kHole,  ///< not present in any layer: reads as zeros
};

/// Where bytes are stored in a file.
struct FilePlace {
  FileIdentity file;         ///< BlockDevice::FileOf has its name
  uint64_t file_offset = 0;  ///< of the first of them
  friend auto operator<=>(const FilePlace&, const FilePlace&) = default;
};

/// A range of a disk that is all of one kind and, if it is data, contiguous where it is stored.
struct Extent {
  DiskRange range;
  ExtentKind kind = ExtentKind::kHole;
  bool present = false;  ///< some layer has an entry other than PAYLOAD_BLOCK_NOT_PRESENT
  uint32_t depth = 0;    ///< the layer it comes from: 0 is the image itself, 1 its parent, …
  /// kData: where it is; nothing if the disk is not stored in a file. Only for telling people, and
  /// for recognising the same bytes: another request may move them at any time.
  std::optional<FilePlace> place = {};
};

enum class WriteFlag : uint8_t {
  kNone,
  kFua,  ///< force unit access: durable when the write returns
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

  /// Fills the buffers in order with the bytes from disk_offset on. After an error the contents of
  /// the buffers are undefined. Errors: kInvalidArgument (past the end), kCorrupt, kIo.
  virtual Result<void> Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) = 0;
  /// Writes the buffers in order from disk_offset on. After an error some of it may have been
  /// written. Errors: kReadOnly, kInvalidArgument (past the end), kCorrupt, kNoSpace, kIo,
  /// kPoisoned.
  virtual Result<void> Write(uint64_t disk_offset, std::span<const ByteSpan> buffers,
                             WriteFlag flag) = 0;
  /// Makes the range read as zeros. Its space may stay allocated. Errors: those of Write.
  virtual Result<void> WriteZeroes(DiskRange range) = 0;
  /// Makes the range read as zeros and frees its space where possible (a fixed disk keeps it).
  /// Errors: those of Write.
  virtual Result<void> Trim(DiskRange range) = 0;
  /// Makes durable all writes, zeroes and trims that had returned when it was called.
  /// Errors: kNoSpace, kIo, kPoisoned.
  virtual Result<void> Flush() = 0;

  /// Waits for the requests under way, flushes, and gives back the locks of the files that it owns.
  /// Afterwards every request, and Close, fails with kInvalidArgument; what only describes the
  /// device still works. What was not flushed may be lost if a device is destroyed without this.
  /// Errors: those of Flush; the device is closed in any case. Default, for a device without
  /// locks: Flush.
  virtual Result<void> Close();

  /// Lists the extents of the range from its start on, in order, without gaps, with adjacent equal
  /// ones merged: those of the whole range, or exactly max_extents of them (to continue, call it
  /// again after the end of the last). The list may end earlier, before a part that cannot be
  /// listed; the next call then fails. Reads only metadata. A range that is not empty yields at
  /// least one extent. Errors: those of Read; kInvalidArgument also if max_extents is 0.
  virtual Result<std::vector<Extent>> Extents(DiskRange range, size_t max_extents) = 0;
  /// The first offset of the range that may read as something else than zeros, as far as this is
  /// known without reading the data (holes of the files that store it); the range's end if there is
  /// none. Errors: those of Read. Default: the start of the range.
  virtual Result<uint64_t> NextData(DiskRange range);

  /// Returns whether any part of the device is stored in that file.
  virtual bool Uses(const FileIdentity& file) const = 0;
  /// The name of the file that stores the layer at this depth, for messages. Default: name().
  virtual const std::string& FileOf(uint32_t depth) const;

  /// Makes the bytes of a file from file_offset on read as the range does, by sharing them
  /// (reflink) instead of copying; what reads as zeros becomes zeros. Errors: those of Read and of
  /// File::CloneRange; kUnsupported if the bytes cannot be shared, or not without waiting for
  /// another request: `target` then has some of them, or none. Default: kUnsupported.
  virtual Result<void> CloneTo(DiskRange range, File& target, uint64_t file_offset);
  /// Writes the bytes of a range of `source`, which is another device, at disk_offset by sharing
  /// them. Errors: those of Write; kUnsupported if the devices or the host cannot share them: some
  /// of them may then have been written. Default: kUnsupported.
  virtual Result<void> CloneFrom(uint64_t disk_offset, BlockDevice& source, DiskRange source_range);

  // Provided for every implementation.
  Result<void> Read(uint64_t disk_offset, MutableByteSpan buffer) {
    return Read(disk_offset, std::span<const MutableByteSpan>(&buffer, 1));
  }
  Result<void> Write(uint64_t disk_offset, ByteSpan buffer, WriteFlag flag = WriteFlag::kNone) {
    return Write(disk_offset, std::span<const ByteSpan>(&buffer, 1), flag);
  }
};

}  // namespace vhdx

#endif  // VHDXKIT_BLOCK_DEVICE_H_
