// The contract of BlockDevice (block_device.h), held against every implementation.

#include <gtest/gtest.h>
#include <vhdxkit/block_device.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/raw_device.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "builder/raw_builder.h"
#include "builder/vhdx_builder.h"
#include "bytes/arithmetic.h"
#include "bytes/zeros.h"
#include "testing/image_builder.h"
#include "testing/image_spec.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"
#include "testing/recording_file.h"

namespace vhdx {
namespace {

using testing::CallRecord;
using testing::ChildOf;
using testing::DynamicImage;
using testing::FileCall;
using testing::FixedImage;
using testing::FullBlock;
using testing::ImageSpec;
using testing::MemoryFileSystem;
using testing::OutcomeOf;
using testing::RecordingFileSystem;

constexpr uint64_t kSector = 512;
const std::string kPath = "/vm/disk";

// One implementation, in one of its forms.
struct Kind {
  std::string name;
  /// Puts what is needed into the file system.
  std::function<void(MemoryFileSystem&)> make;
  std::function<Result<std::unique_ptr<BlockDevice>>(FileSystem&, DiskAccess)> open;
  uint64_t padding_bytes = 0;  ///< at the end of the disk
};

Result<std::unique_ptr<BlockDevice>> OpenRaw(FileSystem& files, DiskAccess access) {
  const bool writes = access == DiskAccess::kReadWrite;
  auto file =
      files.Open(kPath, {.access = writes ? FileAccess::kReadWrite : FileAccess::kReadOnly});
  if (!file) return std::unexpected(file.error());
  return RawDevice::Open(*std::move(file));
}

Result<std::unique_ptr<BlockDevice>> OpenVhdx(FileSystem& files, DiskAccess access) {
  return Disk::Open(files, kPath, {.access = access});
}

Kind RawKind(const std::string& name, uint64_t file_size) {
  return {.name = name,
          .make =
              [file_size](MemoryFileSystem& files) {
                const auto contents = files.AddFile(kPath);
                contents->Resize(file_size);
                contents->Write(kMiB, std::vector<std::byte>(kMiB, std::byte{7}));
              },
          .open = OpenRaw,
          .padding_bytes = AlignUp(file_size, kSector) - file_size};
}

void Build(MemoryFileSystem& files, const ImageSpec& spec, const std::string& path) {
  ASSERT_TRUE(testing::BuildAt(spec, files, path));
}

Kind VhdxKind(const std::string& name, const std::function<ImageSpec()>& spec) {
  return {.name = name,
          .make = [spec](MemoryFileSystem& files) { Build(files, spec(), kPath); },
          .open = OpenVhdx};
}

ImageSpec Dynamic(uint32_t sector_size) {
  ImageSpec spec = DynamicImage({.disk_size = 7 * kMiB + 3 * 4096,
                                 .block_size = 2 * kMiB,
                                 .logical_sector_size = sector_size});
  spec.blocks = {FullBlock(1)};
  return spec;
}

Kind ChildKind(const std::string& name, uint32_t sector_size) {
  return {.name = name,
          .make =
              [sector_size](MemoryFileSystem& files) {
                const ImageSpec base = Dynamic(sector_size);
                ImageSpec child = ChildOf(base, ".\\base.vhdx", {.block_size = kMiB});
                child.blocks = {FullBlock(2)};
                Build(files, base, "/vm/base.vhdx");
                Build(files, child, kPath);
              },
          .open = OpenVhdx};
}

// A disk that is being made, which gets its name when it is closed or destroyed.
class DiskInTheMaking final : public BlockDevice {
 public:
  DiskInTheMaking(std::unique_ptr<DiskBuilder> builder, std::string temporary_path)
      : builder_(std::move(builder)), temporary_path_(std::move(temporary_path)) {}
  ~DiskInTheMaking() override { EXPECT_TRUE(builder_->is_committed() || builder_->Commit()); }

