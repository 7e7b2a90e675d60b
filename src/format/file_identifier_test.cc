#include "format/file_identifier.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/hex.h"

namespace vhdx::format::file_identifier_test {
namespace {

using testing::BytesFromText;

const Place kPlace{"a.vhdx", 0};

std::vector<std::byte> BytesOf(const FileIdentifier& identifier) {
  const auto bytes = std::as_bytes(std::span(&identifier, 1));
  return {bytes.begin(), bytes.end()};
}

// Recipe A of docs/format.md, section 18.6.
TEST(FileIdentifier, EncodedBytesAreThoseOfTheReference) {
  const auto identifier = EncodeFileIdentifier("vhdx-lab");
  ASSERT_TRUE(identifier.has_value());
  const std::vector<std::byte> bytes = BytesOf(*identifier);
  ASSERT_EQ(bytes.size(), 520U);
  EXPECT_EQ(testing::HexFromBytes(std::span(bytes).first(26)),
            "7668647866696c65"
            "76006800640078002d006c0061006200"
            "0000");
}

TEST(FileIdentifierParse, CreatorComesBack) {
  for (const std::string& creator :
       {std::string(), std::string("QEMU v7.2.22"), std::string(256, 'x')}) {
    const auto identifier = EncodeFileIdentifier(creator);
    ASSERT_TRUE(identifier.has_value()) << creator;
    const auto info = ParseFileIdentifier(BytesOf(*identifier), kPlace);
    ASSERT_TRUE(info.has_value()) << creator;
    EXPECT_EQ(info->creator, creator);
  }
}

TEST(FileIdentifierEncode, CreatorThatDoesNotFitIsRefused) {
  for (const std::string& creator : {std::string(257, 'x'), std::string("\xFF")}) {
    const auto identifier = EncodeFileIdentifier(creator);
    ASSERT_FALSE(identifier.has_value());
    EXPECT_EQ(identifier.error().code, ErrorCode::kInvalidArgument);
  }
}

// The creator is for people: whatever stands there, the file is read.
TEST(FileIdentifierParse, CreatorThatIsNoTextIsNoError) {
  std::vector<std::byte> bytes = BytesOf(*EncodeFileIdentifier(""));
  std::fill(bytes.begin() + 8, bytes.end(), std::byte{0xDC});  // 256 lone low surrogates
  const auto info = ParseFileIdentifier(bytes, kPlace);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->creator.size(), 3U * 256);
}

TEST(FileIdentifierParse, FileCutInsideTheCreatorIsRead) {
  const std::vector<std::byte> bytes = BytesOf(*EncodeFileIdentifier("vhdx-lab"));
  const auto info = ParseFileIdentifier(std::span(bytes).first(8), kPlace);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->creator, "");
}

std::string FoundIn(std::span<const std::byte> bytes) {
  const auto info = ParseFileIdentifier(bytes, kPlace);
  if (info) return "no error";
  EXPECT_EQ(info.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(info.error().rule, "file.signature");
  EXPECT_EQ(info.error().file, "a.vhdx");
  EXPECT_EQ(info.error().file_offset, 0U);
  EXPECT_EQ(info.error().expected, "\"vhdxfile\"");
  return info.error().found;
}

TEST(FileIdentifierParse, OtherFilesAreNamed) {
  EXPECT_EQ(FoundIn({}), "an empty file");
  EXPECT_EQ(FoundIn(BytesFromText("vhdxfil")), "only 7 bytes");
  EXPECT_EQ(FoundIn(BytesFromText("vhdxfilE")), "76 68 64 78 66 69 6c 45");
  EXPECT_EQ(FoundIn(BytesFromText("conectix........")), "a VHD image (version 1)");
  EXPECT_EQ(FoundIn(BytesFromText("cxsparse........")), "a VHD image (version 1)");
  EXPECT_EQ(FoundIn(BytesFromText("QFI\xfb....")), "a qcow image");
  EXPECT_EQ(FoundIn(BytesFromText("KDMV....")), "a VMDK image");
  EXPECT_EQ(FoundIn(BytesFromText("# Disk DescriptorFile")), "a VMDK image");
  EXPECT_EQ(FoundIn(BytesFromText("<<< Oracle VM VirtualBox Disk Image >>>")), "a VDI image");
}

}  // namespace
}  // namespace vhdx::format::file_identifier_test
