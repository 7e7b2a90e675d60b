#include <gtest/gtest.h>
#include <vhdxkit/image_format.h>

#include <string>
#include <vector>

#include "testing/memory_file.h"

namespace vhdx {
namespace {

using std::string_literals::operator""s;

// What a file of zeros is taken for that has `bytes` at `offset`; "raw" for nothing.
std::string Recognized(size_t size, size_t offset, const std::string& bytes) {
  std::string contents(size, '\0');
  contents.replace(offset, bytes.size(), bytes);
  testing::MemoryFile file(
      std::make_shared<testing::MemoryContents>(std::as_bytes(std::span(contents))));
  const auto format = RecognizeFormat(file);
  EXPECT_TRUE(format);
  return *format == nullptr ? "raw" : std::string((*format)->title);
}

constexpr size_t kSize = 100000;

TEST(ImageFormat, SignaturesAtTheStart) {
  EXPECT_EQ(Recognized(kSize, 0, "vhdxfile"), "a VHDX image");
  EXPECT_EQ(Recognized(kSize, 0, "conectix"), "a VHD image (the format before VHDX)");
  EXPECT_EQ(Recognized(kSize, 0, "QFI\xfb\0\0\0\3"s), "a QCOW2 image");
  EXPECT_EQ(Recognized(kSize, 0, "QFI\xfb\0\0\0\1"s), "a QCOW image");
  EXPECT_EQ(Recognized(kSize, 0, "QED\0"s), "a QED image");
  EXPECT_EQ(Recognized(kSize, 0, "KDMV"), "a VMDK image");
  EXPECT_EQ(Recognized(kSize, 0, "# Disk DescriptorFile\n"), "a VMDK image");
  EXPECT_EQ(Recognized(kSize, 64, "\x7f\x10\xda\xbe"), "a VirtualBox (VDI) image");
  EXPECT_EQ(Recognized(kSize, 0, "\x1f\x8b\x08"), "compressed with gzip");
  EXPECT_EQ(Recognized(kSize, 0, "\xfd\x37zXZ\0"s), "compressed with xz");
  EXPECT_EQ(Recognized(kSize, 0, "BZh91AY&SY"), "compressed with bzip2");
}

TEST(ImageFormat, SignaturesAtTheEnd) {
  EXPECT_EQ(Recognized(kSize, kSize - 512, "conectix"), "a VHD image (the format before VHDX)");
  EXPECT_EQ(Recognized(kSize, kSize - 511, "conectix"), "a VHD image (the format before VHDX)");
  EXPECT_EQ(Recognized(kSize, kSize - 512, "koly"), "an Apple disk image (DMG)");
}

TEST(ImageFormat, SignaturesElsewhereAreContents) {
  EXPECT_EQ(Recognized(kSize, 1, "vhdxfile"), "raw");
  EXPECT_EQ(Recognized(kSize, kSize - 600, "conectix"), "raw");
  EXPECT_EQ(Recognized(kSize, 512, "QFI\xfb"), "raw");
}

TEST(ImageFormat, ShortFilesAreReadAsFarAsTheyGo) {
  EXPECT_EQ(Recognized(0, 0, ""), "raw");
  EXPECT_EQ(Recognized(8, 0, "conectix"), "a VHD image (the format before VHDX)");
  EXPECT_EQ(Recognized(7, 0, "vhdxfil"), "raw");
  EXPECT_EQ(Recognized(511, 0, "conectix"), "a VHD image (the format before VHDX)");
}

}  // namespace
}  // namespace vhdx