  const std::string& name() const override { return device().name(); }
  uint64_t size_bytes() const override { return device().size_bytes(); }
  uint32_t logical_sector_size() const override { return device().logical_sector_size(); }
  uint32_t physical_sector_size() const override { return device().physical_sector_size(); }
  bool writable() const override { return device().writable(); }
  using BlockDevice::Read;
  using BlockDevice::Write;
  Result<void> Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) override {
    return device().Read(disk_offset, buffers);
  }
  Result<void> Write(uint64_t disk_offset, std::span<const ByteSpan> buffers,
                     WriteFlag flag) override {
    return device().Write(disk_offset, buffers, flag);
  }
  Result<void> WriteZeroes(DiskRange range) override { return device().WriteZeroes(range); }
  Result<void> Trim(DiskRange range) override { return device().Trim(range); }
  Result<void> Flush() override { return device().Flush(); }
  Result<void> Close() override {
    if (auto closed = device().Close(); !closed) return closed;
    auto committed = builder_->Commit();
    if (!committed) return std::unexpected(committed.error());
    return builder_->file().Lock(LockMode::kNone);
  }
  Result<std::vector<Extent>> Extents(DiskRange range, size_t max_extents) override {
    return device().Extents(range, max_extents);
  }
  Result<uint64_t> NextData(DiskRange range) override { return device().NextData(range); }
  bool Uses(const FileIdentity& file) const override { return device().Uses(file); }
  const std::string& FileOf(uint32_t) const override { return temporary_path_; }
  Result<void> CloneTo(DiskRange range, File& target, uint64_t file_offset) override {
    return device().CloneTo(range, target, file_offset);
  }
  Result<void> CloneFrom(uint64_t disk_offset, BlockDevice& source,
                         DiskRange source_range) override {
    return device().CloneFrom(disk_offset, source, source_range);
  }

 private:
  BlockDevice& device() const { return builder_->device(); }

  const std::unique_ptr<DiskBuilder> builder_;
  const std::string temporary_path_;
};

using BeginBuilder = std::function<Result<std::unique_ptr<DiskBuilder>>(FileSystem&)>;
using OpenDevice = std::function<Result<std::unique_ptr<BlockDevice>>(FileSystem&, DiskAccess)>;

// The first that opens it makes it.
Kind BuilderKind(const std::string& name, const BeginBuilder& begin, const OpenDevice& open) {
  return {
      .name = name,
      .make = [](MemoryFileSystem& files) { files.AddFolder("/vm"); },
      .open = [=](FileSystem& files, DiskAccess access) -> Result<std::unique_ptr<BlockDevice>> {
        if (files.Open(kPath, {})) return open(files, access);
        auto builder = begin(files);
        if (!builder) return std::unexpected(builder.error());
        return std::make_unique<DiskInTheMaking>(*std::move(builder),
                                                 "/vm/" + files.List("/vm", 1)->front());
      }};
}

Kind RawBuilderKind() {
  return BuilderKind(
      "NewRaw",
      [](FileSystem& files) { return RawBuilder::Begin(files, kPath, 8 * kMiB + kSector, {}); },
      OpenRaw);
}

Kind VhdxBuilderKind(const std::string& name, DiskParameters parameters) {
  parameters.physical_sector_size = 4096;
  const auto begin = [parameters](FileSystem& files) {
    return VhdxBuilder::Begin(files, kPath, {.image = {.parameters = parameters}}, {});
  };
  return BuilderKind(name, begin, OpenVhdx);
}

std::vector<Kind> Kinds() {
  return {
      RawKind("Raw", 8 * kMiB + kSector),
      RawKind("RawWithPadding", 8 * kMiB + 1000),
      VhdxKind("Dynamic512", [] { return Dynamic(512); }),
      VhdxKind("Dynamic4096", [] { return Dynamic(4096); }),
      VhdxKind("Fixed", [] { return FixedImage({.disk_size = 5 * kMiB, .block_size = 2 * kMiB}); }),
      ChildKind("Child512", 512),
      ChildKind("Child4096", 4096),
      RawBuilderKind(),
      VhdxBuilderKind("NewDynamic512", {.block_size_bytes = 2 * kMiB,
                                        .virtual_disk_size_bytes = 7 * kMiB + 3 * 4096,
                                        .logical_sector_size = 512}),
      VhdxBuilderKind("NewDynamic4096", {.block_size_bytes = kMiB,
                                         .virtual_disk_size_bytes = 7 * kMiB + 3 * 4096,
                                         .logical_sector_size = 4096}),
      VhdxBuilderKind("NewFixed", {.block_size_bytes = 2 * kMiB,
                                   .leave_blocks_allocated = true,
                                   .virtual_disk_size_bytes = 5 * kMiB,
                                   .logical_sector_size = 512})};
}

class BlockDeviceContract : public ::testing::TestWithParam<Kind> {
 protected:
  BlockDeviceContract() {
    files_.SetCapabilities({.punch_hole = true, .clone_range = true});
    GetParam().make(files_);
    device_ = Open(DiskAccess::kReadWrite);
  }

