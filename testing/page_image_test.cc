#include "testing/page_image.h"

#include <gtest/gtest.h>

#include <random>

#include "bytes/arithmetic.h"
#include "bytes/same_bytes.h"
#include "testing/memory_file.h"

namespace vhdx::testing {
namespace {

std::vector<std::byte> Repeated(size_t length, int value) {
  return std::vector<std::byte>(length, static_cast<std::byte>(value));
}

TEST(PageImage, BytesPastTheEndAreSeenOnceTheEndHasMoved) {
  PageImage image;
  image.Write(10, Repeated(5, 7));
  EXPECT_TRUE(image.Bytes({0, 100}).empty());
  image.SetSize(12);
  EXPECT_EQ(image.Bytes({9, 100}),
            (std::vector<std::byte>{std::byte{0}, std::byte{7}, std::byte{7}}));
  image.DropPastEnd();
  image.SetSize(20);
  EXPECT_EQ(image.Bytes({12, 8}), Repeated(8, 0));
}

TEST(PageImage, CutAndGrownAgain_ReadsZeros) {
  PageImage image;
  image.SetSize(3 * 4096);
  image.Write(0, Repeated(3 * 4096, 1));
  image.SetSize(5000);
  image.SetSize(3 * 4096);
  EXPECT_EQ(image.Bytes({0, 5000}), Repeated(5000, 1));
  EXPECT_EQ(image.Bytes({5000, 3 * 4096 - 5000}), Repeated(3 * 4096 - 5000, 0));
}

TEST(PageImage, CopyKeepsItsBytesWhenTheOriginalChanges) {
  PageImage image;
  image.SetSize(8192);
  image.Write(0, Repeated(8192, 1));
  const PageImage copy = image;
  const uint64_t hash = copy.Hash();
  image.Write(100, Repeated(1, 2));
  image.Zero({4096, 4096});
  EXPECT_EQ(copy.Bytes({0, 8192}), Repeated(8192, 1));
  EXPECT_EQ(copy.Hash(), hash);
  EXPECT_NE(image.Hash(), hash);
}

TEST(PageImage, HashFollowsBytesAndLengthOnly) {
  PageImage written;
  written.SetSize(8192);
  written.Write(0, Repeated(8192, 0));
  PageImage empty;
  empty.SetSize(8192);
  EXPECT_EQ(written.Hash(), empty.Hash());
  empty.SetSize(8193);
  EXPECT_NE(written.Hash(), empty.Hash());
  PageImage first = written;
  PageImage second = written;
  first.Write(0, Repeated(512, 1));
  second.Write(4096, Repeated(512, 1));
  EXPECT_NE(first.Hash(), second.Hash());
  second.Zero({4096, 512});
  EXPECT_EQ(second.Hash(), written.Hash());
}

// Random changes to an image, to a copy taken now and then, and to plain vectors.
TEST(PageImage, RandomChanges_AreAsAVectorHasThem) {
  std::mt19937_64 random(7);
  PageImage image;
  std::vector<std::byte> expected;
  PageImage old;
  std::vector<std::byte> old_expected;
  for (int i = 0; i < 3000; ++i) {
    const uint64_t from = random() % 40000;
    const uint64_t length = random() % 9000;
    const uint64_t inside = std::min<uint64_t>(from, expected.size());
    const FileRange range = {inside, std::min<uint64_t>(length, expected.size() - inside)};
    const auto at = expected.begin() + static_cast<ptrdiff_t>(inside);
    const auto end = at + static_cast<ptrdiff_t>(range.length_bytes);
    switch (random() % 5) {
      case 0:
        image.SetSize(from);
        expected.resize(from);
        break;
      case 1:
        image.Zero(range);
        std::fill(at, end, std::byte{0});
        break;
      case 2:
        image.FillWithJunk(range);
        std::fill(at, end, std::byte{0xA5});
        break;
      case 3:
        old = image;
        old_expected = expected;
        break;
      default:
        image.Write(range.file_offset, Repeated(range.length_bytes, i % 251));
        std::fill(at, end, static_cast<std::byte>(i % 251));
    }
    ASSERT_TRUE(SameBytes(image.Bytes({0, 64 * kKiB}), expected)) << i;
    ASSERT_TRUE(SameBytes(old.Bytes({0, 64 * kKiB}), old_expected)) << i;
  }
}

TEST(PageImage, LoadsAFileWithItsHoles) {
  MemoryFile file;
  ASSERT_TRUE(file.WriteAt(100 * kMiB, Repeated(10, 3)));
  ASSERT_TRUE(file.Resize(kGiB));
  const auto image = PageImage::Load(file);
  ASSERT_TRUE(image);
  EXPECT_EQ(image->size(), kGiB);
  EXPECT_EQ(image->allocated_bytes(), 4096U);
  EXPECT_EQ(image->Bytes({100 * kMiB, 10}), Repeated(10, 3));
  EXPECT_EQ(image->NextData(0), 100 * kMiB);
  EXPECT_EQ(image->NextHole(100 * kMiB), 100 * kMiB + 4096);
  EXPECT_EQ(image->NextHole(5), 5U);
  EXPECT_EQ(image->NextData(200 * kMiB), kGiB);
}

}  // namespace
}  // namespace vhdx::testing
