#include "cli/appliance.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vhdx::cli {
namespace {

TEST(LinesOfAppliance, ErrorsBelongToTheVolumeBeforeThem) {
  EXPECT_EQ(LinesOfAppliance("volume /dev/sda1 ext4\n"
                             "volume /dev/sda2 ntfs\n"
                             "libguestfs: error: mount: unclean file system\n"
                             "libguestfs: error: fstrim: nothing is mounted\n"
                             "volume /dev/vg/root xfs\n"),
            (std::vector<std::string>{"/dev/sda1 (ext4): trimmed in the appliance",
                                      "/dev/sda2 (ntfs): left alone: mount: unclean file system",
                                      "/dev/vg/root (xfs): trimmed in the appliance"}));
}

TEST(LinesOfAppliance, WhatIsBeforeTheFirstVolume_IsNotOfOne) {
  EXPECT_TRUE(LinesOfAppliance("").empty());
  EXPECT_TRUE(LinesOfAppliance("libguestfs: error: x\nnoise\n").empty());
}

}  // namespace
}  // namespace vhdx::cli
