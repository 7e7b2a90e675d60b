// Requests whose bytes are scattered over several buffers.

#ifndef VHDXKIT_BYTES_BUFFER_CURSOR_H_
#define VHDXKIT_BYTES_BUFFER_CURSOR_H_

#include <vhdxkit/file.h>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vhdx {

/// The bytes of all buffers together.
template <typename Span>
uint64_t TotalBytes(std::span<const Span> buffers) {
  uint64_t total = 0;
  for (const Span& buffer : buffers) total += buffer.size();
  return total;
}

/// Hands out the bytes of a request piece by piece. `Span` is ByteSpan or MutableByteSpan. The
/// buffers outlive the cursor. Allocates only for a piece that lies in more than one buffer.
template <typename Span>
class BufferCursor {
 public:
  explicit BufferCursor(std::span<const Span> buffers) : buffers_(buffers) {}

  /// The next `length` bytes, of which there must be so many; valid until the next call.
  std::span<const Span> Take(uint64_t length) {
    SkipEmpty();
    if (length == 0) return {};
    assert(next_ < buffers_.size());
    if (buffers_[next_].size() - used_ >= length) {
      single_ = TakeFromCurrent(length);
      return {&single_, 1};
    }
    several_.clear();
    while (length > 0) {
      SkipEmpty();
      assert(next_ < buffers_.size());
      const uint64_t part = std::min<uint64_t>(length, buffers_[next_].size() - used_);
      several_.push_back(TakeFromCurrent(part));
      length -= part;
    }
    return several_;
  }

 private:
  Span TakeFromCurrent(uint64_t length) {
    const Span taken = buffers_[next_].subspan(used_, length);
    used_ += length;
    return taken;
  }
  void SkipEmpty() {
    while (next_ < buffers_.size() && used_ == buffers_[next_].size()) {
      ++next_;
      used_ = 0;
    }
  }

  const std::span<const Span> buffers_;
  size_t next_ = 0;
  size_t used_ = 0;  // bytes of the next buffer that were handed out
  Span single_ = {};
  std::vector<Span> several_ = {};
};

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_BUFFER_CURSOR_H_