  std::unique_ptr<BlockDevice> Open(DiskAccess access) {
    auto device = GetParam().open(recording_, access);
    EXPECT_TRUE(device) << ToString(device.error());
    return device ? *std::move(device) : nullptr;
  }

  static std::vector<std::byte> ReadAll(BlockDevice& device) {
    std::vector<std::byte> bytes(device.size_bytes());
    EXPECT_EQ(OutcomeOf(device.Read(0, bytes)), "ok");
    return bytes;
  }

  std::vector<std::byte> RandomBytes(uint64_t length) {
    std::vector<std::byte> bytes(length);
    std::ranges::generate(bytes, [this] { return static_cast<std::byte>(random_() | 1); });
    return bytes;
  }

  /// The bytes as buffers of random lengths, some of them empty.
  template <typename Span>
  std::vector<Span> Scatter(Span bytes) {
    std::vector<Span> buffers;
    while (!bytes.empty()) {
      const size_t length = std::min<size_t>(bytes.size(), random_() % 3 * (random_() % 5000));
      buffers.push_back(bytes.first(length));
      bytes = bytes.subspan(length);
    }
    return buffers;
  }

  /// A range of whatever alignment, before the padding.
  DiskRange RandomRange() {
    const uint64_t end = device_->size_bytes() - GetParam().padding_bytes;
    const uint64_t longest = random_() % 4 == 0 ? 3 * kMiB : 9000;
    const uint64_t length = random_() % std::min(longest, end);
    uint64_t offset = random_() % (end - length + 1);
    if (random_() % 2 == 0) offset = AlignDown(offset, 4096);
    return {offset, length};
  }

