// vhdx::File: the bytes of a container, and vhdx::FileSystem: where files come from.
//
// Every byte that the engine reads or writes goes through a File, parents and logs included; so do
// randomness (for GUIDs) and the clock. Give the engine your own implementation and it runs on it:
// that is how its crash, fault and fuzz tests work, and how a program serves images out of
// something that is no file. HostFileSystem is the implementation over the operating system.
//
// Threads: every function of a File may be called from any thread at any time; reads and writes of
// ranges that do not overlap are independent. Durability: what was written is durable once a Sync
// that was called after the write had returned has returned success; a failed Sync leaves that
// unknown for ever.

#ifndef VHDXKIT_FILE_H_
#define VHDXKIT_FILE_H_

#include <vhdxkit/error.h>

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vhdx {

using ByteSpan = std::span<const std::byte>;
using MutableByteSpan = std::span<std::byte>;

/// A range of bytes of a file.
struct FileRange {
  uint64_t file_offset = 0;
  uint64_t length_bytes = 0;
  friend auto operator<=>(const FileRange&, const FileRange&) = default;
};

/// What tells two open files apart (device and inode on a host; unique in any one FileSystem).
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  friend auto operator<=>(const FileIdentity&, const FileIdentity&) = default;
};

/// What a file can do, asked once.
struct FileCapabilities {
  bool writable = false;
  bool block_device = false;         ///< fixed length; contents before the first write are unknown
  bool seekable = true;              ///< false for a pipe: bytes can only be written front to back
  bool extension_reads_zero = true;  ///< bytes that Resize adds read as zeros, after a crash too
  bool punch_hole = false;           ///< PunchHole may give space back
  bool clone_range = false;  ///< CloneRange may work (it can still refuse a given pair of files)
  /// Bytes to which offsets, lengths and buffers should be aligned (a power of two): others cost a
  /// copy, and an unaligned write that reaches past the end of the file is kInvalidArgument.
  uint64_t io_alignment = 1;
};

/// What a lock says, in the terms QEMU uses for the same byte ranges, so that the two keep clear of
/// each other.
enum class LockMode : uint8_t {
  kShared,     ///< "I read consistently; nobody may write"
  kExclusive,  ///< "I write and resize; nobody else may do either"
};

class File {
 public:
  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  virtual ~File() = default;

  /// The name used in errors and in `filename`: the path it was opened by.
  virtual const std::string& name() const = 0;
  /// The path without links, as the host knows the file that is open; for parents, which are looked
  /// for by it.
  virtual Result<std::string> RealPath() const = 0;
  virtual FileIdentity identity() const = 0;
  virtual const FileCapabilities& capabilities() const = 0;

