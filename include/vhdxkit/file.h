// vhdx::File: the bytes of a container. vhdx::FileSystem: opens files.
//
// Everything that the engine reads and writes goes through a File, including parents and logs. A
// program can pass its own implementation: the crash, fault and fuzz tests do, and so can a program
// whose images are not stored in files. HostFileSystem is the implementation for the operating
// system. To change only some functions of an existing File, derive from ForwardingFile
// (forwarding_file.h).
//
// A File that can only be read implements name, Size and ReadAt. Everything else has a default: no
// locks, no holes, and kUnsupported from whatever changes the file. HostFileSystem and its files
// throw nothing. What another implementation throws is caught by the operation that called it.
//
// Threads: any function of a File may be called from any thread at any time. Reads and writes of
// ranges that do not overlap are independent. Durability: a write is durable once a Sync that was
// called after it had returned has succeeded. After a failed Sync it is unknown, forever, whether
// earlier writes are durable.

#ifndef VHDXKIT_FILE_H_
#define VHDXKIT_FILE_H_

#include <vhdxkit/error.h>
#include <vhdxkit/export.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
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

/// Identifies an open file (device and inode on a host). Unique within one FileSystem.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  friend auto operator<=>(const FileIdentity&, const FileIdentity&) = default;
};

/// What a file supports. Does not change while the file is open.
struct FileCapabilities {
  bool writable = false;
  bool block_device = false;         ///< fixed length, initial contents unknown
  uint32_t sector_size = 512;        ///< of a block device: its logical sectors, in bytes
  bool seekable = true;              ///< false for a pipe: can only be written front to back
  bool extension_reads_zero = true;  ///< bytes added by Resize read as zeros, even after a crash
  bool punch_hole = false;           ///< PunchHole may free space
  bool clone_range = false;  ///< CloneRange may work (a given pair of files can still be refused)
  /// Alignment in bytes (a power of two) for offsets, lengths and buffers. Other requests are
  /// copied, and an unaligned write that reaches past the end of the file fails with
  /// kInvalidArgument.
  uint64_t io_alignment = 1;
};

/// Lock modes. They lock the byte ranges that QEMU locks, so each program respects the locks of the
/// other.
enum class LockMode : uint8_t {
  kNone,       ///< the holder keeps nobody out
  kShared,     ///< the holder reads; nobody may write or resize
  kExclusive,  ///< the holder writes and resizes; nobody else may do either, or lock for reading
};

/// What Error::expected says of a file that another program's lock keeps from being locked: for
/// kShared and for kExclusive.
inline constexpr std::string_view kNotOpenForWriting = "not open for writing";
inline constexpr std::string_view kNotOpen = "not open";

class VHDXKIT_EXPORT File {
 public:
  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  virtual ~File() = default;

  /// The name for messages: the path it was opened by.
  virtual const std::string& name() const = 0;
  /// The path of the open file without symbolic links, "." and "..". The search for parents starts
  /// there. Errors: kNotFound (the file has been removed), kUnsupported (it has none), kIo.
  /// Default: kUnsupported.
  virtual Result<std::string> RealPath() const;
  /// Default: each File is the only one of its file.
  virtual FileIdentity identity() const;
  /// Default: those of a file that can only be read.
  virtual const FileCapabilities& capabilities() const;
  /// A descriptor of the operating system whose bytes are those of this file, at the same offsets,
  /// so that extents can be shared with another file of the host. It stays open as long as this
  /// File. Default: none.
  virtual std::optional<int> HostDescriptor() const { return std::nullopt; }

