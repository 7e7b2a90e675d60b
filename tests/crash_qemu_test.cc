// What QEMU makes of files that a power cut left behind: after it has replayed the log, the same
// contents as ours. For a sample of the states of the crash matrix.

#include <gtest/gtest.h>

#include <iostream>
#include <string>
#include <vector>

#include "testing/host_folder.h"
#include "testing/scale.h"
#include "tests/command.h"
#include "tests/crash_lineage.h"

namespace vhdx::tests {
namespace {

using testing::CrashFileKind;
using testing::DiskContents;
using testing::PageImage;

constexpr size_t kBatch = 40;   // images that one qemu-img converts, one behind the other
constexpr int kSampledOne = 4;  // one state in so many

class CrashQemu : public testing::HostFolderTest,
                  public ::testing::WithParamInterface<CrashDiskShape> {
 protected:
  void SetUp() override {
    if (HasProgram("qemu-img")) return;
    GTEST_SKIP() << "qemu-img (package qemu-utils) is not installed";
  }

  struct Sample {
    std::string path;
    DiskContents contents;
    PageImage initial;
  };

  void Take(CrashDisk& disk, const PageImage& file, const CrashedDisk& seen) {
    const std::string name = std::to_string(samples_.size()) + ".vhdx";
    Store(file, name);
    samples_.push_back({PathOf(name), seen.contents, disk.initial_bytes()});
    if (seen.log_entries > 0) ++replayed_;
    if (samples_.size() == kBatch) CompareSamples();
  }

  void CompareSamples() {
    if (samples_.empty()) return;
    std::vector<std::string> convert = {"qemu-img", "convert", "-f", "vhdx", "-O", "raw"};
    for (const Sample& sample : samples_) {
      // Replays the log: to convert would refuse.
      const CommandResult checked =
          RunCommand({"qemu-img", "check", "-q", "-f", "vhdx", "-r", "all", sample.path});
      EXPECT_EQ(checked.exit_status, 0) << checked.out << checked.err;
      convert.push_back(sample.path);
    }
    convert.push_back(PathOf("raw"));
    const CommandResult converted = RunCommand(convert);
    ASSERT_EQ(converted.exit_status, 0) << converted.err;
    const auto raw = PageImage::Load(*Open("raw"));
    ASSERT_TRUE(raw);
    uint64_t start = 0;
    for (const Sample& sample : samples_) {
      EXPECT_EQ(ContentsAt(*raw, start, sample.initial), sample.contents) << sample.path;
      start += sample.initial.size();
      std::filesystem::remove(sample.path);
    }
    EXPECT_EQ(raw->size(), start);
    compared_ += samples_.size();
    samples_.clear();
  }

  uint64_t compared_ = 0;
  uint64_t replayed_ = 0;
  std::vector<Sample> samples_;

 private:
  void Store(const PageImage& file, const std::string& name) {
    const auto stored = New(name);
    ASSERT_TRUE(stored->Resize(file.size()));
    for (uint64_t at = file.NextData(0); at < file.size();) {
      const uint64_t end = file.NextHole(at);
      ASSERT_TRUE(stored->WriteAt(at, ByteSpan(file.Bytes({at, end - at}))));
      at = file.NextData(end);
    }
  }

  // One disk out of those that stand behind each other.
  static DiskContents ContentsAt(const PageImage& raw, uint64_t start, const PageImage& initial) {
    DiskContents contents;
    std::array<std::byte, testing::kGuestSectorBytes> sector;
    for (uint64_t at = 0; at < initial.size(); at += sector.size()) {
      (void)raw.Read(start + at, sector);
      AppendRun(contents, {at, sector.size()}, ValueOf(at, sector, initial));
    }
    return contents;
  }
};

TEST_P(CrashQemu, CrashedDisk_HoldsTheSameByQemu) {
  constexpr uint64_t kStates = 1000;
  CrashTally tally;
  std::mt19937_64 random(1);
  const auto observe = [&](CrashDisk& disk, const PageImage& file, const CrashedDisk& seen) {
    if (random() % kSampledOne == 0 && !HasFailure()) Take(disk, file, seen);
  };
  for (uint64_t seed = 1000; compared_ < testing::Scaled(kStates) && !HasFailure(); ++seed) {
    CrashLineage(GetParam(), seed, tally, observe).Run(2);
  }
  CompareSamples();
  std::cout << compared_ << " states compared, " << replayed_ << " with a log; " << Describe(tally)
            << "\n";
  for (const std::string& sentence : tally.broken) ADD_FAILURE() << sentence;
  if (GetParam().subformat != Subformat::kFixed) {
    EXPECT_GT(replayed_, 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(Disks, CrashQemu,
                         ::testing::Values(CrashDiskShape{.subformat = Subformat::kDynamic,
                                                          .size = CrashDiskSize::kSmall},
                                           CrashDiskShape{.subformat = Subformat::kFixed,
                                                          .size = CrashDiskSize::kSmall}),
                         [](const auto& row) {
                           return std::string(SubformatName(row.param.subformat));
                         });

}  // namespace
}  // namespace vhdx::tests
