// A disk on files in memory, written through everything above them.

#ifndef VHDXKIT_DISK_DISK_WRITE_FIXTURE_H_
#define VHDXKIT_DISK_DISK_WRITE_FIXTURE_H_

#include <gtest/gtest.h>
#include <vhdxkit/check.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/inspect.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "disk/open_disk.h"
#include "testing/image_builder.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"
#include "testing/recording_file.h"

namespace vhdx {

class DiskWrite : public ::testing::Test {
 protected:
  static constexpr const char* kPath = "/vm/disk.vhdx";

  static std::vector<std::byte> Filled(uint64_t length, uint8_t value) {
    return std::vector<std::byte>(length, std::byte{value});
  }
  void Put(const std::string& path, const testing::ImageSpec& spec) {
    auto built = testing::BuildAt(spec, files_, path);
    ASSERT_TRUE(built) << built.error().sentence;
  }
  /// A child whose file has bits that are set for a block that it does not have. Returns the file
  /// offset of their page.
  uint64_t PutChildWithLeftoverBits() {
    const testing::ImageSpec base = testing::DynamicImage();
    Put("/vm/base.vhdx", base);
    testing::ImageSpec child = testing::ChildOf(base, ".\\base.vhdx");
    child.bitmaps = {{.chunk = 0}};
    const uint64_t page = testing::PlanLayout(child).bitmap_offsets.at(0);
    child.late_patches = {{.file_offset = page + 512, .bytes = {std::byte{3}}}};
    Put(kPath, child);
    return page;
  }
  std::unique_ptr<Disk> Open(WriteLimits limits = {}) {
    auto disk = OpenDisk(recording_, kPath, {.access = DiskAccess::kReadWrite}, limits);
    EXPECT_TRUE(disk) << (disk ? "" : disk.error().sentence);
    return disk ? *std::move(disk) : nullptr;
  }
  /// The rule that keeps the image from being opened for writing. Not a byte changes.
  std::string RuleAgainstWriting() {
    const auto before = files_.Contents(kPath)->Bytes();
    const auto disk = Disk::Open(recording_, kPath, {.access = DiskAccess::kReadWrite});
    EXPECT_EQ(files_.Contents(kPath)->Bytes(), before);
    return disk ? "none" : disk.error().rule;
  }
  static std::vector<std::byte> Read(Disk& disk, DiskRange range) {
    std::vector<std::byte> bytes(range.length_bytes);
    EXPECT_EQ(testing::OutcomeOf(disk.Read(range.disk_offset, bytes)), "ok");
    return bytes;
  }
  std::vector<std::byte> ReadAgain(DiskRange range) {
    auto disk = Disk::Open(files_, kPath, {.chain = {.images = {.lock = LockPolicy::kIgnore}}});
    EXPECT_EQ(testing::OutcomeOf(disk), "ok");
    return Read(**disk, range);
  }
  void ExpectClean() {
    auto report = Check(files_, kPath, {.images = {.lock = LockPolicy::kIgnore}});
    ASSERT_EQ(testing::OutcomeOf(report), "ok");
    EXPECT_EQ(report->verdict, CheckVerdict::kClean)
        << testing::OutcomeOf(std::span<const Finding>(report->findings));
  }
  size_t Syncs() const { return record_->Count(testing::FileCall::kSync); }
  HeaderInfo Header(const char* path = kPath) {
    return Inspect(files_, path, {.images = {.lock = LockPolicy::kIgnore}})->image.header();
  }

  testing::MemoryFileSystem files_;
  std::shared_ptr<testing::CallRecord> record_ = std::make_shared<testing::CallRecord>();
  testing::RecordingFileSystem recording_{files_, record_};
};

}  // namespace vhdx

#endif  // VHDXKIT_DISK_DISK_WRITE_FIXTURE_H_
