// Copying the contents of one disk to another, by extents, in parallel, holes as holes.

#ifndef VHDXKIT_CONVERT_H_
#define VHDXKIT_CONVERT_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/create.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/operation.h>

#include <cstdint>
#include <functional>
#include <string>

namespace vhdx {

/// What reads from the target before anything is copied.
enum class TargetContents : uint8_t {
  kZeros,    ///< a new file: what reads as zeros needs no writing
  kUnknown,  ///< zeros are written too
};

struct CopyOptions {
  unsigned threads = 0;  ///< 0: as many as help on this machine
  TargetContents target = TargetContents::kUnknown;
};

struct CopyReport {
  uint64_t copied_bytes = 0;  ///< read and written
  uint64_t cloned_bytes = 0;  ///< shared with the source by the host
  uint64_t zero_bytes = 0;    ///< not written, or written as holes
};

/// Makes the first source.size_bytes() bytes of `target`, which is at least that large, equal to
/// those of `source`. Blocks of zeros among the data become holes. Not flushed. When it fails, the
/// target holds some of it. Errors: those of Read, Write and Extents; kCancelled.
Result<CopyReport> CopyContents(BlockDevice& source, BlockDevice& target,
                                const CopyOptions& options, const OperationControl& control = {});

enum class ExistingTarget : uint8_t {
  kRefuse,   ///< an existing regular file is an error
  kReplace,  ///< it is replaced once the new one is whole (`--force`)
  kInto,     ///< it is written in place, neither created nor cut (`-n`)
};

struct ConvertOptions {
  ExistingTarget existing = ExistingTarget::kRefuse;
  bool sync = false;     ///< make the result durable before it gets its name
  unsigned threads = 0;  ///< as CopyOptions::threads
  /// Of a VHDX that is there: where its children and parents may lie, and whether to lock it.
  OpenOptions open = {};
  /// Writes to or replaces a VHDX even if it is the parent of other images.
  bool orphan_children = false;
};

struct ConvertReport {
  CopyReport copy;
  uint64_t source_size_bytes = 0;
  uint64_t target_size_bytes = 0;
  /// The target was there and was written into: what lies behind the source stays as it was.
  bool into_existing = false;
};

/// Writes the contents of `source` to a raw file or block device. A new file has a temporary name
/// in the target's folder until it is whole; a failure or cancellation leaves nothing under `path`.
/// What lies behind the source's size on a block device, or in a file that is written into, stays
/// as it was. Errors: kExists; kInvalidArgument (the target is the source, or too small); kBusy;
/// kNoSpace; those of CopyContents.
Result<ConvertReport> ConvertToRaw(FileSystem& files, BlockDevice& source, const std::string& path,
                                   const ConvertOptions& options,
                                   const OperationControl& control = {});

/// The same into a new VHDX, of which `image` says all but what the source does: a size of 0 is the
/// source's, as are the sector sizes. Blocks of zeros are left out. With kInto the contents of a
/// VHDX that is there are overwritten, and of `image` nothing counts. Errors: as above; those of
/// Create and, with kInto, of Disk::Open; kBusy for a parent of other images.
Result<ConvertReport> ConvertToVhdx(FileSystem& files, BlockDevice& source, const std::string& path,
                                    const CreateOptions& image, const ConvertOptions& options,
                                    const OperationControl& control = {});

/// Gives the next bytes of a stream: fewer than asked only at its end.
using ReadStream = std::function<Result<size_t>(MutableByteSpan)>;

/// The same from what can only be read once, front to back, and has an end that nobody knows
/// before. The disk is padded with zeros to a whole sector; source_size_bytes is what came.
Result<ConvertReport> ConvertStreamToVhdx(FileSystem& files, const ReadStream& source,
                                          const std::string& path, const CreateOptions& image,
                                          const ConvertOptions& options,
                                          const OperationControl& control = {});

/// The same to a raw file or block device, with the choices of ConvertToRaw.
Result<ConvertReport> ConvertStreamToRaw(FileSystem& files, const ReadStream& source,
                                         const std::string& path, const ConvertOptions& options,
                                         const OperationControl& control = {});

/// Shows the contents of a disk in order: each 4 KiB of it that hold a byte that is not zero, so
/// that the same contents give the same calls, however they are stored. Errors: those of Read,
/// Extents and `visit`; kCancelled.
Result<void> VisitContents(
    BlockDevice& source,
    const std::function<Result<void>(uint64_t disk_offset, ByteSpan bytes)>& visit,
    const OperationControl& control = {});

/// Writes the contents of `source` front to back into a file that cannot seek, zeros included.
Result<CopyReport> StreamContents(BlockDevice& source, File& stream,
                                  const OperationControl& control = {});

}  // namespace vhdx

#endif  // VHDXKIT_CONVERT_H_
