#include "builder/disk_builder.h"

#include <gtest/gtest.h>
#include <vhdxkit/image_info.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "builder/raw_builder.h"
#include "builder/target_file.h"
#include "builder/vhdx_builder.h"
#include "bytes/arithmetic.h"
#include "bytes/zeros.h"
#include "testing/host_folder.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using testing::MemoryFileSystem;
using testing::OutcomeOf;

const std::string kTarget = "/d/new";
constexpr uint64_t kDiskSize = 4 * kMiB;

struct Format {
  std::string name;
  std::function<Result<std::unique_ptr<DiskBuilder>>(FileSystem&, std::optional<uint64_t>,
                                                     BuildOptions)>
      begin;
  /// Where the first block of a disk of which nothing else was written is in the file.
  uint64_t first_block_offset = 0;
};

Result<std::unique_ptr<DiskBuilder>> BeginVhdx(FileSystem& files, const std::string& path,
                                               std::optional<uint64_t> size, BuildOptions options,
                                               bool fixed) {
  const DiskParameters parameters{.block_size_bytes = kMiB,
                                  .leave_blocks_allocated = fixed,
                                  .virtual_disk_size_bytes = size.value_or(0),
                                  .logical_sector_size = 512,
                                  .physical_sector_size = 4096};
  return VhdxBuilder::Begin(files, path, {.image = {.parameters = parameters}}, std::move(options));
}

std::vector<Format> Formats() {
  return {{"Raw",
           [](FileSystem& files, std::optional<uint64_t> size, BuildOptions options) {
             return RawBuilder::Begin(files, kTarget, size, std::move(options));
           }},
          {"DynamicVhdx",
           [](FileSystem& files, std::optional<uint64_t> size, BuildOptions options) {
             return BeginVhdx(files, kTarget, size, std::move(options), false);
           },
           11 * kMiB},
          {"FixedVhdx",
           [](FileSystem& files, std::optional<uint64_t> size, BuildOptions options) {
             return BeginVhdx(files, kTarget, size, std::move(options), true);
           },
           11 * kMiB}};
}

class DiskBuilderOf : public ::testing::TestWithParam<Format> {
 protected:
  DiskBuilderOf() { files_.AddFolder("/d"); }

  std::unique_ptr<DiskBuilder> Begin(std::optional<uint64_t> size, BuildOptions options = {}) {
    auto builder = GetParam().begin(files_, size, std::move(options));
    EXPECT_TRUE(builder) << ToString(builder.error());
    return builder ? *std::move(builder) : nullptr;
  }

  std::vector<std::string> Names() { return *files_.List("/d", 100); }

  std::vector<std::byte> InFile(uint64_t file_offset, uint64_t length) {
    std::vector<std::byte> bytes(length);
    EXPECT_TRUE((*files_.Open(kTarget, {}))->ReadExactAt(file_offset, bytes));
    return bytes;
  }

  MemoryFileSystem files_;
  const std::vector<std::byte> bytes_ = std::vector<std::byte>(1000, std::byte{7});
};

TEST_P(DiskBuilderOf, Committed_HasItsNameAndItsContents) {
  auto builder = Begin(kDiskSize);
  EXPECT_EQ(builder->device().name(), kTarget);
  EXPECT_EQ(builder->device().size_bytes(), kDiskSize);
  ASSERT_EQ(OutcomeOf(builder->device().Write(5, ByteSpan(bytes_))), "ok");
  ASSERT_EQ(Names().size(), 1U);
  EXPECT_TRUE(StagedFile::IsTemporaryName(Names()[0]));
  EXPECT_FALSE(builder->is_committed());
  const auto length = builder->Commit();
  ASSERT_TRUE(length) << ToString(length.error());
  EXPECT_TRUE(builder->is_committed());
  builder = nullptr;
  EXPECT_EQ(Names(), std::vector<std::string>{"new"});
  EXPECT_EQ(*length, *(*files_.Open(kTarget, {}))->Size());
  EXPECT_EQ(InFile(GetParam().first_block_offset + 5, bytes_.size()), bytes_);
}

TEST_P(DiskBuilderOf, Dropped_LeavesWhatWasThere) {
  files_.AddFile(kTarget, bytes_);
  auto builder = Begin(kDiskSize, {.rename = RenameMode::kReplace});
  ASSERT_EQ(OutcomeOf(builder->device().Write(0, ByteSpan(bytes_))), "ok");
  builder = nullptr;
  EXPECT_EQ(Names(), std::vector<std::string>{"new"});
  EXPECT_EQ(files_.Contents(kTarget)->Bytes(), bytes_);
}