  MemoryFileSystem files_;
  std::shared_ptr<CallRecord> record_ = std::make_shared<CallRecord>();
  RecordingFileSystem recording_{files_, record_};
  std::unique_ptr<BlockDevice> device_;
  std::mt19937_64 random_{11};
};

TEST_P(BlockDeviceContract, PastTheEnd_NothingIsDone) {
  const auto before = ReadAll(*device_);
  const uint64_t size = device_->size_bytes();
  std::vector<std::byte> bytes(2 * kSector, std::byte{1});
  for (const uint64_t offset : {size - kSector, size, size + 1, size + kMiB,
                                std::numeric_limits<uint64_t>::max() - kSector}) {
    SCOPED_TRACE(offset);
    const DiskRange range{offset, bytes.size()};
    EXPECT_EQ(OutcomeOf(device_->Read(offset, bytes)), "invalid-argument");
    EXPECT_EQ(OutcomeOf(device_->Write(offset, ByteSpan(bytes))), "invalid-argument");
    EXPECT_EQ(OutcomeOf(device_->WriteZeroes(range)), "invalid-argument");
    EXPECT_EQ(OutcomeOf(device_->Trim(range)), "invalid-argument");
    EXPECT_EQ(OutcomeOf(device_->Extents(range, 10)), "invalid-argument");
    EXPECT_EQ(OutcomeOf(device_->NextData(range)), "invalid-argument");
  }
  EXPECT_EQ(device_->size_bytes(), size);
  EXPECT_EQ(ReadAll(*device_), before);
}

TEST_P(BlockDeviceContract, NoLength_SucceedsWithoutInputOrOutput) {
  const uint64_t size = device_->size_bytes();
  for (const uint64_t offset : {uint64_t{0}, uint64_t{1}, size}) {
    SCOPED_TRACE(offset);
    record_->Clear();
    EXPECT_EQ(OutcomeOf(device_->Read(offset, MutableByteSpan())), "ok");
    EXPECT_EQ(OutcomeOf(device_->Read(offset, std::span<const MutableByteSpan>())), "ok");
    EXPECT_EQ(OutcomeOf(device_->Write(offset, ByteSpan())), "ok");
    EXPECT_EQ(OutcomeOf(device_->WriteZeroes({offset, 0})), "ok");
    EXPECT_EQ(OutcomeOf(device_->Trim({offset, 0})), "ok");
    EXPECT_TRUE(device_->Extents({offset, 0}, 1)->empty());
    EXPECT_EQ(*device_->NextData({offset, 0}), offset);
    EXPECT_EQ(record_->Calls().size(), 0U);
  }
  EXPECT_EQ(OutcomeOf(device_->Read(size + 1, MutableByteSpan())), "invalid-argument");
  EXPECT_EQ(OutcomeOf(device_->Write(size + 1, ByteSpan())), "invalid-argument");
  EXPECT_EQ(OutcomeOf(device_->Trim({size + 1, 0})), "invalid-argument");
}

TEST_P(BlockDeviceContract, AnyAlignmentAndAnyBuffers_ReadAndWriteTheirBytes) {
  auto expected = ReadAll(*device_);
  for (int step = 0; step < 80; ++step) {
    const DiskRange range = RandomRange();
    SCOPED_TRACE(std::to_string(range.disk_offset) + "+" + std::to_string(range.length_bytes));
    const auto start = expected.begin() + static_cast<ptrdiff_t>(range.disk_offset);
    const uint64_t drawn = random_() % 4;
    if (drawn < 2) {
      const auto bytes = RandomBytes(range.length_bytes);
      const auto buffers = Scatter(ByteSpan(bytes));
      ASSERT_EQ(OutcomeOf(device_->Write(range.disk_offset, buffers, WriteFlag::kNone)), "ok");
      std::ranges::copy(bytes, start);
    } else {
      ASSERT_EQ(OutcomeOf(drawn == 2 ? device_->WriteZeroes(range) : device_->Trim(range)), "ok");
      std::fill_n(start, range.length_bytes, std::byte{0});
    }
    const DiskRange looked = RandomRange();
    std::vector<std::byte> bytes(looked.length_bytes, std::byte{99});
    ASSERT_EQ(OutcomeOf(device_->Read(looked.disk_offset, Scatter(MutableByteSpan(bytes)))), "ok");
    ASSERT_TRUE(std::ranges::equal(
        bytes, std::span(expected).subspan(looked.disk_offset, looked.length_bytes)));
  }
  EXPECT_EQ(ReadAll(*device_), expected);
  ASSERT_EQ(OutcomeOf(device_->Flush()), "ok");
  device_.reset();
  EXPECT_EQ(ReadAll(*Open(DiskAccess::kReadOnly)), expected) << "opened again";
}

TEST_P(BlockDeviceContract, Extents_CoverTheDiskAndSayWhatIsRead) {
  const DiskRange written{3 * kMiB + 5000, 70000};
  ASSERT_TRUE(device_->Write(written.disk_offset, ByteSpan(RandomBytes(written.length_bytes))));
  const DiskRange all{0, device_->size_bytes()};
  EXPECT_EQ(OutcomeOf(device_->Extents(all, 0)), "invalid-argument");
  const auto extents = *device_->Extents(all, 1000);
  uint64_t position = 0;
  for (const Extent& extent : extents) {
    ASSERT_EQ(extent.range.disk_offset, position);
    ASSERT_GT(extent.range.length_bytes, 0U);
    const auto alone = *device_->Extents({position, all.end() - position}, 1);
    ASSERT_EQ(alone.size(), 1U);
    EXPECT_EQ(alone[0].range, extent.range);
    std::vector<std::byte> bytes(extent.range.length_bytes);
    ASSERT_TRUE(device_->Read(position, bytes));
    EXPECT_EQ(extent.place.has_value(), extent.kind == ExtentKind::kData);
    if (extent.place) {
      auto file = *files_.Open(device_->FileOf(extent.depth), {});
      EXPECT_EQ(file->identity(), extent.place->file);
      EXPECT_TRUE(device_->Uses(extent.place->file));
      std::vector<std::byte> stored(bytes.size());
      ASSERT_TRUE(file->ReadExactAt(extent.place->file_offset, stored));
      EXPECT_EQ(stored, bytes);
    } else {
      EXPECT_TRUE(IsAllZero(bytes));
    }
    position = extent.range.end();
  }
  EXPECT_EQ(position, all.end());
}

TEST_P(BlockDeviceContract, NextData_SkipsOnlyZeros) {
  ASSERT_TRUE(device_->Trim({0, device_->size_bytes()}));
  const DiskRange written{4 * kMiB + 8192, 4096};
  ASSERT_TRUE(device_->Write(written.disk_offset, ByteSpan(RandomBytes(4096))));
  for (uint64_t offset = 0; offset < device_->size_bytes(); offset += 300 * kKiB + 7) {
    const DiskRange range{offset, device_->size_bytes() - offset};
    const auto data = device_->NextData(range);
    ASSERT_TRUE(data);
    ASSERT_GE(*data, offset);
    ASSERT_LE(*data, range.end());
    std::vector<std::byte> skipped(*data - offset);
    ASSERT_TRUE(device_->Read(offset, skipped));
    EXPECT_TRUE(IsAllZero(skipped));
    if (offset <= written.disk_offset) {
      EXPECT_LE(*data, written.disk_offset);
    }
  }
}

TEST_P(BlockDeviceContract, ForcedUnitAccess_IsDurableWhenItReturns) {
  const auto bytes = RandomBytes(4096);
  ASSERT_TRUE(device_->Write(0, ByteSpan(bytes)));
  ASSERT_TRUE(device_->Flush());
  record_->Clear();
  ASSERT_TRUE(device_->Write(0, ByteSpan(bytes)));
  EXPECT_EQ(record_->Count(FileCall::kSync), 0U);
  ASSERT_TRUE(device_->Write(0, ByteSpan(bytes), WriteFlag::kFua));
  EXPECT_GE(record_->Count(FileCall::kSync), 1U);
  EXPECT_EQ(record_->Calls().back().call, FileCall::kSync);
}

TEST_P(BlockDeviceContract, Closed_RefusesEveryRequest) {
  EXPECT_EQ(OutcomeOf(device_->Close()), "ok");
  std::vector<std::byte> bytes(kSector);
  const auto other = files_.AddFile("/vm/other");
  const auto target = *files_.Open("/vm/other", {.access = FileAccess::kReadWrite});
  const size_t reads = record_->Count(FileCall::kRead);
  const size_t writes = record_->Count(FileCall::kWrite);
  const std::string kRefused = "invalid-argument";
  EXPECT_EQ(OutcomeOf(device_->Read(0, bytes)), kRefused);
  EXPECT_EQ(OutcomeOf(device_->Write(0, ByteSpan(bytes))), kRefused);
  EXPECT_EQ(OutcomeOf(device_->WriteZeroes({0, kSector})), kRefused);
  EXPECT_EQ(OutcomeOf(device_->Trim({0, kSector})), kRefused);
  EXPECT_EQ(OutcomeOf(device_->Flush()), kRefused);
  EXPECT_EQ(OutcomeOf(device_->Extents({0, kSector}, 1)), kRefused);
  EXPECT_EQ(OutcomeOf(device_->NextData({0, kSector})), kRefused);
  EXPECT_EQ(OutcomeOf(device_->CloneTo({0, kSector}, *target, 0)), kRefused);
  EXPECT_EQ(OutcomeOf(device_->Close()), kRefused);
  EXPECT_EQ(record_->Count(FileCall::kRead), reads);
  EXPECT_EQ(record_->Count(FileCall::kWrite), writes);
  EXPECT_EQ(device_->name(), kPath);
}

TEST_P(BlockDeviceContract, Close_KeepsWhatWasWrittenAndGivesBackItsLock) {
  const auto bytes = RandomBytes(kSector);
  ASSERT_EQ(OutcomeOf(device_->Write(kMiB, ByteSpan(bytes))), "ok");
  EXPECT_EQ(OutcomeOf(device_->Close()), "ok");
  const auto again = Open(DiskAccess::kReadWrite);  // which takes the lock of a writer
  ASSERT_NE(again, nullptr);
  std::vector<std::byte> read(kSector);
  EXPECT_EQ(OutcomeOf(again->Read(kMiB, read)), "ok");
  EXPECT_EQ(read, bytes);
}

// A write that has succeeded is in the device when Close returns; the others are refused.
TEST_P(BlockDeviceContract, Close_WaitsForRequests) {
  const std::vector<std::byte> bytes(kSector, std::byte{9});
  std::atomic<uint64_t> written = 0;
  std::vector<std::thread> writers;
  for (uint64_t number = 0; number < 4; ++number) {
    writers.emplace_back([this, number, &bytes, &written] {
      const uint64_t end = (number + 1) * kMiB;
      for (uint64_t at = number * kMiB; at < end; at += kSector) {
        if (device_->Write(at, ByteSpan(bytes))) ++written;
      }
    });
  }
  while (written < 100) std::this_thread::yield();
  EXPECT_EQ(OutcomeOf(device_->Close()), "ok");
  const size_t writes = record_->Count(FileCall::kWrite);
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(record_->Count(FileCall::kWrite), writes);
  const auto again = Open(DiskAccess::kReadOnly);
  ASSERT_NE(again, nullptr);
  std::vector<std::byte> sector(kSector);
  uint64_t found = 0;
  for (uint64_t at = 0; at < 4 * kMiB; at += kSector) {
    ASSERT_EQ(OutcomeOf(again->Read(at, sector)), "ok");
    found += sector == bytes ? 1 : 0;
  }
  EXPECT_EQ(found, written);
}

TEST_P(BlockDeviceContract, ReadOnly_RefusesEveryChange) {
  device_ = nullptr;
  const auto device = Open(DiskAccess::kReadOnly);
  const std::vector<std::byte> bytes(kSector);
  EXPECT_FALSE(device->writable());
  EXPECT_EQ(OutcomeOf(device->Write(0, ByteSpan(bytes))), "read-only");
  EXPECT_EQ(OutcomeOf(device->WriteZeroes({0, kSector})), "read-only");
  EXPECT_EQ(OutcomeOf(device->Trim({0, kSector})), "read-only");
  EXPECT_EQ(OutcomeOf(device->CloneFrom(0, *device, {0, kSector})), "read-only");
  EXPECT_EQ(OutcomeOf(device->Flush()), "ok");
}

TEST_P(BlockDeviceContract, Padding_ReadsAsZerosAndTakesNothingElse) {
  const uint64_t padding = GetParam().padding_bytes;
  if (padding == 0) return;  // this kind has none
  const uint64_t start = device_->size_bytes() - padding;
  std::vector<std::byte> bytes(kSector, std::byte{5});
  const uint64_t sector = device_->size_bytes() - kSector;
  EXPECT_EQ(OutcomeOf(device_->Write(sector, ByteSpan(bytes))), "invalid-argument");
  std::vector<std::byte> found(kSector);
  ASSERT_TRUE(device_->Read(sector, found));
  EXPECT_TRUE(IsAllZero(found)) << "nothing was done";
  std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(start - sector), padding, std::byte{0});
  EXPECT_EQ(OutcomeOf(device_->Write(sector, Scatter(ByteSpan(bytes)), WriteFlag::kNone)), "ok");
  ASSERT_TRUE(device_->Read(sector, found));
  EXPECT_EQ(found, bytes);
  EXPECT_EQ(OutcomeOf(device_->WriteZeroes({sector, kSector})), "ok");
  EXPECT_EQ(files_.Contents(kPath)->size(), start) << "the file did not grow";
}

