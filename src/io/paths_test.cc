#include "io/paths.h"

#include <gtest/gtest.h>

namespace vhdx {
namespace {

TEST(Paths, FolderOfAPath) {
  EXPECT_EQ(FolderOf("disk.vhdx"), ".");
  EXPECT_EQ(FolderOf("/disk.vhdx"), "/");
  EXPECT_EQ(FolderOf("vm/disk.vhdx"), "vm");
  EXPECT_EQ(FolderOf("/a/vm/disk.vhdx"), "/a/vm");
}

TEST(Paths, JoinedPathsHaveOneSlash) {
  EXPECT_EQ(JoinPath("/vm", "disk.vhdx"), "/vm/disk.vhdx");
  EXPECT_EQ(JoinPath("/", "disk.vhdx"), "/disk.vhdx");
  EXPECT_EQ(JoinPath("vm/", "disk.vhdx"), "vm/disk.vhdx");
}

}  // namespace
}  // namespace vhdx
