#include <vhdxkit/image_format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "bytes/border.h"
#include "bytes/try.h"

namespace vhdx {
namespace {

using Kind = ImageFormat::Kind;
using std::string_view_literals::operator""sv;

constexpr uint64_t kFrontBytes = 512;
constexpr uint64_t kFooterBytes = 512;

constexpr ImageFormat kVhdx{Kind::kVhdx, "a VHDX image", "vhdx"};
constexpr ImageFormat kVhd{Kind::kOtherImage, "a VHD image (the format before VHDX)", "vpc"};
constexpr ImageFormat kQcow{Kind::kOtherImage, "a QCOW image", "qcow"};
constexpr ImageFormat kQcow2{Kind::kOtherImage, "a QCOW2 image", "qcow2"};
constexpr ImageFormat kQed{Kind::kOtherImage, "a QED image", "qed"};
constexpr ImageFormat kVmdk{Kind::kOtherImage, "a VMDK image", "vmdk"};
constexpr ImageFormat kVdi{Kind::kOtherImage, "a VirtualBox (VDI) image", "vdi"};
constexpr ImageFormat kParallels{Kind::kOtherImage, "a Parallels image", "parallels"};
constexpr ImageFormat kDmg{Kind::kOtherImage, "an Apple disk image (DMG)", "dmg"};
constexpr ImageFormat kEwf{Kind::kOtherImage, "an EnCase image (E01)", ""};
constexpr ImageFormat kWim{Kind::kOtherImage, "a Windows imaging file (WIM)", ""};
constexpr ImageFormat kGzip{Kind::kPacked, "compressed with gzip", ""};
constexpr ImageFormat kXz{Kind::kPacked, "compressed with xz", ""};
constexpr ImageFormat kZstd{Kind::kPacked, "compressed with zstd", ""};
constexpr ImageFormat kBzip2{Kind::kPacked, "compressed with bzip2", ""};
constexpr ImageFormat kZip{Kind::kPacked, "a ZIP archive", ""};
constexpr ImageFormat kSevenZip{Kind::kPacked, "a 7-Zip archive", ""};

// Bytes that stand at a place of the file: from its start, or from its end.
struct Signature {
  std::string_view bytes;
  uint64_t offset;
  const ImageFormat* format;
};

constexpr std::array kFrontSignatures = {
    Signature{"vhdxfile"sv, 0, &kVhdx},
    Signature{"conectix"sv, 0, &kVhd},
    Signature{"QFI\xfb\0\0\0\1"sv, 0, &kQcow},
    Signature{"QFI\xfb"sv, 0, &kQcow2},
    Signature{"QED\0"sv, 0, &kQed},
    Signature{"KDMV"sv, 0, &kVmdk},
    Signature{"COWD"sv, 0, &kVmdk},
    Signature{"# Disk DescriptorFile"sv, 0, &kVmdk},
    Signature{"\x7f\x10\xda\xbe"sv, 64, &kVdi},
    Signature{"WithoutFreeSpace"sv, 0, &kParallels},
    Signature{"WithouFreSpacExt"sv, 0, &kParallels},
    Signature{"EVF\x09\x0d\x0a\xff\0"sv, 0, &kEwf},
    Signature{"MSWIM\0\0\0"sv, 0, &kWim},
    Signature{"\x1f\x8b\x08"sv, 0, &kGzip},
    Signature{"\xfd"
              "7zXZ\0"sv,
              0, &kXz},
    Signature{"\x28\xb5\x2f\xfd"sv, 0, &kZstd},
    Signature{"1AY&SY"sv, 4, &kBzip2},
    Signature{"PK\3\4"sv, 0, &kZip},
    Signature{"7z\xbc\xaf\x27\x1c"sv, 0, &kSevenZip},
};

constexpr std::array kFooterSignatures = {
    Signature{"conectix"sv, 512, &kVhd},
    Signature{"conectix"sv, 511, &kVhd},  // Interop: Virtual PC before 2004 wrote footers so long
    Signature{"koly"sv, 512, &kDmg},
};

bool Stands(std::string_view bytes, uint64_t offset, std::string_view signature) {
  return offset <= bytes.size() && bytes.substr(offset).starts_with(signature);
}

std::string_view TextOf(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};  // bytes as text
}

Result<std::string_view> ReadPart(File& file, uint64_t file_offset, MutableByteSpan buffer) {
  auto count = VHDX_TRY(file.ReadAt(file_offset, buffer));
  return TextOf(buffer.first(count));
}

}  // namespace

const ImageFormat* RecognizeFormatOfFront(ByteSpan front) {
  for (const Signature& signature : kFrontSignatures) {
    if (Stands(TextOf(front), signature.offset, signature.bytes)) return signature.format;
  }
  return nullptr;
}

Result<const ImageFormat*> RecognizeFormat(File& file) try {
  std::array<std::byte, kFrontBytes> buffer{};
  auto front = VHDX_TRY(file.ReadAt(0, MutableByteSpan(buffer)));
  if (const auto* format = RecognizeFormatOfFront(ByteSpan(buffer).first(front))) return format;
  auto size = VHDX_TRY(file.Size());
  const uint64_t footer_bytes = std::min(size, kFooterBytes);
  auto footer = VHDX_TRY(ReadPart(file, size - footer_bytes, buffer));
  for (const Signature& signature : kFooterSignatures) {
    if (footer.size() < signature.offset) continue;
    const uint64_t offset = footer.size() - signature.offset;
    if (Stands(footer, offset, signature.bytes)) return signature.format;
  }
  return nullptr;
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx
