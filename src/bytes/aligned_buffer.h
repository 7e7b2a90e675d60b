// Memory aligned to a page, or as a file with direct I/O requires. The kernel copies into it
// several times as fast as into unaligned memory, so whatever moves much data through a buffer uses
// one.

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

  /// Not initialized. Fails like a vector if memory runs out.
  explicit AlignedBuffer(size_t length_bytes)
      : memory_(static_cast<std::byte*>(::operator new(length_bytes, std::align_val_t(kPageBytes))),
                Free{kPageBytes}),
        length_bytes_(length_bytes) {}
  /// The same for lengths that a caller chose: if memory runs out, it is not ok() and has no bytes.
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