  /// Fills the buffers in order from file_offset; returns how many bytes it read, fewer than asked
  /// only at the end of the file. Errors: kIo.
  virtual Result<size_t> ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) = 0;
  /// Writes all of the buffers in order from file_offset, and grows the file where they reach past
  /// its end. Errors: kIo, kNoSpace, kReadOnly, kInvalidArgument (see io_alignment); some of
  /// the bytes may then have been written.
  virtual Result<void> WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) = 0;
  /// Makes durable all that was written before it was called, the file's length included.
  virtual Result<void> Sync() = 0;

  virtual Result<uint64_t> Size() = 0;
  /// Bytes that the host has allocated for the file.
  virtual Result<uint64_t> AllocatedBytes() = 0;
  /// Cuts or extends the file.
  virtual Result<void> Resize(uint64_t length_bytes) = 0;
  /// The range reads as zeros afterwards and stays allocated where the host can say so.
  virtual Result<void> ZeroRange(FileRange range) = 0;
  /// The range reads as zeros afterwards and its space is given back; kUnsupported where the host
  /// cannot.
  virtual Result<void> PunchHole(FileRange range) = 0;
  /// Shares `source`'s bytes with this file's range at file_offset, without copying (reflink);
  /// kUnsupported where the two files or the alignment do not allow it, and then nothing has
  /// changed.
  virtual Result<void> CloneRange(uint64_t file_offset, File& source, FileRange source_range) = 0;
  /// Copies inside the host; kUnsupported where it cannot, and then nothing has changed.
  virtual Result<void> CopyRange(uint64_t file_offset, File& source, FileRange source_range) = 0;

  /// The first offset at or after file_offset that is data, or Size() if only a hole follows. A
  /// file that knows no holes answers file_offset.
  virtual Result<uint64_t> NextData(uint64_t file_offset) = 0;
  /// The first offset at or after file_offset that is in a hole; the end of the file counts as one.
  virtual Result<uint64_t> NextHole(uint64_t file_offset) = 0;

  /// Takes the lock, or fails with kBusy at once (the sentence names the holder where it is known),
  /// or with kUnsupported where the file system has none. Held until the File is destroyed.
  virtual Result<void> Lock(LockMode mode) = 0;

  /// Random bytes for GUIDs.
  virtual Result<void> FillRandom(MutableByteSpan bytes) = 0;
  virtual std::chrono::system_clock::time_point Now() = 0;

  // What every implementation gets for free.
  Result<size_t> ReadAt(uint64_t file_offset, MutableByteSpan buffer) {
    return ReadAt(file_offset, std::span<const MutableByteSpan>(&buffer, 1));
  }
  /// Fills all of `buffer`; an end of file before that is an error (kCorrupt, rule
  /// "file.truncated").
  // A call less behind the system call is worth a hundredth of a small read.
  [[gnu::always_inline]] Result<void> ReadExactAt(uint64_t file_offset, MutableByteSpan buffer) {
    Result<size_t> read = ReadAt(file_offset, buffer);
    if (read && *read == buffer.size()) return {};
    return FailedToRead({file_offset, buffer.size()}, std::move(read));
  }
  Result<void> WriteAt(uint64_t file_offset, ByteSpan buffer) {
    return WriteAt(file_offset, std::span<const ByteSpan>(&buffer, 1));
  }

 private:
  /// Why a read that gave that did not fill the range.
  std::unexpected<Error> FailedToRead(FileRange range, Result<size_t> read) const;
};

enum class FileAccess : uint8_t { kReadOnly, kReadWrite };
enum class FileCreation : uint8_t {
  kExisting,  ///< the file must be there
  kNew,       ///< it must not be there
};

struct OpenFileOptions {
  FileAccess access = FileAccess::kReadOnly;
  FileCreation creation = FileCreation::kExisting;
  bool direct =
      false;  ///< past the host's page cache (O_DIRECT); see FileCapabilities::io_alignment
  /// kNew: the path of a file that this one is to replace; if it is there, the new file gets its
  /// permissions, and its owner as far as the host allows.
  std::string_view replaces = {};
};

enum class RenameMode : uint8_t { kRefuseExisting, kReplace };

/// The few things that the engine asks of a file system. Paths are the host's own, with '/'.
class FileSystem {
 public:
  FileSystem() = default;
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;
  virtual ~FileSystem() = default;

  /// Errors: kNotFound, kPermission, kExists, kUnsupported (a directory, a socket, a pipe), kBusy
  /// (a block device in use, opened for writing), kIo.
  virtual Result<std::unique_ptr<File>> Open(const std::string& path,
                                             const OpenFileOptions& options) = 0;
  /// The path without links, "." and ".."; kNotFound if nothing is there. Opens nothing.
  virtual Result<std::string> RealPath(const std::string& path) = 0;
  /// Names (not paths) of the entries of a folder, in byte order, at most `limit` of them.
  virtual Result<std::vector<std::string>> List(const std::string& folder, size_t limit) = 0;
  /// kNotFound if nothing is there.
  virtual Result<bool> IsFolder(const std::string& path) = 0;
  virtual Result<void> Rename(const std::string& from, const std::string& to, RenameMode mode) = 0;
  virtual Result<void> Remove(const std::string& path) = 0;
  /// Makes the entries of a folder durable (what Rename and Remove changed).
  virtual Result<void> SyncFolder(const std::string& folder) = 0;
};

/// The operating system's files.
class HostFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override;
  Result<std::string> RealPath(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& folder, size_t limit) override;
  Result<bool> IsFolder(const std::string& path) override;
  Result<void> Rename(const std::string& from, const std::string& to, RenameMode mode) override;
  Result<void> Remove(const std::string& path) override;
  Result<void> SyncFolder(const std::string& folder) override;
};

}  // namespace vhdx

#endif  // VHDXKIT_FILE_H_