  /// Fills the buffers in order from file_offset on. Returns the number of bytes read, which is
  /// smaller than requested only at the end of the file. Errors: kIo.
  virtual Result<size_t> ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) = 0;
  /// Writes the buffers in order from file_offset on; the file grows if they reach past its end.
  /// Errors: kIo, kNoSpace, kReadOnly, kInvalidArgument (see io_alignment); some of the bytes may
  /// then have been written.
  virtual Result<void> WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers);
  /// Makes durable everything that had been written when it was called, and the file's length.
  /// Errors: kIo, kNoSpace.
  virtual Result<void> Sync();

  /// Length in bytes. Errors: kIo.
  virtual Result<uint64_t> Size() = 0;
  /// Number of bytes that the host has allocated for the file. Errors: kIo. Default: Size.
  virtual Result<uint64_t> AllocatedBytes() { return Size(); }
  /// Number of bytes that the file system has left for this user, if it is known.
  virtual std::optional<uint64_t> FreeBytes() { return std::nullopt; }
  /// Truncates or extends the file to length_bytes. Errors: kIo, kNoSpace, kReadOnly, kUnsupported.
  virtual Result<void> Resize(uint64_t length_bytes);
  /// Makes the range read as zeros and keeps it allocated if the host supports that. Errors: those
  /// of WriteAt.
  virtual Result<void> ZeroRange(FileRange range);
  /// Makes the range read as zeros and frees its space. Errors: kUnsupported if the host cannot,
  /// and then nothing has changed; kIo, kReadOnly.
  virtual Result<void> PunchHole(FileRange range);
  /// Writes the bytes of `source` at file_offset by sharing them (reflink) instead of copying.
  /// Errors: kUnsupported if the files or the alignment do not allow it, and then nothing has
  /// changed; kIo, kNoSpace, kReadOnly.
  virtual Result<void> CloneRange(uint64_t file_offset, File& source, FileRange source_range);

  /// The first offset at or after file_offset that is data, or Size() if only a hole follows or
  /// file_offset is past the end. Errors: kIo. Default: the whole file is data.
  virtual Result<uint64_t> NextData(uint64_t file_offset);
  /// The first offset at or after file_offset that is in a hole; the end of the file counts as one.
  /// Errors: kIo. Default: Size.
  virtual Result<uint64_t> NextHole(uint64_t file_offset);

  /// Says that reads of this file do not follow each other: the host then reads nothing ahead, and
  /// what it caches, it caches in small pages, in which overwriting a few KiB costs little. Returns
  /// false, and changes nothing, if that makes no difference on this file system.
  virtual bool AdviseRandomAccess() { return false; }
  /// Lets the host start reading a range into its page cache, and does not wait for it. Advice:
  /// what fails is not reported.
  virtual void ReadAhead(FileRange) {}

  /// Takes the lock, or changes the one that is held, without waiting: at no moment between is
  /// nothing locked. kNone gives it back, as destroying the File does. After an error the lock is
  /// as it was. Errors: kBusy (the sentence names the holder if it is known; Error::expected is
  /// kNotOpenForWriting or kNotOpen); kUnsupported if the file system has no locks: such a file can
  /// be read, and written only with LockPolicy::kIgnore.
  virtual Result<void> Lock(LockMode mode);

  // Provided for every implementation.
  Result<size_t> ReadAt(uint64_t file_offset, MutableByteSpan buffer) {
    return ReadAt(file_offset, std::span<const MutableByteSpan>(&buffer, 1));
  }
  /// Fills the whole buffer. Errors: those of ReadAt; kCorrupt with rule "file.truncated" if the
  /// file ends before that.
  // Inlined, because one call more costs a hundredth of a small read.
  [[gnu::always_inline]] Result<void> ReadExactAt(uint64_t file_offset, MutableByteSpan buffer) {
    Result<size_t> read = ReadAt(file_offset, buffer);
    if (read && *read == buffer.size()) return {};
    return FailedToRead({file_offset, buffer.size()}, std::move(read));
  }
  /// The same for several buffers, which have length_bytes together.
  [[gnu::always_inline]] Result<void> ReadExactAt(uint64_t file_offset,
                                                  std::span<const MutableByteSpan> buffers,
                                                  uint64_t length_bytes) {
    Result<size_t> read = ReadAt(file_offset, buffers);
    if (read && *read == length_bytes) return {};
    return FailedToRead({file_offset, length_bytes}, std::move(read));
  }
  Result<void> WriteAt(uint64_t file_offset, ByteSpan buffer) {
    return WriteAt(file_offset, std::span<const ByteSpan>(&buffer, 1));
  }

 private:
  /// The error for a read that did not fill the range.
  std::unexpected<Error> FailedToRead(FileRange range, Result<size_t> read) const;
};

enum class FileAccess : uint8_t { kReadOnly, kReadWrite };
enum class FileCreation : uint8_t {
  kExisting,  ///< the file must exist
  kNew,       ///< the file must not exist; it is created
};

struct OpenFileOptions {
  FileAccess access = FileAccess::kReadOnly;
  FileCreation creation = FileCreation::kExisting;
  bool direct =
      false;  ///< O_DIRECT: bypass the host's page cache; see FileCapabilities::io_alignment
  /// kNew: the path of another file, such as the one that this is meant to replace. If it exists,
  /// the new file gets its permissions and, if the host allows it, its owner.
  std::string_view access_of = {};
  /// With access_of: the owner may write the new file even if that one is read-only.
  bool owner_may_write = false;
  /// What File::name is to say instead of the path: the name that people know the file by, where it
  /// is opened under a temporary one.
  std::string_view known_as = {};
};

enum class RenameMode : uint8_t { kRefuseExisting, kReplace };

/// What the engine needs from a file system. Paths are those of the host, with '/' as separator.
/// Any function may be called from any thread at any time. A FileSystem that only reads implements
/// Open, RealPath, List and IsFolder; from the others it returns kUnsupported.
class VHDXKIT_EXPORT FileSystem {
 public:
  FileSystem() = default;
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;
  virtual ~FileSystem() = default;

  /// Opens a file. Errors: kNotFound, kPermission, kExists, kUnsupported (a directory, socket or
  /// pipe), kBusy (a block device that is in use and is opened for writing), kIo.
  virtual Result<std::unique_ptr<File>> Open(const std::string& path,
                                             const OpenFileOptions& options) = 0;
  /// The path without symbolic links, "." and "..". Does not open the file. Errors: kNotFound,
  /// kPermission, kIo.
  virtual Result<std::string> RealPath(const std::string& path) = 0;
  /// The names (not paths) of at most `limit` entries of a directory, in byte order. Errors:
  /// kNotFound, kPermission, kIo.
  virtual Result<std::vector<std::string>> List(const std::string& folder, size_t limit) = 0;
  /// Returns whether the path is a directory. Errors: kNotFound, kPermission, kIo.
  virtual Result<bool> IsFolder(const std::string& path) = 0;
  /// Renames a file atomically. Errors: kExists (kRefuseExisting, and `to` exists), kNotFound,
  /// kPermission, kIo.
  virtual Result<void> Rename(const std::string& from, const std::string& to, RenameMode mode);
  /// Errors: kNotFound, kPermission, kIo.
  virtual Result<void> Remove(const std::string& path);
  /// Makes the entries of a directory durable, that is, the effects of Open, Rename and Remove.
  /// Errors: kIo.
  virtual Result<void> SyncFolder(const std::string& folder);

  /// Fills the buffer with random bytes, for GUIDs; nobody must be able to guess them, and none may
  /// come twice. Errors: kIo. Default: the operating system's.
  virtual Result<void> FillRandom(MutableByteSpan bytes);
};

/// The files of the operating system (Linux).
class VHDXKIT_EXPORT HostFileSystem final : public FileSystem {
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