TEST_P(DiskBuilderOf, NameThatWasTakenMeanwhile_IsRefused) {
  auto builder = Begin(kDiskSize);
  files_.AddFile(kTarget, bytes_);
  EXPECT_EQ(OutcomeOf(builder->Commit()), "exists");
  EXPECT_FALSE(builder->is_committed());
  builder = nullptr;
  EXPECT_EQ(Names(), std::vector<std::string>{"new"});
  EXPECT_EQ(files_.Contents(kTarget)->Bytes(), bytes_);
}

TEST_P(DiskBuilderOf, WhatIsReplaced_IsLockedUntilTheEnd) {
  files_.AddFile(kTarget, bytes_);
  const auto nothing = [](const FileIdentity&) { return false; };
  auto replaced = LockTarget(files_, kTarget, true, nothing);
  ASSERT_TRUE(replaced);
  const auto other = *files_.Open(kTarget, {});
  auto builder =
      Begin(kDiskSize, {.rename = RenameMode::kReplace, .replaced = *std::move(replaced)});
  EXPECT_EQ(OutcomeOf(other->Lock(LockMode::kShared)), "busy");
  ASSERT_EQ(OutcomeOf(builder->Commit()), "ok");
  builder = nullptr;
  EXPECT_EQ(OutcomeOf(other->Lock(LockMode::kShared)), "ok");
}

TEST_P(DiskBuilderOf, WithoutASize_TakesTheOneThatItIsTold) {
  auto builder = Begin(std::nullopt);
  ASSERT_EQ(OutcomeOf(builder->device().Write(0, ByteSpan(bytes_))), "ok");
  ASSERT_EQ(OutcomeOf(builder->NoteZeros({kMiB, 2 * kMiB})), "ok");
  ASSERT_EQ(OutcomeOf(builder->SetSize(kDiskSize)), "ok");
  EXPECT_EQ(builder->device().size_bytes(), kDiskSize);
  ASSERT_EQ(OutcomeOf(builder->Commit()), "ok");
  // The BAT of an image whose size was not known is after its blocks.
  const uint64_t first = GetParam().first_block_offset;
  EXPECT_EQ(InFile(first == 0 ? 0 : first - kMiB, bytes_.size()), bytes_);
}

TEST_P(DiskBuilderOf, WhatIsWritten_CanBeReadMeanwhile) {
  auto builder = Begin(kDiskSize);
  ASSERT_EQ(OutcomeOf(builder->device().Write(kMiB + 5, ByteSpan(bytes_))), "ok");
  std::vector<std::byte> read(kDiskSize, std::byte{1});
  ASSERT_EQ(OutcomeOf(builder->device().Read(0, MutableByteSpan(read))), "ok");
  const auto written = std::span(read).subspan(kMiB + 5, bytes_.size());
  EXPECT_TRUE(std::ranges::equal(written, bytes_));
  std::ranges::fill(written, std::byte{0});
  EXPECT_TRUE(IsAllZero(read));
}

INSTANTIATE_TEST_SUITE_P(Formats, DiskBuilderOf, ::testing::ValuesIn(Formats()),
                         [](const auto& format) { return format.param.name; });

using DiskBuilderOnTheHost = testing::HostFolderTest;

TEST_F(DiskBuilderOnTheHost, FixedDiskWithoutASize_IsAllocatedAsItGrows) {
  auto builder = *BeginVhdx(files(), PathOf("new"), std::nullopt, {}, true);
  const uint64_t before = *builder->file().AllocatedBytes();
  ASSERT_TRUE(builder->NoteZeros({0, 2 * kMiB}));
  // The host may need a page of its own to keep account of it.
  EXPECT_GE(*builder->file().AllocatedBytes(), before + 2 * kMiB);
  EXPECT_LT(*builder->file().AllocatedBytes(), before + 3 * kMiB);
  ASSERT_TRUE(builder->SetSize(2 * kMiB + 512));
  ASSERT_TRUE(builder->Commit());
  EXPECT_GE(*builder->file().AllocatedBytes(), before + 3 * kMiB);
}

TEST_F(DiskBuilderOnTheHost, DirectoryThatIsNotThere_IsNamed) {
  const std::string path = PathOf("gone/new");
  const auto builder = RawBuilder::Begin(files(), path, kDiskSize, {});
  ASSERT_FALSE(builder);
  EXPECT_EQ(builder.error().file, path);
  EXPECT_EQ(builder.error().sentence, "its directory does not exist; create that first");
}

}  // namespace
}  // namespace vhdx
