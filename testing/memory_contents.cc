#include "testing/memory_contents.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <utility>

#include "bytes/arithmetic.h"
#include "testing/page_parts.h"

namespace vhdx::testing {
namespace {

uint64_t NextInode() {
  static std::atomic<uint64_t> last = 0;
  return ++last;
}

}  // namespace

MemoryContents::MemoryContents() : inode_(NextInode()) {}

MemoryContents::MemoryContents(ByteSpan bytes) : inode_(NextInode()) { Write(0, bytes); }

std::shared_ptr<MemoryContents> MemoryContents::Copy() const {
  auto copy = std::make_shared<MemoryContents>();
  const std::shared_lock lock(mutex_);
  for (const auto& [number, page] : pages_) {
    copy->pages_.emplace(number, std::make_unique<Page>(*page));
  }
  copy->size_ = size_;
  return copy;
}

uint64_t MemoryContents::size() const {
  const std::shared_lock lock(mutex_);
  return size_;
}

uint64_t MemoryContents::allocated_bytes() const {
  const std::shared_lock lock(mutex_);
  return pages_.size() * kPageBytes;
}

std::vector<std::byte> MemoryContents::Bytes(FileRange range) const {
  const uint64_t end = size();
  const uint64_t start = std::min(range.file_offset, end);
  std::vector<std::byte> bytes(std::min(range.length_bytes, end - start));
  bytes.resize(Read(start, bytes));
  return bytes;
}

size_t MemoryContents::Read(uint64_t offset, MutableByteSpan buffer) const {
  const std::shared_lock lock(mutex_);
  if (offset >= size_) return 0;
  const uint64_t length = std::min<uint64_t>(buffer.size(), size_ - offset);
  ForEachPage<kPageBytes>({offset, length}, [&](const PagePart& part) {
    const auto found = pages_.find(part.page);
    const MutableByteSpan target = buffer.subspan(part.done, part.length);
    if (found == pages_.end()) {
      std::memset(target.data(), 0, target.size());
    } else {
      std::memcpy(target.data(), found->second->data() + part.start, part.length);
    }
  });
  return length;
}

void MemoryContents::Write(uint64_t offset, ByteSpan buffer) {
  const std::unique_lock lock(mutex_);
  if (buffer.empty()) return;
  ForEachPage<kPageBytes>({offset, buffer.size()}, [&](const PagePart& part) {
    std::unique_ptr<Page>& page = pages_[part.page];
    if (page == nullptr) page = std::make_unique<Page>();
    std::memcpy(page->data() + part.start, buffer.data() + part.done, part.length);
  });
  size_ = std::max(size_, offset + buffer.size());
}

void MemoryContents::Resize(uint64_t size) {
  const std::unique_lock lock(mutex_);
  if (size < size_) {
    ClearWithin({size, AlignUp(size, kPageBytes) - size});
    DropPages(DivideRoundingUp(size, kPageBytes), UINT64_MAX);
  }
  size_ = size;
}

void MemoryContents::Zero(FileRange range) {
  const std::unique_lock lock(mutex_);
  ClearWithin(range);
  size_ = std::max(size_, range.file_offset + range.length_bytes);
}

void MemoryContents::Punch(FileRange range) {
  const std::unique_lock lock(mutex_);
  ClearWithin(range);
  const uint64_t first = DivideRoundingUp(range.file_offset, kPageBytes);
  const uint64_t end = (range.file_offset + range.length_bytes) / kPageBytes;
  if (first < end) DropPages(first, end);
}

/// Zeroes what of the range is in pages; touches only pages that there are.
void MemoryContents::ClearWithin(FileRange range) {
  const uint64_t end = range.file_offset + range.length_bytes;
  for (auto it = pages_.lower_bound(range.file_offset / kPageBytes);
       it != pages_.end() && it->first * kPageBytes < end; ++it) {
    const uint64_t page_offset = it->first * kPageBytes;
    const uint64_t from = std::max(range.file_offset, page_offset) - page_offset;
    const uint64_t to = std::min(end, page_offset + kPageBytes) - page_offset;
    if (from < to) std::memset(it->second->data() + from, 0, to - from);
  }
}

void MemoryContents::DropPages(uint64_t first_page, uint64_t end_page) {
  pages_.erase(pages_.lower_bound(first_page), pages_.lower_bound(end_page));
}

uint64_t MemoryContents::NextData(uint64_t offset) const {
  const std::shared_lock lock(mutex_);
  const auto next = pages_.lower_bound(offset / kPageBytes);
  if (next == pages_.end()) return size_;
  return std::min(size_, std::max(offset, next->first * kPageBytes));
}

uint64_t MemoryContents::NextHole(uint64_t offset) const {
  const std::shared_lock lock(mutex_);
  uint64_t page = offset / kPageBytes;
  if (!pages_.contains(page)) return std::min(size_, offset);
  for (auto it = pages_.find(page); it != pages_.end() && it->first == page; ++it) ++page;
  return std::min(size_, page * kPageBytes);
}

bool MemoryContents::HasBytesOf(const MemoryContents& other) const {
  if (this == &other) return true;
  // Both at once: another thread may compare the two the other way round.
  std::shared_lock lock(mutex_, std::defer_lock);
  std::shared_lock other_lock(other.mutex_, std::defer_lock);
  std::lock(lock, other_lock);
  if (size_ != other.size_) return false;
  static constexpr Page kZeros = {};
  // Pages that one of them has, the other may have as a hole.
  const auto all_in = [](const auto& pages, const auto& others) {
    return std::ranges::all_of(pages, [&](const auto& entry) {
      const auto found = others.find(entry.first);
      return *entry.second == (found == others.end() ? kZeros : *found->second);
    });
  };
  return all_in(pages_, other.pages_) && all_in(other.pages_, pages_);
}

bool MemoryContents::TakeLock(const void* owner, LockBytes wanted) {
  const std::unique_lock lock(mutex_);
  const bool contradicted = std::ranges::any_of(locks_, [&](const auto& held) {
    return held.first != owner &&
           ((held.second.used & wanted.unshared) != 0 || (held.second.unshared & wanted.used) != 0);
  });
  if (contradicted) return false;
  locks_[owner] = wanted;
  return true;
}

void MemoryContents::ReleaseLock(const void* owner) {
  const std::unique_lock lock(mutex_);
  locks_.erase(owner);
}

std::string MemoryContents::path() const {
  const std::shared_lock lock(mutex_);
  return path_;
}

void MemoryContents::set_path(std::string path) {
  const std::unique_lock lock(mutex_);
  path_ = std::move(path);
}

}  // namespace vhdx::testing
