// Memory that begins at a page, or at what a file with direct I/O wants. The kernel copies into it
// several times as fast as into memory that does not, so that whatever passes much data through a
// buffer has it in one of these.

#ifndef VHDXKIT_BYTES_ALIGNED_BUFFER_H_
#define VHDXKIT_BYTES_ALIGNED_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

namespace vhdx {

class AlignedBuffer {
 public:
  static constexpr size_t kPageBytes = 4096;

  /// Not initialised. Without memory it fails as a vector does.
  explicit AlignedBuffer(size_t length_bytes)
      : memory_(static_cast<std::byte*>(::operator new(length_bytes, std::align_val_t(kPageBytes))),
                Free{kPageBytes}),
        length_bytes_(length_bytes) {}
  /// The same for lengths that a caller chose: without memory it is not ok() and has no bytes.
  /// `alignment` is a power of two.
  AlignedBuffer(size_t length_bytes, size_t alignment, const std::nothrow_t&)
      : memory_(static_cast<std::byte*>(
                    ::operator new(length_bytes, std::align_val_t(alignment), std::nothrow)),
                Free{alignment}),
        length_bytes_(memory_ == nullptr ? 0 : length_bytes) {}

  bool ok() const { return memory_ != nullptr; }
  std::span<std::byte> bytes() const { return {memory_.get(), length_bytes_}; }

 private:
  struct Free {
    size_t alignment;
    void operator()(std::byte* memory) const {
      ::operator delete(memory, std::align_val_t(alignment));
    }
  };
  std::unique_ptr<std::byte, Free> memory_;
  size_t length_bytes_;
};

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_ALIGNED_BUFFER_H_
