// Images that other programs wrote, as seeds.

#ifndef VHDXKIT_FUZZ_REAL_IMAGE_H_
#define VHDXKIT_FUZZ_REAL_IMAGE_H_

#include <vhdxkit/error.h>

#include <string>

#include "fuzz/sparse_input.h"

namespace vhdx::fuzz {

/// The structures of the image at that path, and the start of each of its blocks. Errors: those of
/// ImageDump.
Result<SparseFile> ReadRealImage(const std::string& path);

}  // namespace vhdx::fuzz

#endif  // VHDXKIT_FUZZ_REAL_IMAGE_H_
