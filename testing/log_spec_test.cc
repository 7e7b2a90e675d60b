#include "testing/log_spec.h"

#include <gtest/gtest.h>

#include "bytes/crc32c.h"
#include "format/log_entry.h"
#include "testing/hex.h"
#include "testing/image_spec.h"
#include "testing/memory_file.h"
#include "testing/sha256.h"

namespace vhdx::testing {
namespace {

const Guid kLogGuid = TestGuid(1);

std::string SectorHex(const std::vector<std::byte>& bytes, size_t offset, size_t length) {
  return HexFromBytes(std::span(bytes).subspan(offset, length));
}

// Section 18.7 (b): entry E of recipe B.
TEST(LogEntryEncode, EntryOfTheReferenceIsByteExact) {
  const ImageSpec recipe = RecipeB();
  LogEntrySpec spec = recipe.log.entries[0];
  spec.flushed_file_offset = 5 * kMiB;
  spec.last_file_offset = 5 * kMiB;
  const std::vector<std::byte> entry = EncodeLogEntry(spec, recipe.log.log_guid);
  ASSERT_EQ(entry.size(), 0x3000U);
  EXPECT_EQ(SectorHex(entry, 0, 0xA0),
            HexFromBytes(BytesFromHex("6c 6f 67 65 51 36 d1 61 00 30 00 00 00 00 00 00\n"
                                      "08 07 06 05 04 03 02 01 03 00 00 00 00 00 00 00\n"
                                      "44 33 22 11 66 55 88 77 99 aa bb cc dd ee ff 00\n"
                                      "00 00 50 00 00 00 00 00 00 00 50 00 00 00 00 00\n"
                                      "64 65 73 63 00 00 00 00 06 00 40 00 00 00 00 00\n"
                                      "00 00 30 00 00 00 00 00 08 07 06 05 04 03 02 01\n"
                                      "7a 65 72 6f 00 00 00 00 00 20 00 00 00 00 00 00\n"
                                      "00 20 21 00 00 00 00 00 08 07 06 05 04 03 02 01\n"
                                      "64 65 73 63 fc fd fe ff 00 01 02 03 04 05 06 07\n"
                                      "00 10 21 00 00 00 00 00 08 07 06 05 04 03 02 01")));
  EXPECT_EQ(SectorHex(entry, 0x1000, 16), "64617461040302010000000000000000");
  EXPECT_EQ(SectorHex(entry, 0x1FF0, 16), "00000000000000000000000008070605");
  EXPECT_EQ(SectorHex(entry, 0x2000, 16), "646174610403020108090a0b0c0d0e0f");
  EXPECT_EQ(SectorHex(entry, 0x2FF0, 16), "f0f1f2f3f4f5f6f7f8f9fafb08070605");
  EXPECT_EQ(Sha256Of(entry), "9d08923b3d69a0ad7e0b07b0e97be60f78b84b5d707c5237049786902711c6e8");
}

// Section 18.7 (a).
TEST(LogEntryEncode, EmptyEntryOfTheReferenceIsByteExact) {
  const std::vector<std::byte> entry = EncodeLogEntry(
      {.flushed_file_offset = 5 * kMiB, .last_file_offset = 5 * kMiB}, RecipeB().log.log_guid);
  EXPECT_EQ(Sha256Of(entry), "93ca97ccc3cc2e6565aa129dff0ccc7723d16e61050568970e5244c9db10fcc8");
}

TEST(LogEntryEncode, ManyDescriptorsTakeMoreSectors) {
  for (const auto& [count, sectors] : {std::pair{126U, 1U}, {127U, 2U}, {254U, 2U}, {255U, 3U}}) {
    const LogEntrySpec spec{.writes = std::vector<LogWrite>(count, ZeroWrite({kMiB, 4096}))};
    EXPECT_EQ(EncodeLogEntry(spec, kLogGuid).size(), sectors * 4096) << count;
  }
  const LogEntrySpec spec{
      .writes = std::vector<LogWrite>(127, DataWrite(kMiB, std::vector<std::byte>(4096)))};
  EXPECT_EQ(EncodeLogEntry(spec, kLogGuid).size(), (2 + 127) * 4096U);
}

format::LogEntryHeader HeaderAt(MemoryFile& file, const LogSpec& log, uint64_t log_offset) {
  std::array<std::byte, sizeof(format::LogEntryHeader)> bytes{};
  EXPECT_TRUE(file.ReadExactAt(log.file_offset + log_offset, bytes).has_value());
  return LoadFrom<format::LogEntryHeader>(bytes);
}

TEST(LogWriting, EntriesFollowEachOther) {
  MemoryFile file;
  ASSERT_TRUE(file.Resize(5 * kMiB + 7).has_value());
  const LogSpec log{.log_guid = kLogGuid,
                    .entries = {{}, {.writes = {ZeroWrite({3 * kMiB, 4096})}}, {}}};
  const auto placed = WriteLog(log, file);
  ASSERT_TRUE(placed.has_value());
  ASSERT_EQ(placed->size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*placed)[i].log_offset, 4096 * i);
    const auto header = HeaderAt(file, log, 4096 * i);
    EXPECT_EQ(header.sequence_number, i + 1);
    EXPECT_EQ(header.tail, 4096 * i);
    EXPECT_EQ(header.log_guid, kLogGuid);
    EXPECT_EQ(header.flushed_file_offset, 5 * kMiB);
    EXPECT_EQ(header.last_file_offset, 6 * kMiB);
  }
}

