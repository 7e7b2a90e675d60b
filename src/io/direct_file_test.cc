#include "io/direct_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <thread>
#include <vector>

#include "bytes/aligned_buffer.h"
#include "bytes/arithmetic.h"
#include "testing/host_folder.h"

namespace vhdx {
namespace {

using testing::HostFolderTest;
using testing::PatternBytes;
using testing::ReadAll;

class DirectFileTest : public HostFolderTest {
 protected:
  void SetUp() override {
    bytes_ = PatternBytes(kMiB + 700, 5);
    ASSERT_TRUE(New("a")->WriteAt(0, ByteSpan(bytes_)));
    auto opened = files().Open(PathOf("a"), {.access = FileAccess::kReadWrite, .direct = true});
    if (!opened && opened.error().code == ErrorCode::kUnsupported) {
      GTEST_SKIP() << "no direct I/O on the file system of " << folder();
    }
    ASSERT_TRUE(opened);
    file_ = std::move(*opened);
  }

  std::vector<std::byte> bytes_;
  std::unique_ptr<File> file_;
};

TEST_F(DirectFileTest, UnalignedReadsGetTheirBytes) {
  EXPECT_GE(file_->capabilities().io_alignment, 512U);
  for (const uint64_t offset :
       std::to_array<uint64_t>({0, 1, 511, 4096, 700000, 1048570, 1049275})) {
    for (const size_t length : std::to_array<size_t>({1, 512, 4096, 5000, 1500000})) {
      std::vector<std::byte> read(length + 1);
      const MutableByteSpan unaligned = MutableByteSpan(read).subspan(1);
      const size_t expected = std::min<size_t>(length, bytes_.size() - offset);
      ASSERT_EQ(*file_->ReadAt(offset, unaligned), expected) << offset << " " << length;
      ASSERT_TRUE(std::equal(unaligned.begin(),
                             unaligned.begin() + static_cast<ptrdiff_t>(expected),
                             bytes_.begin() + static_cast<ptrdiff_t>(offset)))
          << offset << " " << length;
    }
  }
  std::vector<std::byte> read(5000);
  EXPECT_EQ(*file_->ReadAt(bytes_.size(), read), 0U);
  EXPECT_EQ(*file_->ReadAt(9 * kMiB, read), 0U);
}

TEST_F(DirectFileTest, UnalignedWritesInsideTheFileChangeNothingElse) {
  for (const uint64_t offset : std::to_array<uint64_t>({0, 1, 511, 4096, 300001})) {
    for (const size_t length : std::to_array<size_t>({1, 512, 4096, 5000})) {
      const std::vector<std::byte> piece = PatternBytes(length, offset + length);
      ASSERT_TRUE(file_->WriteAt(offset, ByteSpan(piece)));
      std::ranges::copy(piece, bytes_.begin() + static_cast<ptrdiff_t>(offset));
    }
  }
  ASSERT_TRUE(file_->ZeroRange({70001, 9001}));
  std::fill_n(bytes_.begin() + 70001, 9001, std::byte{0});
  EXPECT_EQ(ReadAll(*Open("a")), bytes_);
}

TEST_F(DirectFileTest, UnalignedWriteAtTheEndIsRefused) {
  const Result<void> written = file_->WriteAt(bytes_.size(), ByteSpan(PatternBytes(10)));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(ReadAll(*Open("a")), bytes_);
}

// A part of a unit is changed by writing back all of it, which must not undo what was written to
// the rest meanwhile.
TEST_F(DirectFileTest, PartOfAUnitLeavesWhatIsWrittenBesideIt) {
  const uint64_t unit = file_->capabilities().io_alignment;
  const AlignedBuffer whole(unit);
  for (int round = 0; round < 2000; ++round) {
    std::ranges::fill(whole.bytes(), std::byte{0});
    ASSERT_TRUE(file_->WriteAt(0, ByteSpan(whole.bytes())));
    const std::vector<std::byte> part(1, std::byte{1});
    std::ranges::fill(whole.bytes(), std::byte{2});
    std::thread other([&] { EXPECT_TRUE(file_->WriteAt(0, ByteSpan(part))); });
    ASSERT_TRUE(file_->WriteAt(0, ByteSpan(whole.bytes())));
    other.join();
    std::vector<std::byte> rest(unit - 1);
    ASSERT_TRUE(file_->ReadExactAt(1, rest));
    ASSERT_EQ(std::ranges::count(rest, std::byte{2}), std::ssize(rest)) << "round " << round;
  }
}

}  // namespace
}  // namespace vhdx
