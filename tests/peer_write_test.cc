// Images that we write, whoever made them: what QEMU and libvhdi read of them afterwards, and what
// qemu-img's own check says.

#include <gtest/gtest.h>
#include <vhdxkit/compare.h>
#include <vhdxkit/create.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/raw_device.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "command.h"
#include "testing/host_folder.h"
#include "testing/scale.h"

namespace vhdx::tests {
namespace {

// What libvhdi 20210425 is known to read wrong is not written (peers' defects): a block of a child
// that is zeros of its own shows its parent, and one that came to be without bits is looked up in
// bits that are not there.
enum class Changes : uint8_t { kAll, kPartialWrites };

class PeerWrite : public testing::HostFolderTest {
 protected:
  void SetUp() override {
    if (HasProgram("qemu-img")) return;
    GTEST_SKIP() << "qemu-img (package qemu-utils) is not installed";
  }

  // Changes the image, and in the same way the raw disk beside it; closes it.
  void Change(const std::string& name, Changes changes, uint64_t seed) {
    auto disk = Disk::Open(files(), PathOf(name), {.access = DiskAccess::kReadWrite});
    ASSERT_TRUE(disk) << ToString(disk.error());
    auto raw = RawDevice::Open(Open("raw", {.access = FileAccess::kReadWrite}));
    ASSERT_TRUE(raw) << ToString(raw.error());
    std::mt19937_64 random(seed);
    const uint64_t steps = std::max<uint64_t>(testing::Scaled(kSteps), 20);
    for (uint64_t step = 0; step < steps; ++step) {
      const uint64_t seed_of_step = random();
      for (BlockDevice* device :
           {static_cast<BlockDevice*>(disk->get()), static_cast<BlockDevice*>(raw->get())}) {
        std::mt19937_64 same(seed_of_step);
        const auto changed = Step(*device, changes, same);
        ASSERT_TRUE(changed) << ToString(changed.error());
      }
    }
    const auto closed = (*disk)->Close();
    ASSERT_TRUE(closed) << ToString(closed.error());
  }

  void ExpectNoFault(const std::string& name) {
    const CommandResult check = RunVhdx({"check", PathOf(name)});
    EXPECT_EQ(check.exit_status, 0) << check.out;
  }

  void ExpectSameByQemu(const std::string& name) {
    const CommandResult check = RunCommand({"qemu-img", "check", "-f", "vhdx", PathOf(name)});
    EXPECT_EQ(check.exit_status, 0) << check.out << check.err;
    EXPECT_NE(check.out.find("No errors were found"), std::string::npos) << check.out;
    const CommandResult same =
        RunCommand({"qemu-img", "compare", "-f", "vhdx", "-F", "raw", PathOf(name), PathOf("raw")});
    EXPECT_EQ(same.exit_status, 0) << same.out << same.err;
  }

  // Whether libvhdi can be asked here; a machine that tests us has to. Its Python module needs
  // neither root nor FUSE; Debian 13's vhdimount cannot mount at all.
  static bool HasLibvhdi() {
    static const bool has =
        RunCommand({"/usr/bin/python3", "-c", "import pyvhdi"}).exit_status == 0;
    if (!has) {
      EXPECT_EQ(std::getenv("VHDXKIT_REQUIRE_ALL"), nullptr) << "no python3-libvhdi";
    }
    return has;
  }

  // The image and its parents, as libvhdi reads them.
  void ExpectSameByLibvhdi(const std::vector<std::string>& names) {
    std::vector<std::string> words = {"/usr/bin/python3", "-B",
                                      std::string(VHDXKIT_SOURCE_DIR) + "/tests/libvhdi_read.py",
                                      PathOf("theirs")};
    for (const std::string& name : names) words.push_back(PathOf(name));
    const CommandResult read = RunCommand(words);
    ASSERT_EQ(read.exit_status, 0) << read.out << read.err;
    auto theirs = RawDevice::Open(Open("theirs"));
    auto raw = RawDevice::Open(Open("raw"));
    ASSERT_TRUE(theirs && raw);
    const auto compared = Compare(**theirs, **raw, {.strict = true});
    ASSERT_TRUE(compared) << ToString(compared.error());
    EXPECT_TRUE(compared->identical)
        << names.front() << " differs at " << compared->first_difference.value_or(0);
  }

 private:
  static constexpr uint64_t kSteps = 100;

