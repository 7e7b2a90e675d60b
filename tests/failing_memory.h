// An operator new that fails when a test wants it to. Include it in one source of a program and no
// more: it defines operator new and delete.

#ifndef VHDXKIT_TESTS_FAILING_MEMORY_H_
#define VHDXKIT_TESTS_FAILING_MEMORY_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace vhdx::tests {

enum class MemoryFailure : uint8_t {
  kOnce,     ///< one call fails
  kForGood,  ///< so do all after it
};

class FailingMemory {
 public:
  /// The n-th call of operator new from now on fails, on whatever thread it comes; 1 is the next.
  static void Start(int64_t call, MemoryFailure how) {
    has_failed_ = false;
    for_good_ = how == MemoryFailure::kForGood;
    calls_left_ = call;
    counting_ = true;
  }
  /// From now on none fails. Returns whether one has failed.
  static bool Stop() {
    counting_ = false;
    return has_failed_;
  }

  static void* Allocate(size_t size, size_t alignment) {
    if (counting_.load(std::memory_order_relaxed) && Fails()) return nullptr;
    size = std::max<size_t>(size, 1);
    if (alignment <= alignof(std::max_align_t)) return std::malloc(size);
    return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  }
  static void* AllocateOrThrow(size_t size, size_t alignment) {
    void* const memory = Allocate(size, alignment);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
  }
  // Not inlined: the compiler would see free() at the end of a new.
  [[gnu::noinline]] static void Release(void* memory) { std::free(memory); }

 private:
  static bool Fails() {
    const int64_t left = calls_left_.fetch_sub(1);
    if (left > 1 || (left < 1 && !for_good_)) return false;
    has_failed_ = true;
    return true;
  }

  static inline std::atomic<bool> counting_ = false;
  static inline std::atomic<bool> for_good_ = false;
  static inline std::atomic<bool> has_failed_ = false;
  static inline std::atomic<int64_t> calls_left_ = 0;
};

}  // namespace vhdx::tests

void* operator new(size_t size) { return vhdx::tests::FailingMemory::AllocateOrThrow(size, 1); }
void* operator new(size_t size, std::align_val_t alignment) {
  return vhdx::tests::FailingMemory::AllocateOrThrow(size, static_cast<size_t>(alignment));
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return vhdx::tests::FailingMemory::Allocate(size, 1);
}
void* operator new(size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return vhdx::tests::FailingMemory::Allocate(size, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept { vhdx::tests::FailingMemory::Release(memory); }
void operator delete(void* memory, size_t) noexcept { vhdx::tests::FailingMemory::Release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept {
  vhdx::tests::FailingMemory::Release(memory);
}
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  vhdx::tests::FailingMemory::Release(memory);
}

#endif  // VHDXKIT_TESTS_FAILING_MEMORY_H_
