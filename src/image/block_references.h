// Who uses a block of an image that is being written.
//
// A request holds a reference to a block from the moment it looks up where the block is to the end
// of its I/O. Shared references exist side by side; whoever allocates or frees a block holds the
// only one. A reference belongs to no thread: one thread may take it and another give it back.
// Blocks are counted together in stripes, so that a reference to one block may have to wait for one
// to another; nobody takes a second while holding one, except with TryShare.

#ifndef VHDXKIT_IMAGE_BLOCK_REFERENCES_H_
#define VHDXKIT_IMAGE_BLOCK_REFERENCES_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace vhdx {

/// Holds a block until it is destroyed.
class BlockReference {
 public:
  BlockReference() = default;
  BlockReference(BlockReference&& other) noexcept
      : word_(std::exchange(other.word_, nullptr)), is_only_(other.is_only_) {}
  BlockReference& operator=(BlockReference&& other) noexcept {
    BlockReference(std::move(other)).Swap(*this);
    return *this;
  }
  ~BlockReference() {
    if (word_ != nullptr) Release();
  }

  /// Whether it holds a block.
  explicit operator bool() const { return word_ != nullptr; }

 private:
  friend class BlockReferences;
  using Word = std::atomic<uint32_t>;

  BlockReference(Word& word, bool is_only) : word_(&word), is_only_(is_only) {}
  void Swap(BlockReference& other) noexcept {
    std::swap(word_, other.word_);
    std::swap(is_only_, other.is_only_);
  }
  void Release();

  Word* word_ = nullptr;
  bool is_only_ = false;
};

class BlockReferences {
 public:
  /// Waits until nobody holds the block alone, or waits to do so.
  BlockReference Share(uint64_t block) {
    Word& word = WordOf(block);
    if ((word.fetch_add(1, std::memory_order_acquire) & kNotShared) != 0) [[unlikely]] {
      ShareSlowly(word);
    }
    return {word, false};
  }
  /// Does not wait; holds nothing if it would have to.
  BlockReference TryShare(uint64_t block);
  /// Waits until nobody else holds the block.
  BlockReference Exclude(uint64_t block);

 private:
  friend class BlockReference;
  using Word = BlockReference::Word;

  // The rest of a word is the number of shared references.
  static constexpr uint32_t kHeldAlone = 1U << 31;
  static constexpr uint32_t kWantedAlone = 1U << 30;  // shared references wait meanwhile
  static constexpr uint32_t kNotShared = kHeldAlone | kWantedAlone;
  static constexpr size_t kStripes = 1024;
  struct alignas(64) Stripe {
    Word word = 0;
  };

  Word& WordOf(uint64_t block) { return stripes_[block % kStripes].word; }
  // The reference has been counted, and must not be.
  static void ShareSlowly(Word& word);
  static void TakeBack(Word& word);

  std::array<Stripe, kStripes> stripes_;
};

inline void BlockReference::Release() {
  if (!is_only_) {
    BlockReferences::TakeBack(*word_);
    return;
  }
  word_->fetch_and(~BlockReferences::kHeldAlone, std::memory_order_release);
  word_->notify_all();
}

inline void BlockReferences::TakeBack(Word& word) {
  if ((word.fetch_sub(1, std::memory_order_release) & kWantedAlone) != 0) [[unlikely]] {
    word.notify_all();
  }
}

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_BLOCK_REFERENCES_H_
