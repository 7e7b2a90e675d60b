// The bytes of a file as a value that is cheap to copy: copies share their pages until one of them
// changes. For tests that make a hundred thousand files out of one.
//
// A page that is not there reads as zeros. One image belongs to one thread; images that share pages
// may be used by different threads.

#ifndef VHDXKIT_TESTING_PAGE_IMAGE_H_
#define VHDXKIT_TESTING_PAGE_IMAGE_H_

#include <vhdxkit/file.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace vhdx::testing {

class PageImage {
 public:
  static constexpr uint64_t kPageBytes = 4096;

  PageImage() = default;
  /// All of a file.
  static Result<PageImage> Load(File& file);

  uint64_t size() const { return size_; }
  uint64_t allocated_bytes() const { return slots_.size() * kPageBytes; }

  /// Fills the buffer up to the end of the file; returns how many bytes that were.
  size_t Read(uint64_t offset, MutableByteSpan buffer) const;
  std::vector<std::byte> Bytes(FileRange range) const;

  // Bytes may stand past the end: they are seen only once SetSize has moved the end behind them.

  void Write(uint64_t offset, ByteSpan bytes);
  /// Zeros, as a hole where a page lies wholly in the range.
  void Zero(FileRange range);
  /// Bytes that nobody wrote, and that nobody may see: what a disk held before.
  void FillWithJunk(FileRange range);
  /// What lay between the new end and the old one is gone.
  void SetSize(uint64_t size);
  /// Forgets bytes past the end.
  void DropPastEnd();

  uint64_t NextData(uint64_t offset) const;
  uint64_t NextHole(uint64_t offset) const;

  /// Equal for equal bytes and lengths, however they came to be; pages are hashed once.
  uint64_t Hash() const;

 private:
  struct Page {
    std::array<std::byte, kPageBytes> bytes = {};
    mutable std::atomic<uint64_t> hash = kUnknownHash;
  };
  struct Slot {
    uint64_t number;
    std::shared_ptr<Page> page;  // changed only while nobody else holds it
  };
  static constexpr uint64_t kUnknownHash = UINT64_MAX;

  static uint64_t HashOf(const Page& page);
  size_t FirstSlotFrom(uint64_t number) const;
  const Page* Find(uint64_t number) const;
  std::array<std::byte, kPageBytes>& BytesForWriting(uint64_t number);
  void PutShared(uint64_t number, const std::shared_ptr<Page>& page);
  void DropPages(uint64_t first, uint64_t end);

  std::vector<Slot> slots_;  // by number
  uint64_t size_ = 0;
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_PAGE_IMAGE_H_