TEST_P(BlockDeviceContract, SharedBytes_AreThoseOfTheRange) {
  ASSERT_TRUE(device_->Write(kMiB, ByteSpan(RandomBytes(kMiB))));
  ASSERT_TRUE(device_->Trim({2 * kMiB, 2 * kMiB}));
  const DiskRange range{kMiB / 2, 3 * kMiB};
  std::vector<std::byte> expected(range.length_bytes);
  ASSERT_TRUE(device_->Read(range.disk_offset, expected));
  files_.AddFile("/vm/shared");
  const auto target = *files_.Open("/vm/shared", {.access = FileAccess::kReadWrite});
  ASSERT_TRUE(target->Resize(4 * kMiB));
  EXPECT_EQ(OutcomeOf(device_->CloneTo({0, device_->size_bytes() + 1}, *target, 0)),
            "invalid-argument");
  ASSERT_EQ(OutcomeOf(device_->CloneTo(range, *target, kMiB)), "ok");
  std::vector<std::byte> shared(range.length_bytes);
  ASSERT_TRUE(target->ReadExactAt(kMiB, shared));
  EXPECT_EQ(shared, expected);

  const auto source = *RawDevice::OnFile(*target);
  EXPECT_EQ(OutcomeOf(device_->CloneFrom(device_->size_bytes(), *source, {0, kMiB})),
            "invalid-argument");
  ASSERT_EQ(OutcomeOf(device_->CloneFrom(0, *source, {kMiB, 3 * kMiB})), "ok");
  std::vector<std::byte> back(3 * kMiB);
  ASSERT_TRUE(device_->Read(0, back));
  EXPECT_EQ(back, expected);
}

