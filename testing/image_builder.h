// Makes the image that an ImageSpec describes, out of the structures of the format and nothing of
// the engine.

#ifndef VHDXKIT_TESTING_IMAGE_BUILDER_H_
#define VHDXKIT_TESTING_IMAGE_BUILDER_H_

#include <vhdxkit/file.h>

#include <cstddef>
#include <string>

#include "testing/image_layout.h"
#include "testing/image_spec.h"

namespace vhdx::testing {

/// Empties the file and writes the image into it; what is zero is not written. Errors: those of the
/// file.
Result<ImageLayout> Build(const ImageSpec& spec, File& file);

/// The same into a new file of that file system.
Result<ImageLayout> BuildAt(const ImageSpec& spec, FileSystem& files, const std::string& path);

/// A chain of so many images in that folder: "0.vhdx", and children of the one before. The path of
/// the last. Errors: those of the file system.
Result<std::string> BuildChain(size_t image_count, FileSystem& files, const std::string& folder);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_IMAGE_BUILDER_H_
