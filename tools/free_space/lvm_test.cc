#include "tools/free_space/lvm.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "testing/guest_disk.h"
#include "testing/lvm_volume.h"
#include "testing/scale.h"
#include "tools/free_space/free_space.h"
#include "tools/free_space/reader_fixture.h"

namespace vhdx::free_space {
namespace {

using testing::GuestDisk;
using testing::LvmGroupText;
using testing::LvmLinear;
using testing::LvmVolumeText;
using testing::MakeLvmVolume;

constexpr uint64_t kLvmStart = testing::kLvmFirstExtent;
constexpr uint64_t kLvmExtent = testing::kLvmExtentBytes;

LvmAnswer LvmOf(const GuestDisk& disk) {
  const auto device = disk.Open();
  auto answer = ReadLvmPhysicalVolume(*device);
  EXPECT_TRUE(answer) << ToString(answer.error());
  return answer ? *std::move(answer) : LvmAnswer(LeftAlone{"an error"});
}

std::string LvmReason(const GuestDisk& disk) {
  const LvmAnswer answer = LvmOf(disk);
  const auto* left = std::get_if<LeftAlone>(&answer);
  return left != nullptr ? left->reason : "";
}

LvmPhysicalVolume DescriptionOf(const GuestDisk& disk) {
  LvmAnswer answer = LvmOf(disk);
  if (auto* found = std::get_if<LvmPhysicalVolume>(&answer)) return *std::move(found);
  ADD_FAILURE() << std::get<LeftAlone>(answer).reason;
  return {};
}

LvmPhysicalVolume DescriptionOf(const std::string& volumes) {
  return DescriptionOf(MakeLvmVolume({{.text = LvmGroupText({.volumes = volumes})}}));
}

std::string ReasonOfVolumes(const std::string& volumes) {
  return LvmReason(MakeLvmVolume({{.text = LvmGroupText({.volumes = volumes})}}));
}

// "lv1;lv2;"
std::string LinearNames(const LvmPhysicalVolume& described) {
  std::string names;
  for (const LvmLinearVolume& volume : described.linear) names += volume.name + ";";
  return names;
}

// "lv1: it is striped;"
std::string OthersOf(const LvmPhysicalVolume& described) {
  std::string text;
  for (const LvmOtherVolume& volume : described.others) {
    text += volume.name + ": " + volume.reason + ";";
  }
  return text;
}

testing::LvmSegmentSpec LvmSegmentOf(const std::string& text, uint64_t extents = 2) {
  return {.extents = extents, .text = text};
}

TEST(Lvm, LinearVolumes_AreMapped) {
  const auto described = DescriptionOf(LvmVolumeText("root", {LvmLinear(3, 4), LvmLinear(2, 1)}) +
                                       LvmVolumeText("home", {LvmLinear(1, 14)}));
  EXPECT_EQ(described.group, "vg0");
  ASSERT_EQ(LinearNames(described), "root;home;");
  EXPECT_EQ(OthersOf(described), "");
  EXPECT_EQ(described.linear[0].size_bytes, 5 * kLvmExtent);
  const std::vector<MappedSegment> segments = {
      {0, kLvmStart + 4 * kLvmExtent, 3 * kLvmExtent},
      {3 * kLvmExtent, kLvmStart + kLvmExtent, 2 * kLvmExtent}};
  EXPECT_EQ(described.linear[0].segments, segments);
}

TEST(Lvm, ExtentsThatNoVolumeHas_AreFree) {
  const auto described = DescriptionOf(LvmVolumeText("root", {LvmLinear(3, 4), LvmLinear(2, 1)}) +
                                       LvmVolumeText("home", {LvmLinear(1, 14)}));
  const auto* space = std::get_if<FreeSpace>(&described.free_extents);
  ASSERT_NE(space, nullptr);
  EXPECT_EQ(space->unit_bytes, kLvmExtent);
  const std::vector<DiskRange> free = {{kLvmStart, kLvmExtent},
                                       {kLvmStart + 3 * kLvmExtent, kLvmExtent},
                                       {kLvmStart + 7 * kLvmExtent, 7 * kLvmExtent}};
  EXPECT_EQ(space->free, free);
  ExpectSoundAndCounted(*space, testing::kLvmBytes);
}

TEST(Lvm, GroupWithoutVolumes_IsAllFree) {
  const auto described = DescriptionOf("");
  const auto* space = std::get_if<FreeSpace>(&described.free_extents);
  ASSERT_NE(space, nullptr);
  EXPECT_EQ(space->counted_free_bytes, 15 * kLvmExtent);
}

TEST(Lvm, VolumesThatAreNotLinear_AreNamedWithTheReason) {
  const std::string striped =
      "type = \"striped\"\nstripe_count = 2\nstripe_size = 128\n"
      "stripes = [\"pv0\", 0, \"pv1\", 0]";
  EXPECT_EQ(OthersOf(DescriptionOf(LvmVolumeText("lv", {LvmSegmentOf(striped)}))),
            "lv: it is striped;");
  EXPECT_EQ(OthersOf(DescriptionOf(LvmVolumeText("lv", {LvmLinear(1, 0, "pv1")}))),
            "lv: it is not wholly on this physical volume;");
  EXPECT_EQ(OthersOf(DescriptionOf(LvmVolumeText("lv", {LvmLinear(1, 0), LvmLinear(1, 0, "pv1")}))),
            "lv: it is not wholly on this physical volume;");
  for (const char* type : {"raid1", "thin", "thin-pool", "cache", "snapshot", "striped+NEW"}) {
    const std::string text = std::string("type = \"") + type + "\"\nother = \"x\"";
    EXPECT_EQ(OthersOf(DescriptionOf(LvmVolumeText("lv", {LvmSegmentOf(text)}))),
              std::string("lv: it is of type ") + type + ";");
  }
  EXPECT_EQ(OthersOf(DescriptionOf(
                LvmVolumeText("lv", {LvmLinear(1, 0)}, R"("READ", "VISIBLE", "CONVERTING")"))),
            "lv: its status is CONVERTING;");
}

TEST(Lvm, VolumeThatAnotherUses_IsLeftAlone) {
  const auto described = DescriptionOf(
      LvmVolumeText("root", {LvmLinear(2, 0)}) + LvmVolumeText("old", {LvmLinear(1, 2)}) +
      LvmVolumeText("home", {LvmLinear(1, 3)}) +
      LvmVolumeText("snapshot0",
                    {LvmSegmentOf("type = \"snapshot\"\nchunk_size = 8\norigin = \"root\"\n"
                                  "cow_store = \"old\"")},
                    R"("READ", "WRITE")"));
  EXPECT_EQ(LinearNames(described), "home;");
  EXPECT_EQ(OthersOf(described), "root: it is a part of snapshot0;old: it is a part of snapshot0;");
  EXPECT_NE(std::get_if<FreeSpace>(&described.free_extents), nullptr);
}

TEST(Lvm, MoveInProgress_LeavesItsVolumesAlone) {
  const auto described = DescriptionOf(
      LvmVolumeText("root", {LvmLinear(2, 0, "pvmove0")},
                    R"("READ", "WRITE", "VISIBLE", "LOCKED")") +
      LvmVolumeText("home", {LvmLinear(1, 5)}) +
      LvmVolumeText("pvmove0",
                    {LvmSegmentOf("type = \"mirror\"\nmirror_count = 2\nextents_moved = 0\n"
                                  "mirrors = [\"pv0\", 0, \"pv1\", 0]")},
                    R"("READ", "WRITE", "PVMOVE", "LOCKED")"));
  EXPECT_EQ(LinearNames(described), "home;");
  EXPECT_EQ(OthersOf(described), "root: it is being moved (pvmove);");
  const auto* left = std::get_if<LeftAlone>(&described.free_extents);
  ASSERT_NE(left, nullptr);
  EXPECT_EQ(left->reason, "its volume pvmove0 uses extents that are not known");
}

TEST(Lvm, GroupsThatAreNotWhole_AreLeftAlone) {
  const auto reason = [](const testing::LvmGroupSpec& spec) {
    return LvmReason(MakeLvmVolume({{.text = LvmGroupText(spec)}}));
  };
  EXPECT_EQ(reason({.status = R"("EXPORTED", "RESIZEABLE")"}), "its volume group vg0 is exported");
  EXPECT_EQ(reason({.status = R"("PARTIAL")"}), "its volume group vg0 lacks a physical volume");
  EXPECT_EQ(reason({.flags_of_pv1 = "\"MISSING\""}),
            "its volume group vg0 lacks a physical volume");
}

TEST(Lvm, NewestText_Counts) {
  const auto text = [](uint64_t seqno, const char* name) {
    return LvmGroupText({.seqno = seqno, .volumes = LvmVolumeText(name, {LvmLinear(1, 0)})});
  };
  const auto names = [&](uint64_t first, uint64_t second) {
    return LinearNames(
        DescriptionOf(MakeLvmVolume({{.text = text(first, "a")}, {.text = text(second, "b")}})));
  };
  EXPECT_EQ(names(5, 6), "b;");
  EXPECT_EQ(names(6, 5), "a;");
  EXPECT_EQ(names(5, 5), "a;");
  EXPECT_EQ(LinearNames(DescriptionOf(
                MakeLvmVolume({{.text = text(5, "a")}, {.text = text(6, "b"), .ignored = true}}))),
            "a;");
}

TEST(Lvm, TextThatWrapsAroundTheRing_IsRead) {
  const std::string text = LvmGroupText({.volumes = LvmVolumeText("root", {LvmLinear(1, 0)})});
  for (const uint64_t left : {uint64_t{1}, uint64_t{512}, text.size(), text.size() + 1}) {
    EXPECT_EQ(LinearNames(DescriptionOf(
                  MakeLvmVolume({{.text = text, .offset = testing::kLvmAreaBytes - left}}))),
              "root;")
        << left;
  }
}

TEST(Lvm, MetadataThatIsNotThere_IsLeftAlone) {
  EXPECT_EQ(LvmReason(MakeLvmVolume({})), "it holds no metadata of its volume group");
  EXPECT_EQ(LvmReason(MakeLvmVolume({{.text = LvmGroupText({}), .ignored = true}})),
            "it holds no metadata of its volume group");
  EXPECT_EQ(LvmReason(MakeLvmVolume({{.text = ""}})), "it belongs to no volume group");
  EXPECT_EQ(LvmReason(MakeLvmVolume({{.text = LvmGroupText({}), .unfinished = true}})),
            "a change of its metadata was not finished");
  EXPECT_EQ(LvmReason(GuestDisk(100)), "its label is damaged");
}

TEST(Lvm, WrongChecksums_AreLeftAlone) {
  const GuestDisk disk = MakeLvmVolume({{.text = LvmGroupText({})}});
  const auto broken = [&](uint64_t offset) {
    GuestDisk clone = disk.Copy();
    clone.Break(offset);
    return LvmReason(clone);
  };
  EXPECT_EQ(broken(512 + 400), "its label is damaged");
  EXPECT_EQ(broken(testing::kLvmAreas[0] + 500), "a metadata area of it is damaged");
  EXPECT_EQ(broken(testing::kLvmAreas[0] + 512 + 30), "its metadata is damaged (checksum)");
}

TEST(Lvm, TextThatIsNotMetadata_IsLeftAlone) {
  std::string text = LvmGroupText({});
  for (const char* part : {"contents", "version = 1", "seqno", "format"}) {
    std::string other = text;
    other.replace(other.find(part), 1, "x");
    EXPECT_NE(LvmReason(MakeLvmVolume({{.text = other}})), "") << part;
  }
  EXPECT_EQ(LvmReason(MakeLvmVolume({{.text = text + "}"}})), "its metadata is damaged (text)");
}

// The text with something else in the place of a part of it.
std::string LvmReasonWith(const std::string& part, const std::string& other) {
  std::string text = LvmGroupText({.volumes = LvmVolumeText("root", {LvmLinear(2, 3)})});
  text.replace(text.find(part), part.size(), other);
  return LvmReason(MakeLvmVolume({{.text = text}}));
}

TEST(Lvm, NumbersThatLieOutside_AreLeftAlone) {
  EXPECT_EQ(LvmReasonWith("extent_size = 2048", "extent_size = 2048"), "");
  const std::string extents = "its metadata is damaged (place of its extents)";
  EXPECT_EQ(LvmReasonWith("extent_size = 2048", "extent_size = 0"), extents);
  EXPECT_EQ(LvmReasonWith("pe_start = 2048", "pe_start = 0"), extents);
  EXPECT_EQ(LvmReasonWith("pe_start = 2048", "pe_start = 18446744073709551615"), extents);
  EXPECT_EQ(LvmReasonWith("pe_start = 2048", "pe_start = 70"), "its extents overlap its metadata");
  const std::string end = "its extents end past the end of the volume, at 16777216";
  EXPECT_EQ(LvmReasonWith("pe_count = 15", "pe_count = 16"), end);
  EXPECT_EQ(LvmReasonWith("extent_size = 2048", "extent_size = 4294967295"), end);
  EXPECT_EQ(LvmReasonWith("\"pv0\", 3", "\"pv0\", 14"),
            "its metadata is damaged (extents that it does not have)");
  EXPECT_EQ(LvmReasonWith("\"pv0\", 3", "\"pv0\", 18446744073709551615"),
            "its metadata is damaged (extents that it does not have)");
  EXPECT_EQ(LvmReasonWith("\"pv0\", 3", "3, \"pv0\""), "its metadata is damaged (stripes)");
  EXPECT_EQ(LvmReasonWith("stripe_count = 1", "stripe_count = 0"),
            "its metadata is damaged (stripes)");
  EXPECT_EQ(LvmReasonWith("start_extent = 0", "start_extent = 1"),
            "the metadata of its volume root is damaged");
  EXPECT_EQ(LvmReasonWith("extent_count = 2", "extent_count = 18446744073709551615"),
            "the metadata of its volume root is damaged");
  EXPECT_EQ(LvmReasonWith("segment_count = 1", "segment_count = 2"),
            "the metadata of its volume root is damaged");
  EXPECT_EQ(LvmReasonWith("abcdef-ghij", "abcdeX-ghij"), "its volume group vg0 does not have it");
}

TEST(Lvm, ExtentsOfTwoVolumes_AreLeftAlone) {
  EXPECT_EQ(ReasonOfVolumes(LvmVolumeText("a", {LvmLinear(3, 4)}) +
                            LvmVolumeText("b", {LvmLinear(3, 6)})),
            "its metadata is damaged (extents used twice)");
}

TEST(Lvm, ChangedBytes_NeverLeadOutOfTheVolume) {
  const GuestDisk disk = MakeLvmVolume(
      {{.text = LvmGroupText({.volumes = LvmVolumeText("root", {LvmLinear(2, 3), LvmLinear(4, 8)}) +
                                         LvmVolumeText("home", {LvmLinear(1, 0)})})}});
  std::minstd_rand random(1);
  const uint64_t rounds = testing::Scaled(4000);
  for (uint64_t round = 0; round < rounds; ++round) {
    GuestDisk changed = disk.Copy();
    const uint64_t offset =
        round % 4 == 0 ? 512 + random() % 128 : testing::kLvmAreas[0] + random() % 2048;
    auto byte = changed.contents()->Bytes({offset, 1});
    byte[0] = static_cast<std::byte>(round % 2 == 0 ? random() : '0' + random() % 10);
    changed.Write(offset, byte);
    testing::FixLvmChecksums(*changed.contents());
    const LvmAnswer answer = LvmOf(changed);
    const auto* described = std::get_if<LvmPhysicalVolume>(&answer);
    if (described == nullptr) continue;
    if (const auto* space = std::get_if<FreeSpace>(&described->free_extents)) {
      ExpectSoundAndCounted(*space, testing::kLvmBytes);
    }
    for (const LvmLinearVolume& volume : described->linear) {
      for (const MappedSegment& segment : volume.segments) {
        ASSERT_TRUE(FitsInside(segment.device_offset, segment.length_bytes, testing::kLvmBytes));
      }
    }
  }
}

}  // namespace
}  // namespace vhdx::free_space
