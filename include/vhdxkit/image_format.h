// What a file holds, told by its contents: for programs that are given a file by a person.
//
// A raw disk cannot be told from anything else by its contents, and a guest can write any bytes to
// its start; so this says only what a file looks like, and a person decides.

#ifndef VHDXKIT_IMAGE_FORMAT_H_
#define VHDXKIT_IMAGE_FORMAT_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace vhdx {

struct ImageFormat {
  enum class Kind : uint8_t {
    kVhdx,        ///< what this library reads
    kOtherImage,  ///< another format of disk images
    kPacked,      ///< compressed, or an archive
  };
  Kind kind = Kind::kVhdx;
  std::string_view title;      ///< such as "a QCOW2 image", as part of a sentence
  std::string_view qemu_name;  ///< what QEMU calls the format (`qemu-img convert -f`), or empty
};

/// The format whose signature the file carries, or null: raw, as far as can be told. Reads at most
/// 1 KiB. Errors: kIo.
Result<const ImageFormat*> RecognizeFormat(File& file);

/// The same, as far as the first bytes of a file tell.
const ImageFormat* RecognizeFormatOfFront(ByteSpan front);

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_FORMAT_H_
