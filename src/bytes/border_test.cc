#include "bytes/border.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

namespace vhdx {
namespace {

template <typename Thrown>
Error ErrorOf(const Thrown& thrown) {
  try {
    throw thrown;
  } catch (...) {
    return CaughtException().error();
  }
}

TEST(Border, MemoryThatRanOut_IsNoMemoryWithoutStrings) {
  const Error error = ErrorOf(std::bad_alloc());
  EXPECT_EQ(error.code, ErrorCode::kNoMemory);
  EXPECT_EQ(error.sentence, "");
  EXPECT_EQ(Sentence(error), "the process ran out of memory");
  EXPECT_EQ(ToString(error), "the process ran out of memory");
  EXPECT_EQ(ErrorOf(std::bad_array_new_length()).code, ErrorCode::kNoMemory);
  EXPECT_EQ(ErrorOf(std::length_error("vector::reserve")).code, ErrorCode::kNoMemory);
}

TEST(Border, AnotherException_IsInternalWithItsWords) {
  const Error error = ErrorOf(std::runtime_error("the callback gave up"));
  EXPECT_EQ(error.code, ErrorCode::kInternal);
  EXPECT_EQ(error.sentence, "an exception ended the operation: the callback gave up");
}

TEST(Border, SomethingThatIsNoException_IsInternal) {
  EXPECT_EQ(ErrorOf(7).code, ErrorCode::kInternal);
  EXPECT_EQ(ErrorOf(7).sentence, "an exception of an unknown type ended the operation");
}

}  // namespace
}  // namespace vhdx
