#include "testing/patch.h"

#include <gtest/gtest.h>

#include <random>

#include "format/log_entry.h"
#include "testing/image_builder.h"
#include "testing/memory_file.h"
#include "testing/scale.h"

namespace vhdx::testing {
namespace {

// Recipe B has everything that has a checksum.
TEST(FixChecksums, RightOnesStay) {
  MemoryFile file;
  ASSERT_TRUE(Build(RecipeB(), file).has_value());
  const std::vector<std::byte> before = file.contents()->Bytes();
  ASSERT_TRUE(FixChecksums(file).has_value());
  EXPECT_TRUE(file.contents()->Bytes() == before);
}

TEST(FixChecksums, WrongOnesAreMended) {
  MemoryFile file;
  ASSERT_TRUE(Build(RecipeB(), file).has_value());
  const std::vector<std::byte> before = file.contents()->Bytes();
  for (const uint64_t offset : {0x10000U, 0x20000U, 0x30000U, 0x40000U, 0x100000U}) {
    ASSERT_TRUE(ApplyPatch(file, PatchFill(offset + 4, 4, std::byte{0xEE})).has_value());
  }
  EXPECT_FALSE(file.contents()->Bytes() == before);
  ASSERT_TRUE(FixChecksums(file).has_value());
  EXPECT_TRUE(file.contents()->Bytes() == before);
}

TEST(FixChecksums, EntryThatWrapsIsMended) {
  ImageSpec spec = RecipeB();
  spec.log.entries[0].log_offset = kMiB - 4096;
  MemoryFile file;
  ASSERT_TRUE(Build(spec, file).has_value());
  const std::vector<std::byte> before = file.contents()->Bytes();
  ASSERT_TRUE(ApplyPatch(file, PatchFill(2 * kMiB - 4096 + 4, 4, std::byte{1})).has_value());
  ASSERT_TRUE(FixChecksums(file).has_value());
  EXPECT_TRUE(file.contents()->Bytes() == before);
}

// Any file whatever: empty, cut anywhere, full of noise, with absurd logs.
TEST(FixChecksums, AnyBytesAreTaken) {
  std::mt19937_64 random(5);
  for (uint64_t round = 0; round < Scaled(300); ++round) {
    MemoryFile file;
    ASSERT_TRUE(Build(RecipeB(), file).has_value());
    for (int i = 0; i < 20; ++i) {
      // Mostly where it matters: headers, tables, log.
      const uint64_t base = (random() % 2 == 0 ? 0x10000 : 0x100000) + 0x10000 * (random() % 2);
      ASSERT_TRUE(ApplyPatch(file, PatchFill(base + random() % 96, 1 + random() % 8,
                                             static_cast<std::byte>(random())))
                      .has_value());
    }
    ASSERT_TRUE(file.Resize(random() % (5 * kMiB)).has_value());
    ASSERT_TRUE(FixChecksums(file).has_value());
  }
  MemoryFile empty;
  EXPECT_TRUE(FixChecksums(empty).has_value());
  EXPECT_EQ(empty.contents()->size(), 0U);
}

}  // namespace
}  // namespace vhdx::testing
