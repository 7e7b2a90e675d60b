// Recognize the format of a file by its contents.
//
// The contents of a raw disk can be anything, and a guest can write any bytes to its start. The
// result is therefore a guess, and the user must be able to override it.

#ifndef VHDXKIT_IMAGE_FORMAT_H_
#define VHDXKIT_IMAGE_FORMAT_H_

#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/file.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace vhdx {

struct ImageFormat {
  enum class Kind : uint8_t {
    kVhdx,        ///< VHDX, which this library reads
    kOtherImage,  ///< another disk image format
    kPacked,      ///< a compressed file or an archive
  };
  Kind kind = Kind::kVhdx;
  std::string_view title;      ///< such as "a QCOW2 image", as part of a sentence
  std::string_view qemu_name;  ///< QEMU's name of the format (`qemu-img convert -f`), or empty
};

/// The format whose signature the file has, or null if it has none (it may be raw). Reads at most 1
/// KiB. The result points to static data. Errors: kIo.
VHDXKIT_EXPORT
Result<const ImageFormat*> RecognizeFormat(File& file);

/// The same, from the first bytes of a file.
VHDXKIT_EXPORT
const ImageFormat* RecognizeFormatOfFront(ByteSpan front);

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_FORMAT_H_
