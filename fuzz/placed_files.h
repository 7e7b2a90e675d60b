// The files of a sparse input (sparse_input.h) at the paths that the locators of the seeds name.

#ifndef VHDXKIT_FUZZ_PLACED_FILES_H_
#define VHDXKIT_FUZZ_PLACED_FILES_H_

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "fuzz/sparse_input.h"
#include "testing/memory_contents.h"
#include "testing/memory_file_system.h"

namespace vhdx::fuzz {

inline constexpr const char* kFolder = "/disks";
/// An image, its parent, its grandparent.
inline constexpr std::array<const char*, kMaxFiles> kPaths = {
    "/disks/disk.vhdx", "/disks/parent.vhdx", "/disks/base.vhdx"};

struct PlacedFiles {
  testing::MemoryFileSystem files;
  std::vector<std::shared_ptr<testing::MemoryContents>> contents;  ///< by path
};

/// Nothing if an image asks for a log that only takes long to search.
std::unique_ptr<PlacedFiles> PlaceFiles(std::span<const std::byte> input);

}  // namespace vhdx::fuzz

#endif  // VHDXKIT_FUZZ_PLACED_FILES_H_
