#include "image/block_references.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace vhdx {
namespace {

constexpr std::chrono::milliseconds kAWhile(20);

class BlockReferencesTest : public ::testing::Test {
 protected:
  std::unique_ptr<BlockReferences> blocks_ = std::make_unique<BlockReferences>();
};

TEST_F(BlockReferencesTest, SharedOnes_StandSideBySide) {
  const auto first = blocks_->Share(5);
  const auto second = blocks_->Share(5);
  const auto third = blocks_->TryShare(5);
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
  EXPECT_TRUE(third);
}

TEST_F(BlockReferencesTest, TheOnlyOne_LeavesOtherBlocksAlone) {
  const auto only = blocks_->Exclude(5);
  EXPECT_FALSE(blocks_->TryShare(5));
  EXPECT_TRUE(blocks_->TryShare(6));
}

// A request may be completed on another thread than the one that looked up where its block is.
TEST_F(BlockReferencesTest, AReference_BelongsToNoThread) {
  std::optional<BlockReference> request(blocks_->Share(5));
  std::atomic<bool> moved = false;
  std::thread mover([&] {
    const auto only = blocks_->Exclude(5);
    moved = true;
  });
  std::this_thread::sleep_for(kAWhile);
  EXPECT_FALSE(moved);
  EXPECT_FALSE(blocks_->TryShare(5)) << "whoever waits for the block goes first";
  std::thread([&] { request.reset(); }).join();
  mover.join();
  EXPECT_TRUE(moved);
  std::optional<BlockReference> only(blocks_->Exclude(5));
  std::thread([&] { only.reset(); }).join();
  EXPECT_TRUE(blocks_->TryShare(5));
}

TEST_F(BlockReferencesTest, MovedReference_IsGivenBackOnce) {
  BlockReference first = blocks_->Share(5);
  BlockReference second = std::move(first);
  second = blocks_->Share(7);
  EXPECT_TRUE(blocks_->Exclude(5));
  EXPECT_TRUE(second);
}

// Plain numbers: TSan would see a race, and somebody half of a change.
TEST_F(BlockReferencesTest, WhoeverIsAlone_IsAlone) {
  uint64_t left = 0;
  uint64_t right = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 2000; ++n) {
        const auto only = blocks_->Exclude(5);
        ++left;
        ++right;
      }
    });
    threads.emplace_back([&] {
      for (int n = 0; n < 5000; ++n) {
        const auto shared = blocks_->Share(5);
        EXPECT_EQ(left, right);
      }
    });
    threads.emplace_back([&] {
      for (int n = 0; n < 5000; ++n) {
        const auto shared = blocks_->TryShare(5);
        if (shared) {
          EXPECT_EQ(left, right);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(left, 4000u);
}

}  // namespace
}  // namespace vhdx
