#include "image/journal.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "format/findings.h"
#include "image/image.h"
#include "testing/fault_file.h"
#include "testing/image_builder.h"
#include "testing/memory_file.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"
#include "testing/recording_file.h"

namespace vhdx {
namespace {

using testing::FileCall;
using testing::OutcomeOf;

// The checkpoint that was to sync the last overwrites did not come to that.
TEST(JournalTest, CheckpointWithoutSpace_LeavesTheSyncToTheNextFlush) {
  const testing::ImageSpec spec =
      testing::DynamicImage({.disk_size = 16 * kMiB, .block_size = kMiB});
  auto memory = std::make_unique<testing::MemoryFile>();
  ASSERT_EQ(OutcomeOf(testing::Build(spec, *memory)), "ok");
  const auto plan = std::make_shared<testing::FaultPlan>();
  const auto record = std::make_shared<testing::CallRecord>();
  auto file = std::make_unique<testing::RecordingFile>(
      std::make_unique<testing::FaultFile>(std::move(memory), plan), record);
  Findings findings;
  const auto image = *Image::Open(std::move(file), findings);
  testing::MemoryFileSystem guids;
  ASSERT_EQ(OutcomeOf(image->EnableWriting(guids, {})), "ok");
  ImageWriter& writer = *image->writer();
  const std::vector<std::byte> bytes(512, std::byte{1});
  const ByteSpan buffer(bytes);
  ASSERT_EQ(OutcomeOf(writer.Write({0, 512}, {&buffer, 1})), "ok");
  ASSERT_EQ(OutcomeOf(writer.Flush()), "ok");
  ASSERT_EQ(OutcomeOf(writer.Write({0, 512}, {&buffer, 1})), "ok");
  plan->Add({.call = FileCall::kWrite,
             .range = testing::PlanLayout(spec).bat,
             .code = ErrorCode::kNoSpace,
             .sys_errno = ENOSPC});
  ASSERT_EQ(OutcomeOf(image->Rest()), "no-space");
  plan->Clear();
  record->Clear();
  EXPECT_EQ(OutcomeOf(writer.Flush()), "ok");
  EXPECT_EQ(record->Count(FileCall::kSync), 1u);
  EXPECT_EQ(OutcomeOf(writer.Close()), "ok");
}

}  // namespace
}  // namespace vhdx
