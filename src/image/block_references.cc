#include "image/block_references.h"

namespace vhdx {

void BlockReferences::ShareSlowly(Word& word) {
  for (;;) {
    TakeBack(word);
    for (uint32_t now = word.load(std::memory_order_relaxed); (now & kNotShared) != 0;
         now = word.load(std::memory_order_relaxed)) {
      word.wait(now, std::memory_order_relaxed);
    }
    if ((word.fetch_add(1, std::memory_order_acquire) & kNotShared) == 0) return;
  }
}

BlockReference BlockReferences::TryShare(uint64_t block) {
  Word& word = WordOf(block);
  if ((word.fetch_add(1, std::memory_order_acquire) & kNotShared) == 0) return {word, false};
  TakeBack(word);
  return {};
}

BlockReference BlockReferences::Exclude(uint64_t block) {
  Word& word = WordOf(block);
  for (;;) {
    // Whoever gets the block clears the wish of all who want it; they wish again.
    uint32_t now = word.fetch_or(kWantedAlone, std::memory_order_relaxed) | kWantedAlone;
    if ((now & ~kWantedAlone) == 0) {
      if (word.compare_exchange_strong(now, kHeldAlone, std::memory_order_acquire)) {
        return {word, true};
      }
      continue;
    }
    word.wait(now, std::memory_order_relaxed);
  }
}

}  // namespace vhdx