TEST(LogWriting, EntryWrapsAtTheEndOfTheRing) {
  MemoryFile file;
  ASSERT_TRUE(file.Resize(4 * kMiB).has_value());
  const LogSpec log{
      .log_guid = kLogGuid,
      .entries = {{.writes = {DataWrite(3 * kMiB, std::vector<std::byte>(4096, std::byte{7}))},
                   .log_offset = kMiB - 4096},
                  {}}};
  const auto placed = WriteLog(log, file);
  ASSERT_TRUE(placed.has_value());
  EXPECT_EQ((*placed)[1].log_offset, 4096U);
  const std::vector<std::byte> ring = file.contents()->Bytes({kMiB, kMiB});
  EXPECT_EQ(SectorHex(ring, kMiB - 4096, 4), "6c6f6765");
  EXPECT_EQ(SectorHex(ring, 0, 4), "64617461");
  EXPECT_EQ(SectorHex(ring, 4096, 4), "6c6f6765");
}

TEST(LogWriting, MovedPageLeavesStaleBytesInPlace) {
  MemoryFile file;
  ASSERT_TRUE(file.Resize(4 * kMiB).has_value());
  const std::vector<std::byte> page(4096, std::byte{0xAB});
  ASSERT_TRUE(file.WriteAt(3 * kMiB, ByteSpan(page)).has_value());
  const LogSpec log{.log_guid = kLogGuid,
                    .entries = {{.writes = {MovedPage(3 * kMiB, std::byte{0xEE})}}}};
  ASSERT_TRUE(WriteLog(log, file).has_value());
  EXPECT_EQ(file.contents()->Bytes({3 * kMiB, 4096}),
            std::vector<std::byte>(4096, std::byte{0xEE}));
  const std::vector<std::byte> sector = file.contents()->Bytes({kMiB + 4096, 4096});
  EXPECT_EQ(sector[8], std::byte{0xAB});
  EXPECT_EQ(sector[4091], std::byte{0xAB});
  const std::vector<std::byte> descriptor = file.contents()->Bytes({kMiB + 64, 32});
  EXPECT_EQ(HexFromBytes(descriptor).substr(0, 32), "64657363abababababababababababab");
}

TEST(LogWriting, TornSectorsAreNotWritten) {
  MemoryFile file;
  ASSERT_TRUE(file.Resize(4 * kMiB).has_value());
  const LogSpec log{
      .log_guid = kLogGuid,
      .entries = {{.writes = {DataWrite(3 * kMiB, std::vector<std::byte>(4096, std::byte{7}))},
                   .torn_sectors = {1}}}};
  ASSERT_TRUE(WriteLog(log, file).has_value());
  const std::vector<std::byte> ring = file.contents()->Bytes({kMiB, 8192});
  EXPECT_EQ(SectorHex(ring, 0, 4), "6c6f6765");
  EXPECT_EQ(SectorHex(ring, 4096, 16), "00000000000000000000000000000000");
}

TEST(LogEntryEncode, PatchesAreUnderTheChecksumAndItsErrorIsNot) {
  LogEntrySpec spec{.patches = {PatchValue(28, le32(7))}};
  std::vector<std::byte> entry = EncodeLogEntry(spec, kLogGuid);
  EXPECT_EQ(LoadFrom<format::LogEntryHeader>(entry).reserved, 7U);
  EXPECT_EQ(LoadFrom<format::LogEntryHeader>(entry).checksum, Crc32cWithoutField(entry, 4));
  spec.checksum_xor = 1;
  entry = EncodeLogEntry(spec, kLogGuid);
  EXPECT_EQ(LoadFrom<format::LogEntryHeader>(entry).checksum, Crc32cWithoutField(entry, 4) ^ 1);
}

}  // namespace
}  // namespace vhdx::testing
