#include "format/header.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bytes/crc32c.h"
#include "format/layout.h"
#include "testing/hex.h"
#include "testing/outcome.h"

namespace vhdx::format::header_test {
namespace {

using testing::HexFromBytes;
using testing::OutcomeOf;

constexpr uint64_t kOffset = 0x10000;
const Place kPlace{"a.vhdx", kOffset};
constexpr uint64_t kFileSize = 8 * kMiB;

// The common inputs of docs/format.md, section 18.5.
HeaderInfo Info(uint64_t sequence_number = 1, const char* log_guid = "") {
  HeaderInfo info;
  info.sequence_number = sequence_number;
  info.file_write_guid = *Guid::Parse("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0");
  info.data_write_guid = *Guid::Parse("00112233-4455-6677-8899-aabbccddeeff");
  info.log_guid = Guid::Parse(log_guid).value_or(Guid{});
  info.version = 1;
  info.log_length_bytes = kMiB;
  info.log_offset = kMiB;
  return info;
}
constexpr const char* kLogGuid = "11223344-5566-7788-99aa-bbccddeeff00";

std::vector<std::byte> BytesOf(const Header& header) {
  const auto bytes = std::as_bytes(std::span(&header, 1));
  return {bytes.begin(), bytes.end()};
}

void FixChecksum(std::vector<std::byte>& bytes) {
  StoreTo(std::span(bytes).subspan(4), le32(Crc32cWithoutField(bytes, 4)));
}

TEST(HeaderEncode, ChecksumsAreThoseOfTheReference) {
  EXPECT_EQ(EncodeHeader(Info(1))->checksum, 0x891C5502U);
  EXPECT_EQ(EncodeHeader(Info(2))->checksum, 0x0BF9876AU);
  EXPECT_EQ(EncodeHeader(Info(1, kLogGuid))->checksum, 0xEEE55FE1U);
  EXPECT_EQ(EncodeHeader(Info(2, kLogGuid))->checksum, 0x6C008D89U);
}

TEST(HeaderEncode, BytesAreThoseOfTheReference) {
  const std::vector<std::byte> bytes = BytesOf(*EncodeHeader(Info()));
  ASSERT_EQ(bytes.size(), 4096U);
  std::vector<std::byte> expected = testing::BytesFromHex(
      "68 65 61 64 02 55 1c 89 01 00 00 00 00 00 00 00\n"
      "3c 2d 1e 0f 5a 4b 78 69 87 96 a5 b4 c3 d2 e1 f0\n"
      "33 22 11 00 55 44 77 66 88 99 aa bb cc dd ee ff\n"
      "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n"
      "00 00 01 00 00 00 10 00 00 00 10 00 00 00 00 00");
  expected.resize(4096);
  EXPECT_EQ(HexFromBytes(bytes), HexFromBytes(expected));
}

TEST(HeaderParse, EncodedHeaderComesBack) {
  HeaderInfo info = Info(0x0102030405060708, kLogGuid);
  info.log_length_bytes = 3 * kMiB;
  info.log_offset = 0x0A0B0C0D00000000;
  const auto header = EncodeHeader(info);
  ASSERT_TRUE(header.has_value());
  Findings findings;
  const auto parsed = ParseHeader(BytesOf(*header), kPlace, findings);
  ASSERT_TRUE(parsed.has_value());
  info.checksum = header->checksum;
  EXPECT_EQ(*parsed, info);
  EXPECT_EQ(OutcomeOf(findings), "");
}

TEST(HeaderParse, WrongSignatureIsInvalid) {
  for (size_t byte = 0; byte < 4; ++byte) {
    std::vector<std::byte> bytes = BytesOf(*EncodeHeader(Info()));
    bytes[byte] ^= std::byte{0x20};  // "Head" and so on
    FixChecksum(bytes);
    Findings findings;
    EXPECT_FALSE(ParseHeader(bytes, kPlace, findings).has_value());
    EXPECT_EQ(OutcomeOf(findings), "header.signature@65536");
  }
}

// Every byte of the 4096 is covered by the signature or the checksum.
TEST(HeaderParse, AnyChangedByteIsInvalid) {
  const std::vector<std::byte> good = BytesOf(*EncodeHeader(Info()));
  for (size_t i = 0; i < good.size(); ++i) {
    std::vector<std::byte> bytes = good;
    bytes[i] ^= std::byte{1};
    Findings findings;
    ASSERT_FALSE(ParseHeader(bytes, kPlace, findings).has_value()) << i;
    ASSERT_EQ(OutcomeOf(findings), i < 4 ? "header.signature@65536" : "header.checksum@65540") << i;
  }
}

TEST(HeaderParse, WrongChecksumSaysBoth) {
  std::vector<std::byte> bytes = BytesOf(*EncodeHeader(Info()));
  StoreTo(std::span(bytes).subspan(4), le32(0x12345678));
  Findings findings;
  EXPECT_FALSE(ParseHeader(bytes, kPlace, findings).has_value());
  ASSERT_EQ(findings.kept().size(), 1U);
  EXPECT_EQ(findings.kept()[0].found, "0x12345678");
  EXPECT_EQ(findings.kept()[0].expected, "0x891c5502");
}

TEST(HeaderParse, ReservedBytesAreNotedAndTheHeaderIsValid) {
  for (const size_t byte : {80U, 2000U, 4095U}) {
    std::vector<std::byte> bytes = BytesOf(*EncodeHeader(Info()));
    bytes[byte] = std::byte{1};
    FixChecksum(bytes);
    Findings findings;
    EXPECT_TRUE(ParseHeader(bytes, kPlace, findings).has_value());
    EXPECT_EQ(OutcomeOf(findings), "header.reserved@65616") << byte;
  }
}

// Versions are for the current header only: the other may be anything with a checksum.
TEST(HeaderParse, UnknownVersionIsValid) {
  std::vector<std::byte> bytes = BytesOf(*EncodeHeader(Info()));
  StoreTo(std::span(bytes).subspan(66), le16(2));
  FixChecksum(bytes);
  Findings findings;
  const auto parsed = ParseHeader(bytes, kPlace, findings);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->version, 2);
}

std::string Checked(const HeaderInfo& info, uint64_t file_size = kFileSize) {
  Problems problems;
  StructureVerdict verdict;
  CheckCurrentHeader(info, file_size, kPlace, verdict, problems);
  EXPECT_EQ(verdict.error.has_value(), problems.refusal().has_value());
  return problems.refusal() ? OutcomeOf(*problems.refusal()) : OutcomeOf(problems.findings());
}

TEST(CurrentHeaderCheck, EverythingThatIsWrongIsSaid) {
  HeaderInfo info = Info(1, kLogGuid);
  info.version = 2;
  info.log_version = 3;
  info.log_offset = 1;
  Problems problems;
  StructureVerdict verdict;
  CheckCurrentHeader(info, kFileSize, kPlace, verdict, problems);
  EXPECT_EQ(OutcomeOf(*verdict.error), "header.version@65602");
  EXPECT_EQ(OutcomeOf(std::span(verdict.findings)),
            "header.log-version@65600 header.log-range@65604");
  EXPECT_EQ(OutcomeOf(*problems.refusal()), OutcomeOf(*verdict.error));
  EXPECT_EQ(OutcomeOf(problems.findings()), OutcomeOf(std::span(verdict.findings)));
}

TEST(UsableLog, IsWhereTheCheckAllowsIt) {
  HeaderInfo info = Info();
  ASSERT_TRUE(UsableLog(info, kFileSize).has_value());
  EXPECT_EQ(UsableLog(info, kFileSize)->file_offset, info.log_offset);
  EXPECT_FALSE(UsableLog(info, info.log_offset).has_value());
  info.log_length_bytes = 0;
  EXPECT_FALSE(UsableLog(info, kFileSize).has_value());
  info = Info();
  info.log_length_bytes = 2 * kGiB;
  EXPECT_FALSE(UsableLog(info, 4 * kGiB).has_value());
}

TEST(HeaderDecode, FieldsOfAHeaderWithAWrongChecksumAreShown) {
  std::vector<std::byte> bytes = BytesOf(*EncodeHeader(Info(7)));
  bytes[100] ^= std::byte{1};
  ASSERT_TRUE(DecodeHeader(bytes).has_value());
  EXPECT_EQ(DecodeHeader(bytes)->sequence_number, 7U);
  EXPECT_FALSE(DecodeHeader(std::span(bytes).first(4095)).has_value());
  bytes[0] ^= std::byte{1};
  EXPECT_FALSE(DecodeHeader(bytes).has_value());
}

TEST(CurrentHeaderCheck, GoodHeaderPasses) {
  EXPECT_EQ(Checked(Info()), "");
  EXPECT_EQ(Checked(Info(1, kLogGuid)), "");
}

TEST(CurrentHeaderCheck, OtherVersionIsRefused) {
  for (const uint16_t version : {uint16_t{0}, uint16_t{2}, uint16_t{0xFFFF}}) {
    HeaderInfo info = Info();
    info.version = version;
    EXPECT_EQ(Checked(info), "header.version@65602") << version;
  }
}

TEST(CurrentHeaderCheck, OtherLogVersionIsRefusedIfTheLogIsNeeded) {
  for (const uint16_t version : {uint16_t{1}, uint16_t{0xFFFF}}) {
    HeaderInfo info = Info(1, kLogGuid);
    info.log_version = version;
    EXPECT_EQ(Checked(info), "header.log-version@65600") << version;
    info.log_guid = {};
    EXPECT_EQ(Checked(info), "") << version;
  }
}

std::string CheckedLog(uint64_t offset, uint64_t length, uint64_t file_size = kFileSize) {
  HeaderInfo info = Info();
  info.log_offset = offset;
  info.log_length_bytes = static_cast<uint32_t>(length);
  return Checked(info, file_size);
}

TEST(CurrentHeaderCheck, LogHasToLieInTheFile) {
  EXPECT_EQ(CheckedLog(kMiB, 7 * kMiB), "");
  EXPECT_EQ(CheckedLog(7 * kMiB, kMiB), "");
  EXPECT_EQ(CheckedLog(7 * kMiB, 2 * kMiB), "header.log-range@65604");
  EXPECT_EQ(CheckedLog(8 * kMiB, kMiB), "header.log-range@65604");
  EXPECT_EQ(CheckedLog(~uint64_t{0} << 20, kMiB), "header.log-range@65604");
  EXPECT_EQ(CheckedLog(~uint64_t{0} << 20, 4095 * kMiB), "header.log-range@65604");
  EXPECT_EQ(CheckedLog(7 * kMiB, kMiB, 8 * kMiB - 1), "header.log-range@65604");
}

TEST(CurrentHeaderCheck, LogHasToBeAligned) {
  EXPECT_EQ(CheckedLog(kMiB + 4096, kMiB), "header.log-range@65604");
  EXPECT_EQ(CheckedLog(kMiB + 1, kMiB), "header.log-range@65604");
  EXPECT_EQ(CheckedLog(kMiB, kMiB + 4096), "header.log-range@65604");
  EXPECT_EQ(CheckedLog(kMiB, 4096), "header.log-range@65604");
  EXPECT_EQ(CheckedLog(kMiB, 1), "header.log-range@65604");
}

TEST(CurrentHeaderCheck, LogInTheHeaderSectionIsRefused) {
  EXPECT_EQ(CheckedLog(0, kMiB), "header.log-range@65604");
}

TEST(CurrentHeaderCheck, LogOfMoreThanOneGiBIsRefused) {
  EXPECT_EQ(CheckedLog(kMiB, kGiB, 8 * kGiB), "");
  EXPECT_EQ(CheckedLog(kMiB, kGiB + kMiB, 8 * kGiB), "header.log-limit@65604");
  EXPECT_EQ(CheckedLog(kMiB, 4095 * kMiB, 8 * kGiB), "header.log-limit@65604");
}

TEST(CurrentHeaderCheck, LogOfLengthZeroIsRefusedOnlyIfItIsNeeded) {
  EXPECT_EQ(CheckedLog(kMiB, 0), "header.log-empty@65604");
  EXPECT_EQ(CheckedLog(0, 0), "header.log-empty@65604");
  HeaderInfo info = Info(1, kLogGuid);
  info.log_length_bytes = 0;
  EXPECT_EQ(Checked(info), "header.log-missing@65604");
}

// The choice as text: "0", "1" or the error, and the findings behind it.
std::string Chosen(const std::optional<HeaderInfo>& first, const std::optional<HeaderInfo>& second,
                   bool identical_bytes) {
  Findings findings;
  const auto chosen = ChooseCurrentHeader({first, second}, identical_bytes, kPlace, findings);
  const std::string notes = OutcomeOf(findings);
  return (chosen ? std::to_string(*chosen) : OutcomeOf(chosen)) + (notes.empty() ? "" : " ") +
         notes;
}

TEST(CurrentHeaderChoice, TheOnlyValidOneCounts) {
  EXPECT_EQ(Chosen(Info(5), std::nullopt, false), "0");
  EXPECT_EQ(Chosen(std::nullopt, Info(5), false), "1");
}

TEST(CurrentHeaderChoice, NoneIsAnError) {
  EXPECT_EQ(Chosen(std::nullopt, std::nullopt, false), "header.none@65536");
}

TEST(CurrentHeaderChoice, TheGreaterNumberCounts) {
  EXPECT_EQ(Chosen(Info(4), Info(5), false), "1");
  EXPECT_EQ(Chosen(Info(5), Info(4), false), "0");
  EXPECT_EQ(Chosen(Info(0), Info(1), false), "1");
  // Numbers are unsigned and do not wrap.
  EXPECT_EQ(Chosen(Info(~uint64_t{0}), Info(0), false), "0");
  EXPECT_EQ(Chosen(Info(1), Info(uint64_t{1} << 63), false), "1");
}

TEST(CurrentHeaderChoice, EqualNumbersCountOnlyInTwins) {
  EXPECT_EQ(Chosen(Info(5), Info(5), true), "0 header.sequence.equal@65544");
  EXPECT_EQ(Chosen(Info(5), Info(5), false), "header.sequence.conflict@65544");
}

TEST(CurrentHeaderChoice, DifferentIdentitiesAreNoted) {
  HeaderInfo other = Info(5);
  other.data_write_guid = *Guid::Parse(kLogGuid);
  EXPECT_EQ(Chosen(Info(4), other, false), "1 header.data-write-guid@65568");
  EXPECT_EQ(Chosen(other, std::nullopt, false), "0");
}

TEST(HeaderEncode, WhatParsingRefusesIsNotWritten) {
  const auto code = [](HeaderInfo info) { return OutcomeOf(EncodeHeader(info)); };
  HeaderInfo info = Info();
  info.version = 2;
  EXPECT_EQ(code(info), "invalid-argument");
  info = Info(1, kLogGuid);
  info.log_version = 1;
  EXPECT_EQ(code(info), "invalid-argument");
  info = Info();
  info.log_offset = 4096;
  EXPECT_EQ(code(info), "invalid-argument");
  info = Info();
  info.log_length_bytes = kGiB + kMiB;
  EXPECT_EQ(code(info), "invalid-argument");
  info = Info(1, kLogGuid);
  info.log_length_bytes = 0;
  EXPECT_EQ(code(info), "invalid-argument");
  EXPECT_EQ(code(Info(~uint64_t{0})), "ok");
}

}  // namespace
}  // namespace vhdx::format::header_test