  static Result<void> Step(BlockDevice& device, Changes changes, std::mt19937_64& random) {
    const uint64_t sectors = device.size_bytes() / kSector;
    // Mostly some sectors, now and then whole blocks, and some of these at the end of the disk.
    const bool is_long = changes == Changes::kAll && random() % 8 == 0;
    const uint64_t count = 1 + random() % (is_long ? kLongest / kSector : 256);
    const uint64_t sector = std::min(random() % sectors, sectors - count);
    const DiskRange range = {sector * kSector, count * kSector};
    const uint64_t kind = random() % 8;
    if (changes == Changes::kAll && kind == 0) return device.WriteZeroes(range);
    if (changes == Changes::kAll && kind == 1) return device.Trim(range);
    if (kind == 2) return device.Flush();
    static const std::vector<std::byte> pattern = testing::PatternBytes(kLongest + kSector);
    return device.Write(range.disk_offset,
                        ByteSpan(pattern).subspan(random() % kSector, range.length_bytes));
  }

  static constexpr uint64_t kSector = 512;
  static constexpr uint64_t kLongest = 20 * kMiB;
};

struct PeerWriteCase {
  bool by_qemu = false;  ///< who makes the image
  Subformat subformat = Subformat::kDynamic;
  uint64_t block_mib = 1;
};

class PeerWriteMade : public PeerWrite, public ::testing::WithParamInterface<PeerWriteCase> {};

TEST_P(PeerWriteMade, WhatWeWrote_IsReadByOthers) {
  const PeerWriteCase& made = GetParam();
  // The disk ends within a block.
  const uint64_t size_bytes = 130 * kMiB + 512;
  const std::string subformat(SubformatName(made.subformat));
  ASSERT_TRUE(New("raw")->Resize(size_bytes));
  if (made.by_qemu) {
    const CommandResult created = RunCommand(
        {"qemu-img", "create", "-q", "-f", "vhdx", "-o",
         "subformat=" + subformat + ",block_size=" + std::to_string(made.block_mib * kMiB),
         PathOf("disk.vhdx"), std::to_string(size_bytes)});
    ASSERT_EQ(created.exit_status, 0) << created.err;
  } else {
    const auto created = Create(files(), PathOf("disk.vhdx"),
                                {.subformat = made.subformat,
                                 .size_bytes = size_bytes,
                                 .block_size_bytes = made.block_mib * kMiB});
    ASSERT_TRUE(created) << ToString(created.error());
  }
  // Twice: the second session finds what the first one left.
  for (const uint64_t seed : {made.block_mib, made.block_mib + 1}) {
    Change("disk.vhdx", Changes::kAll, seed);
    if (HasFatalFailure()) return;
    ExpectSameByQemu("disk.vhdx");
    ExpectNoFault("disk.vhdx");
  }
  if (!HasLibvhdi()) GTEST_SKIP() << "QEMU reads the same; python3-libvhdi is not installed";
  ExpectSameByLibvhdi({"disk.vhdx"});
}

std::vector<PeerWriteCase> Cases() {
  std::vector<PeerWriteCase> cases;
  for (const bool by_qemu : {false, true}) {
    for (const Subformat subformat : {Subformat::kDynamic, Subformat::kFixed}) {
      for (const uint64_t block_mib : std::to_array<uint64_t>({1, 2, 32, 256})) {
        cases.push_back({by_qemu, subformat, block_mib});
      }
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Images, PeerWriteMade, ::testing::ValuesIn(Cases()), [](const auto& row) {
  return std::string(row.param.by_qemu ? "Qemu" : "Our") +
         (row.param.subformat == Subformat::kFixed ? "Fixed" : "Dynamic") +
         std::to_string(row.param.block_mib) + "MiB";
});

TEST_F(PeerWrite, ChildThatWeWrote_IsReadByLibvhdi) {
  if (!HasLibvhdi()) GTEST_SKIP() << "python3-libvhdi is not installed";
  ASSERT_TRUE(New("raw")->Resize(100 * kMiB));
  ASSERT_TRUE(Create(files(), PathOf("base.vhdx"),
                     {.size_bytes = 100 * kMiB, .block_size_bytes = 2 * kMiB}));
  Change("base.vhdx", Changes::kAll, 1);
  ASSERT_TRUE(Create(files(), PathOf("child.vhdx"),
                     {.subformat = Subformat::kDifferencing, .parent_path = PathOf("base.vhdx")}));
  Change("child.vhdx", Changes::kPartialWrites, 2);
  if (HasFatalFailure()) return;
  ExpectNoFault("child.vhdx");
  ExpectSameByLibvhdi({"child.vhdx", "base.vhdx"});
}

}  // namespace
}  // namespace vhdx::tests
