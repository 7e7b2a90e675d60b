#include "image/durable_state.h"

#include <gtest/gtest.h>

#include <array>

#include "bytes/arithmetic.h"
#include "format/header.h"
#include "format/layout.h"
#include "image/header_slots.h"
#include "testing/image_builder.h"
#include "testing/memory_file.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using testing::MemoryFile;
using testing::OutcomeOf;

TEST(DurableState, Sync_MakesTheLengthDurableThatItFound) {
  MemoryFile file;
  DurableState durability(file, 4 * kMiB);
  EXPECT_EQ(durability.durable_length(), 0U);
  EXPECT_EQ(OutcomeOf(durability.Sync()), "ok");
  EXPECT_EQ(durability.durable_length(), 4 * kMiB);
  durability.NoteLength(8 * kMiB);
  EXPECT_EQ(durability.durable_length(), 4 * kMiB);
  EXPECT_EQ(durability.sync_count(), 1U);
}

TEST(DurableState, Cut_CountsAtOnce) {
  MemoryFile file;
  DurableState durability(file, 4 * kMiB);
  EXPECT_EQ(OutcomeOf(durability.Sync()), "ok");
  durability.NoteLength(2 * kMiB);
  EXPECT_EQ(durability.durable_length(), 2 * kMiB);
  durability.NoteLength(6 * kMiB);
  EXPECT_EQ(durability.durable_length(), 2 * kMiB);
}

TEST(DurableState, FirstFailure_StaysAndNothingIsSyncedAgain) {
  MemoryFile file;
  DurableState durability(file, 0);
  auto first = durability.Poison({.code = ErrorCode::kNoSpace, .sentence = "the first"});
  EXPECT_EQ(first.error().sentence, "the first");
  (void)durability.Poison({.code = ErrorCode::kIo, .sentence = "the second"});
  auto refused = durability.Sync();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kPoisoned);
  EXPECT_NE(refused.error().sentence.find("the first"), std::string::npos);
  EXPECT_EQ(durability.sync_count(), 0U);
}

TEST(HeaderSlots, Update_BringsBothSlotsToTheSame) {
  MemoryFile file;
  ASSERT_TRUE(testing::Build(testing::DynamicImage(), file));
  DurableState durability(file, 0);
  const HeaderInfo before{
      .sequence_number = 9, .version = 1, .log_length_bytes = kMiB, .log_offset = kMiB};
  HeaderSlots slots(file, durability, before, 0);
  HeaderInfo wanted = before;
  wanted.data_write_guid = testing::TestGuid(5);
  wanted.log_version = 7;  // of a log that is not in use
  ASSERT_EQ(OutcomeOf(slots.Update(wanted)), "ok");
  EXPECT_EQ(durability.sync_count(), 2U);
  EXPECT_EQ(slots.current().sequence_number, 11U);
  for (size_t slot = 0; slot < 2; ++slot) {
    std::array<std::byte, sizeof(format::Header)> bytes;
    ASSERT_EQ(OutcomeOf(file.ReadExactAt(format::kHeaderOffsets[slot], bytes)), "ok");
    Findings findings;
    const auto header = format::ParseHeader(bytes, {"", 0}, findings);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->data_write_guid, testing::TestGuid(5));
    EXPECT_EQ(header->sequence_number,
              slot == 1 ? 10U : 11U);  // the one that was not current first
    EXPECT_EQ(header->log_version, 0U);
  }
}

TEST(HeaderSlots, UsedUpSequenceNumbers_AreNotWrapped) {
  MemoryFile file;
  DurableState durability(file, 0);
  HeaderSlots slots(file, durability, {.sequence_number = UINT64_MAX - 1, .version = 1}, 0);
  EXPECT_EQ(OutcomeOf(slots.Update(slots.current())), "unsupported");
  EXPECT_EQ(OutcomeOf(durability.Check()), "poisoned");
}

}  // namespace
}  // namespace vhdx
