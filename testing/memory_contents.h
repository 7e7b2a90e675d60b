// The bytes of a file in memory, sparse: a file of 64 TiB that holds a few MiB costs a few MiB.
//
// Several MemoryFiles may stand on the same contents, as several opens of one path do. Every
// function may be called from any thread.

#ifndef VHDXKIT_TESTING_MEMORY_CONTENTS_H_
#define VHDXKIT_TESTING_MEMORY_CONTENTS_H_

#include <vhdxkit/file.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "io/posix_lock.h"

namespace vhdx::testing {

class MemoryContents {
 public:
  static constexpr uint64_t kPageBytes = 4096;  ///< what holes are made of
  static constexpr uint64_t kMaxBytes = INT64_MAX;

  MemoryContents();
  explicit MemoryContents(ByteSpan bytes);
  /// A copy of the bytes and holes as they are now: another file, without locks.
  std::shared_ptr<MemoryContents> Copy() const;

  FileIdentity identity() const { return {.device = 0, .inode = inode_}; }
  uint64_t size() const;
  uint64_t allocated_bytes() const;
  /// Bytes up to the end of the contents; what lies beyond is not there.
  std::vector<std::byte> Bytes(FileRange range) const;
  std::vector<std::byte> Bytes() const { return Bytes({0, size()}); }

  /// Fills the buffer up to the end of the contents; returns how many bytes that were.
  size_t Read(uint64_t offset, MutableByteSpan buffer) const;
  void Write(uint64_t offset, ByteSpan buffer);
  void Resize(uint64_t size);
  /// Grows the contents where the range reaches past their end.
  void Zero(FileRange range);
  /// Pages that lie wholly in the range become holes; the size stays.
  void Punch(FileRange range);
  uint64_t NextData(uint64_t offset) const;
  uint64_t NextHole(uint64_t offset) const;
  /// Whether both have the same length and bytes, wherever they have holes.
  bool HasBytesOf(const MemoryContents& other) const;

  /// What `owner` holds becomes `wanted`, unless that contradicts what others hold.
  bool TakeLock(const void* owner, LockBytes wanted);
  void ReleaseLock(const void* owner);

  /// The path that leads here now, for RealPath; empty once it is removed.
  std::string path() const;
  void set_path(std::string path);

 private:
  using Page = std::array<std::byte, kPageBytes>;

  void ClearWithin(FileRange range);
  void DropPages(uint64_t first_page, uint64_t end_page);

  const uint64_t inode_;
  mutable std::shared_mutex mutex_;  // guards everything below
  std::map<uint64_t, std::unique_ptr<Page>> pages_;
  uint64_t size_ = 0;
  std::map<const void*, LockBytes> locks_;
  std::string path_;
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_MEMORY_CONTENTS_H_
