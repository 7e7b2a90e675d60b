#include "format/log_entry.h"

#include <gtest/gtest.h>

#include "bytes/crc32c.h"
#include "testing/hex.h"
#include "testing/sha256.h"

namespace vhdx::format::log_entry_test {
namespace {

// Section 18.4.
TEST(DescriptorSectorCount, TableOfTheReferenceHolds) {
  for (const uint64_t count : {0U, 1U, 126U}) EXPECT_EQ(DescriptorSectorCount(count), 1U) << count;
  for (const uint64_t count : {127U, 254U}) EXPECT_EQ(DescriptorSectorCount(count), 2U) << count;
  for (const uint64_t count : {255U, 382U}) EXPECT_EQ(DescriptorSectorCount(count), 3U) << count;
  EXPECT_EQ(DescriptorSectorCount(383), 4U);
}

// The field is 32 bits wide: no overflow at its end.
TEST(DescriptorSectorCount, LargestCountDoesNotOverflow) {
  EXPECT_EQ(DescriptorSectorCount(0xFFFFFFFF), 33554433U);
}

// Section 18.7 (a): the empty entry that starts a session.
TEST(LogEntryHeader, EmptyEntryIsByteExact) {
  std::vector<std::byte> entry(kLogSectorSize);
  LogEntryHeader header{
      .signature = kLogEntrySignature,
      .checksum = 0,
      .entry_length = 4096,
      .tail = 0,
      .sequence_number = 1,
      .descriptor_count = 0,
      .reserved = 0,
      .log_guid = *Guid::Parse("11223344-5566-7788-99aa-bbccddeeff00"),
      .flushed_file_offset = 5 * kMiB,
      .last_file_offset = 5 * kMiB,
  };
  StoreTo(std::span(entry), header);
  header.checksum = Crc32cWithoutField(entry, offsetof(LogEntryHeader, checksum));
  StoreTo(std::span(entry), header);
  EXPECT_EQ(header.checksum, 0x1A49F0C7U);
  EXPECT_EQ(testing::HexFromBytes(std::span(entry).first(64)),
            testing::HexFromBytes(
                testing::BytesFromHex("6c 6f 67 65 c7 f0 49 1a 00 10 00 00 00 00 00 00\n"
                                      "01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n"
                                      "44 33 22 11 66 55 88 77 99 aa bb cc dd ee ff 00\n"
                                      "00 00 50 00 00 00 00 00 00 00 50 00 00 00 00 00")));
  EXPECT_EQ(testing::Sha256Of(entry),
            "93ca97ccc3cc2e6565aa129dff0ccc7723d16e61050568970e5244c9db10fcc8");
}

}  // namespace
}  // namespace vhdx::format::log_entry_test
