// Copy the contents of a disk to another disk or to a new file: by extents, in parallel, with holes
// kept as holes.

#ifndef VHDXKIT_CONVERT_H_
#define VHDXKIT_CONVERT_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/chain_options.h>
#include <vhdxkit/create.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/file.h>
#include <vhdxkit/operation.h>

#include <cstdint>
#include <functional>
#include <string>

namespace vhdx {

/// What the target contains before the copy.
enum class TargetContents : uint8_t {
  kZeros,    ///< zeros, as in a new file: zeros are not written
  kUnknown,  ///< anything: zeros are written, too
};

struct CopyOptions {
  unsigned threads = 0;  ///< number of copy threads; 0: chosen for this machine
  TargetContents target = TargetContents::kUnknown;
};

struct CopyReport {
  uint64_t copied_bytes = 0;  ///< read and written
  uint64_t cloned_bytes = 0;  ///< shared with the source by the host (reflink)
  uint64_t zero_bytes = 0;    ///< not written, or written as holes
};

/// Copies `source` to the start of `target`, which must be at least as large. Ranges of zeros in
/// the data become holes. The source may be written meanwhile: each byte is then one that it had
/// during the copy. Bytes are shared (reflink) only if the source is not writable. Does not flush.
/// After an error the target has some of the new contents. Errors: those of Read, Write and
/// Extents; kCancelled.
VHDXKIT_EXPORT
Result<CopyReport> CopyContents(BlockDevice& source, BlockDevice& target,
                                const CopyOptions& options, const OperationControl& control = {});

enum class ExistingTarget : uint8_t {
  kRefuse,   ///< an existing regular file is an error
  kReplace,  ///< it is replaced when the new file is complete (`--force`)
  kInto,     ///< it is written in place, and neither created nor truncated (`-n`)
};

struct ConvertOptions {
  ExistingTarget existing = ExistingTarget::kRefuse;
  /// Make the result durable before it is renamed to its final name, and then the name, as
  /// CreateOptions::sync.
  bool sync = false;
  unsigned threads = 0;  ///< as CopyOptions::threads
  /// Of an existing VHDX target: where to search for its children and, with kInto, its parents.
  SearchOptions search = {};
  /// With kInto: whether the target and its parents are locked while it is written. A file that is
  /// replaced always is, where the host has locks.
  LockPolicy lock = LockPolicy::kLock;
  /// Modify or replace a VHDX even if it is the parent of other images, which become unreadable.
  bool orphan_children = false;
};

struct ConvertReport {
  CopyReport copy;
  uint64_t source_size_bytes = 0;
  uint64_t target_size_bytes = 0;
  /// An existing target was written in place: what is past the end of the source is unchanged.
  bool into_existing = false;
};

/// Writes the contents of `source` to a raw file or block device. A new file is written under a
/// temporary name in the target's directory and renamed when complete; after an error or a
/// cancellation `path` is as it was, with the exception that create.h names. On a block device, or
/// in a file that is written in place, everything past the size of the source is unchanged. Errors:
/// kExists; kInvalidArgument (the target is the source, or is too small); kBusy; kNoSpace; those of
/// CopyContents.
VHDXKIT_EXPORT
Result<ConvertReport> ConvertToRaw(FileSystem& files, BlockDevice& source, const std::string& path,
                                   const ConvertOptions& options,
                                   const OperationControl& control = {});

/// Writes the contents of `source` to a new VHDX described by `image`; a size or sector size of 0
/// is taken from the source, and ConvertOptions says what else CreateOptions does (replacing,
/// searching, locking, `sync`). Blocks of zeros are not stored. With kInto the contents of an
/// existing VHDX are overwritten, and `image` is ignored. Errors: those of ConvertToRaw and Create;
/// with kInto those of Disk::Open; kBusy if the target is the parent of other images.
VHDXKIT_EXPORT
Result<ConvertReport> ConvertToVhdx(FileSystem& files, BlockDevice& source, const std::string& path,
                                    const CreateOptions& image, const ConvertOptions& options,
                                    const OperationControl& control = {});

/// Reads the next bytes of a stream and returns their number, which is smaller than requested only
/// at the end of the stream.
using ReadStream = std::function<Result<size_t>(MutableByteSpan)>;

/// Like ConvertToVhdx, from a stream, which is read once from front to back and whose length is not
/// known in advance. The disk is padded with zeros to a whole sector; source_size_bytes is the
/// length of the stream.
VHDXKIT_EXPORT
Result<ConvertReport> ConvertStreamToVhdx(FileSystem& files, const ReadStream& source,
                                          const std::string& path, const CreateOptions& image,
                                          const ConvertOptions& options,
                                          const OperationControl& control = {});

/// Like ConvertToRaw, from a stream.
VHDXKIT_EXPORT
Result<ConvertReport> ConvertStreamToRaw(FileSystem& files, const ReadStream& source,
                                         const std::string& path, const ConvertOptions& options,
                                         const OperationControl& control = {});

/// Calls `visit` for each 4 KiB of the disk that contain a byte other than zero, in order. Equal
/// contents give equal calls, however they are stored. Errors: those of Read, Extents and `visit`;
/// kCancelled.
VHDXKIT_EXPORT
Result<void> VisitContents(
    BlockDevice& source,
    const std::function<Result<void>(uint64_t disk_offset, ByteSpan bytes)>& visit,
    const OperationControl& control = {});

/// Writes the contents of `source`, including zeros, from front to back to a file that cannot seek.
/// Errors: those of Read, Extents and File::WriteAt; kCancelled.
VHDXKIT_EXPORT
Result<CopyReport> StreamContents(BlockDevice& source, File& stream,
                                  const OperationControl& control = {});

}  // namespace vhdx

#endif  // VHDXKIT_CONVERT_H_