// Two writers and a reader: what a sector holds came from one of the writes.
TEST_P(BlockDeviceContract, RequestsAtOnce_MixNoSectors) {
  const DiskRange area{kMiB - 64 * kKiB, 128 * kKiB};
  ASSERT_TRUE(device_->WriteZeroes(area));
  std::atomic<bool> stop = false;
  std::atomic<int> mixed = 0;
  const auto write = [&](unsigned seed) {
    std::mt19937_64 random(seed);
    for (int i = 0; i < 300; ++i) {
      const uint64_t length = kSector * (1 + random() % 32);
      const uint64_t offset = area.disk_offset + kSector * (random() % 200);
      const std::vector<std::byte> bytes(length, static_cast<std::byte>(random()));
      if (random() % 8 == 0) {
        EXPECT_TRUE(device_->Trim({offset, length}));
      } else {
        EXPECT_TRUE(device_->Write(offset, ByteSpan(bytes)));
      }
    }
  };
  const auto read = [&] {
    std::vector<std::byte> bytes(area.length_bytes);
    while (!stop) {
      EXPECT_TRUE(device_->Read(area.disk_offset, bytes));
      for (uint64_t at = 0; at < bytes.size(); at += kSector) {
        const auto sector = std::span(bytes).subspan(at, kSector);
        if (std::ranges::count(sector, sector[0]) != static_cast<ptrdiff_t>(kSector)) ++mixed;
      }
    }
  };
  std::thread reader(read);
  std::thread first(write, 1);
  std::thread second(write, 2);
  first.join();
  second.join();
  stop = true;
  reader.join();
  EXPECT_EQ(mixed, 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, BlockDeviceContract, ::testing::ValuesIn(Kinds()),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace vhdx
