// Counts the bytes that a program has allocated, and their peak. Include it in one source of a
// program and no more: it defines operator new and delete.
//
// Under a sanitizer, which brings its own, nothing is counted.

#ifndef VHDXKIT_TESTS_ALLOCATION_COUNTER_H_
#define VHDXKIT_TESTS_ALLOCATION_COUNTER_H_

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VHDX_ALLOCATIONS_ARE_COUNTED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define VHDX_ALLOCATIONS_ARE_COUNTED 0
#endif
#endif
#ifndef VHDX_ALLOCATIONS_ARE_COUNTED
#define VHDX_ALLOCATIONS_ARE_COUNTED 1
#endif

namespace vhdx::tests {

inline constexpr bool kAllocationsAreCounted = VHDX_ALLOCATIONS_ARE_COUNTED;

class AllocationCounter {
 public:
  /// The peak is what there is now.
  static void Reset() { peak_ = current_.load(); }
  /// Bytes that were allocated at once since then, above those that are allocated now.
  static uint64_t PeakSince(uint64_t start) {
    const uint64_t peak = peak_.load();
    return peak > start ? peak - start : 0;
  }
  static uint64_t current() { return current_; }

  static void* Count(void* memory) {
    if (memory == nullptr) throw std::bad_alloc();
    const uint64_t now = current_ += malloc_usable_size(memory);
    uint64_t peak = peak_;
    while (now > peak && !peak_.compare_exchange_weak(peak, now)) {
    }
    return memory;
  }
  // Not inlined: the compiler would see free() at the end of a new.
  [[gnu::noinline]] static void Free(void* memory) {
    current_ -= malloc_usable_size(memory);
    std::free(memory);
  }

 private:
  static inline std::atomic<uint64_t> current_ = 0;
  static inline std::atomic<uint64_t> peak_ = 0;
};

}  // namespace vhdx::tests

#if VHDX_ALLOCATIONS_ARE_COUNTED

void* operator new(size_t size) {
  return vhdx::tests::AllocationCounter::Count(std::malloc(std::max<size_t>(size, 1)));
}
void* operator new(size_t size, std::align_val_t alignment) {
  const auto align = static_cast<size_t>(alignment);
  return vhdx::tests::AllocationCounter::Count(
      std::aligned_alloc(align, (std::max<size_t>(size, 1) + align - 1) / align * align));
}
void operator delete(void* memory) noexcept { vhdx::tests::AllocationCounter::Free(memory); }
void operator delete(void* memory, size_t) noexcept {
  vhdx::tests::AllocationCounter::Free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  vhdx::tests::AllocationCounter::Free(memory);
}
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  vhdx::tests::AllocationCounter::Free(memory);
}

#endif

#endif  // VHDXKIT_TESTS_ALLOCATION_COUNTER_H_
