#include <gtest/gtest.h>
#include <vhdxkit/raw_device.h>
#include <vhdxkit/statistics.h>

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "testing/memory_file.h"

namespace vhdx {
namespace {

constexpr uint64_t kPartitions = 446;

// A disk with the signature of a master boot record.
class PartitionedDisk : public ::testing::Test {
 protected:
  PartitionedDisk() {
    contents_->Resize(64 * kMiB);
    Put(510, le16(0xAA55));
  }

  template <typename T>
  void Put(uint64_t offset, const T& value) {
    contents_->Write(offset, std::as_bytes(std::span(&value, 1)));
  }
  void PutPartition(size_t number, uint8_t status, uint8_t type, uint32_t first, uint32_t count) {
    const uint64_t at = kPartitions + number * 16;
    Put(at, status);
    Put(at + 4, type);
    Put(at + 8, le32(first));
    Put(at + 12, le32(count));
  }
  std::optional<uint64_t> Minimum() {
    auto disk = *RawDevice::Open(std::make_unique<testing::MemoryFile>(contents_));
    return *MinimumSize(*disk);
  }

  std::shared_ptr<testing::MemoryContents> contents_ = std::make_shared<testing::MemoryContents>();
};

TEST_F(PartitionedDisk, WithoutATable_HasNoMinimum) { EXPECT_EQ(Minimum(), std::nullopt); }

TEST_F(PartitionedDisk, LastPartition_IsTheEnd) {
  PutPartition(0, 0x80, 0x83, 2048, 2048);
  PutPartition(2, 0, 7, 8192, 4096);
  EXPECT_EQ(Minimum(), (8192 + 4096) * 512);
}

TEST_F(PartitionedDisk, PartitionBehindTheEnd_IsNoTable) {
  PutPartition(0, 0, 0x83, 2048, 1 << 20);
  EXPECT_EQ(Minimum(), std::nullopt);
}

TEST_F(PartitionedDisk, CodeInThePlaceOfTheTable_IsNoTable) {
  PutPartition(0, 0x33, 0xC0, 2048, 2048);
  PutPartition(1, 0, 7, 4096, 4096);
  EXPECT_EQ(Minimum(), std::nullopt);
}

TEST_F(PartitionedDisk, GuidTable_EndsWithItsBackup) {
  PutPartition(0, 0, 0xEE, 1, 0xFFFFFFFF);
  Put(512, std::array{'E', 'F', 'I', ' ', 'P', 'A', 'R', 'T'});
  Put(512 + 72, le64(2));
  Put(512 + 80, le32(128));
  Put(512 + 84, le32(128));
  Put(1024 + 128, std::array<uint8_t, 16>{1});
  Put(1024 + 128 + 32, le64(2048));
  Put(1024 + 128 + 40, le64(10239));
  EXPECT_EQ(Minimum(), (10240 + 33) * 512);
}

TEST_F(PartitionedDisk, ProtectiveTableWithoutAGuidTable_IsUnknown) {
  PutPartition(0, 0, 0xEE, 1, 20480);
  EXPECT_EQ(Minimum(), std::nullopt);
  // One for sectors of 4096 bytes, on a disk that has 512.
  Put(4096, std::array{'E', 'F', 'I', ' ', 'P', 'A', 'R', 'T'});
  EXPECT_EQ(Minimum(), std::nullopt);
}

// A disk of WSL has its file system on the whole disk, and may have the table of an earlier life.
TEST_F(PartitionedDisk, FileSystemOnTheWholeDisk_IsUnknown) {
  struct Signature {
    uint64_t offset;
    std::string bytes;
  };
  const std::vector<Signature> signatures = {
      {1080, "\x53\xEF"},  {0, "XFSB"},       {65600, "_BHRfS_M"}, {3, "NTFS    "},
      {3, "EXFAT   "},     {54, "FAT16   "},  {82, "FAT32   "},    {3, "-FVE-FS-"},
      {0, "LUKS\xBA\xBE"}, {512, "LABELONE"}, {4086, "SWAPSPACE2"}};
  for (const Signature& signature : signatures) {
    SCOPED_TRACE(signature.bytes);
    contents_ = std::make_shared<testing::MemoryContents>();
    contents_->Resize(64 * kMiB);
    Put(510, le16(0xAA55));
    PutPartition(0, 0x80, 0x83, 2048, 2048);
    EXPECT_EQ(Minimum(), 4096 * 512);
    contents_->Write(signature.offset, std::as_bytes(std::span(signature.bytes)));
    EXPECT_EQ(Minimum(), std::nullopt);
  }
}

}  // namespace
}  // namespace vhdx
