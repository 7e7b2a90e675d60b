#include "testing/page_image.h"

#include <algorithm>
#include <cstring>

#include "bytes/arithmetic.h"
#include "testing/page_parts.h"

namespace vhdx::testing {
namespace {

constexpr uint64_t kPage = PageImage::kPageBytes;
constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15;

uint64_t Scramble(uint64_t value) {
  value = (value ^ (value >> 32)) * 0xD6E8FEB86659FD93;
  return value ^ (value >> 32);
}

}  // namespace

Result<PageImage> PageImage::Load(File& file) {
  auto size = file.Size();
  if (!size) return std::unexpected(std::move(size.error()));
  PageImage image;
  image.size_ = *size;
  std::vector<std::byte> buffer;
  for (uint64_t at = 0; at < *size;) {
    const auto data = file.NextData(at);
    if (!data) return std::unexpected(data.error());
    if (*data >= *size) break;
    const auto hole = file.NextHole(*data);
    if (!hole) return std::unexpected(hole.error());
    buffer.resize(std::min(*hole, *size) - *data);
    if (auto read = file.ReadExactAt(*data, buffer); !read) return std::unexpected(read.error());
    image.Write(*data, buffer);
    at = *data + buffer.size();
  }
  return image;
}

size_t PageImage::FirstSlotFrom(uint64_t number) const {
  return static_cast<size_t>(std::ranges::lower_bound(slots_, number, {}, &Slot::number) -
                             slots_.begin());
}

const PageImage::Page* PageImage::Find(uint64_t number) const {
  const size_t slot = FirstSlotFrom(number);
  return slot < slots_.size() && slots_[slot].number == number ? slots_[slot].page.get() : nullptr;
}

// -- Reading --

size_t PageImage::Read(uint64_t offset, MutableByteSpan buffer) const {
  if (offset >= size_) return 0;
  const uint64_t length = std::min<uint64_t>(buffer.size(), size_ - offset);
  size_t slot = FirstSlotFrom(offset / kPage);
  ForEachPage<kPage>({offset, length}, [&](const PagePart& part) {
    const MutableByteSpan target = buffer.subspan(part.done, part.length);
    while (slot < slots_.size() && slots_[slot].number < part.page) ++slot;
    if (slot < slots_.size() && slots_[slot].number == part.page) {
      std::memcpy(target.data(), slots_[slot].page->bytes.data() + part.start, part.length);
    } else {
      std::memset(target.data(), 0, part.length);
    }
  });
  return length;
}

std::vector<std::byte> PageImage::Bytes(FileRange range) const {
  std::vector<std::byte> bytes(range.length_bytes);
  bytes.resize(Read(range.file_offset, bytes));
  return bytes;
}

uint64_t PageImage::NextData(uint64_t offset) const {
  const size_t slot = FirstSlotFrom(offset / kPage);
  if (slot == slots_.size()) return size_;
  return std::min(size_, std::max(offset, slots_[slot].number * kPage));
}

uint64_t PageImage::NextHole(uint64_t offset) const {
  uint64_t page = offset / kPage;
  size_t slot = FirstSlotFrom(page);
  if (slot == slots_.size() || slots_[slot].number != page) return std::min(size_, offset);
  for (; slot < slots_.size() && slots_[slot].number == page; ++slot) ++page;
  return std::min(size_, page * kPage);
}

// -- Changing --

std::array<std::byte, kPage>& PageImage::BytesForWriting(uint64_t number) {
  const size_t slot = FirstSlotFrom(number);
  if (slot == slots_.size() || slots_[slot].number != number) {
    slots_.insert(slots_.begin() + static_cast<ptrdiff_t>(slot),
                  Slot{number, std::make_shared<Page>()});
  } else if (slots_[slot].page.use_count() != 1) {
    auto copy = std::make_shared<Page>();
    copy->bytes = slots_[slot].page->bytes;
    slots_[slot].page = std::move(copy);
  }
  Page& page = *slots_[slot].page;
  page.hash = kUnknownHash;
  return page.bytes;
}

void PageImage::Write(uint64_t offset, ByteSpan bytes) {
  ForEachPage<kPage>({offset, bytes.size()}, [&](const PagePart& part) {
    std::memcpy(BytesForWriting(part.page).data() + part.start, bytes.data() + part.done,
                part.length);
  });
}

void PageImage::DropPages(uint64_t first, uint64_t end) {
  slots_.erase(slots_.begin() + static_cast<ptrdiff_t>(FirstSlotFrom(first)),
               slots_.begin() + static_cast<ptrdiff_t>(FirstSlotFrom(end)));
}

void PageImage::Zero(FileRange range) {
  const uint64_t end = range.file_offset + range.length_bytes;
  const uint64_t first_whole = DivideRoundingUp(range.file_offset, kPage);
  if (first_whole < end / kPage) DropPages(first_whole, end / kPage);
  const auto clear = [&](uint64_t from, uint64_t to) {
    if (from >= to || Find(from / kPage) == nullptr) return;
    std::memset(BytesForWriting(from / kPage).data() + from % kPage, 0, to - from);
  };
  clear(range.file_offset, std::min(end, first_whole * kPage));
  if (end / kPage >= first_whole) clear(end / kPage * kPage, end);
}

void PageImage::PutShared(uint64_t number, const std::shared_ptr<Page>& page) {
  const size_t slot = FirstSlotFrom(number);
  if (slot < slots_.size() && slots_[slot].number == number) {
    slots_[slot].page = page;
  } else {
    slots_.insert(slots_.begin() + static_cast<ptrdiff_t>(slot), Slot{number, page});
  }
}

void PageImage::FillWithJunk(FileRange range) {
  static const std::shared_ptr<Page> junk = [] {
    auto page = std::make_shared<Page>();
    page->bytes.fill(std::byte{0xA5});
    return page;
  }();
  ForEachPage<kPage>(range, [&](const PagePart& part) {
    if (part.length == kPage) {
      PutShared(part.page, junk);
    } else {
      std::memset(BytesForWriting(part.page).data() + part.start, 0xA5, part.length);
    }
  });
}

void PageImage::SetSize(uint64_t size) {
  if (size < size_) Zero({size, size_ - size});
  size_ = size;
}

void PageImage::DropPastEnd() {
  DropPages(DivideRoundingUp(size_, kPage), UINT64_MAX);
  if (!IsAligned(size_, kPage)) Zero({size_, kPage - size_ % kPage});
}

// -- Hashing --

uint64_t PageImage::HashOf(const Page& page) {
  const uint64_t known = page.hash.load(std::memory_order_relaxed);
  if (known != kUnknownHash) return known;
  std::array<uint64_t, 4> lanes = {1, 2, 3, 4};
  uint64_t any = 0;
  for (size_t at = 0; at < kPage; at += sizeof(lanes)) {
    std::array<uint64_t, 4> words;
    std::memcpy(words.data(), page.bytes.data() + at, sizeof(words));
    for (size_t i = 0; i < lanes.size(); ++i) {
      any |= words[i];
      lanes[i] = (lanes[i] ^ words[i]) * kMultiplier;
      lanes[i] ^= lanes[i] >> 29;
    }
  }
  // A page of zeros is the same as none.
  const uint64_t hash = any == 0 ? 0
                                 : Scramble(lanes[0]) + Scramble(lanes[1] + 1) * 3 +
                                       Scramble(lanes[2] + 2) * 5 + lanes[3];
  page.hash.store(hash, std::memory_order_relaxed);
  return hash;
}

uint64_t PageImage::Hash() const {
  uint64_t sum = Scramble(size_ + kMultiplier);
  for (const Slot& slot : slots_) {
    const uint64_t hash = HashOf(*slot.page);
    if (hash != 0) sum += Scramble(hash ^ Scramble((slot.number + 1) * kMultiplier));
  }
  return sum;
}

}  // namespace vhdx::testing
