#include <gtest/gtest.h>
#include <vhdxkit/version.h>

#include <string>

namespace vhdx {
namespace {

TEST(Version, IsMadeOfItsThreeNumbers) {
  EXPECT_EQ(Version(), std::to_string(VHDXKIT_VERSION_MAJOR) + "." +
                           std::to_string(VHDXKIT_VERSION_MINOR) + "." +
                           std::to_string(VHDXKIT_VERSION_PATCH));
}

TEST(Version, OfTheHeadersIsThatOfTheLibraryTheyComeWith) { EXPECT_EQ(Version(), VHDXKIT_VERSION); }

}  // namespace
}  // namespace vhdx
