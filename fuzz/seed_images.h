// Images that between them have every structure and every state: where fuzzing whole images, logs
// and BATs begins.

#ifndef VHDXKIT_FUZZ_SEED_IMAGES_H_
#define VHDXKIT_FUZZ_SEED_IMAGES_H_

#include <string>
#include <vector>

#include "testing/image_layout.h"
#include "testing/image_spec.h"

namespace vhdx::fuzz {

/// An image, its parent and its grandparent, as far as there are any; the paths in their locators
/// are those of placed_files.h.
struct SeedImages {
  std::string name;
  std::vector<testing::ImageSpec> chain;
};

std::vector<SeedImages> MakeSeedImages();

}  // namespace vhdx::fuzz

#endif  // VHDXKIT_FUZZ_SEED_IMAGES_H_
