#include "bytes/aligned_buffer.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace vhdx {
namespace {

TEST(AlignedBuffer, BeginsWhereItIsAskedTo) {
  for (const size_t alignment : {size_t{512}, AlignedBuffer::kPageBytes, size_t{65536}}) {
    const AlignedBuffer buffer(1000, alignment, std::nothrow);
    ASSERT_TRUE(buffer.ok());
    EXPECT_EQ(buffer.bytes().size(), 1000U);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.bytes().data()) % alignment, 0U);
  }
  const AlignedBuffer page(1);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(page.bytes().data()) % AlignedBuffer::kPageBytes, 0U);
}

}  // namespace
}  // namespace vhdx
