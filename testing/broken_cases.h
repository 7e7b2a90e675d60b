// Broken and odd images, each with the expected result: every rule of docs/format.md, section 19,
// at least once, with its variants.
//
// Cases are plain values and cheap to list; the files are made by StageFiles.

#ifndef VHDXKIT_TESTING_BROKEN_CASES_H_
#define VHDXKIT_TESTING_BROKEN_CASES_H_

#include <vhdxkit/chain_options.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "testing/image_layout.h"
#include "testing/image_spec.h"
#include "testing/memory_file_system.h"

namespace vhdx::testing {

/// An image, or any other bytes, at a path.
struct CaseFile {
  std::string path;
  ImageSpec spec = {};
  std::optional<std::vector<std::byte>> bytes = {};  ///< instead of the image
};

/// A block of which no byte can be read.
struct UnreadableBlock {
  uint64_t block = 0;
  std::string outcome;  ///< "rule@offset"
};

struct BrokenCase {
  std::string name;             ///< "group/what is odd"
  std::vector<CaseFile> files;  ///< the first is opened
  ChainOptions options = {};

  /// "rule@offset" with which opening fails; empty: it opens.
  std::string refused = {};
  /// What a check finds besides, as "rule@offset" in any order: all of it, but for host.sparse,
  /// which every file with holes has.
  std::vector<std::string> findings = {};

  // What is read where it opens: what a DiskModel of the first `chain_length` files says, or a disk
  // with this hash.
  size_t chain_length = 1;
  std::string content_sha256 = {};
  std::vector<UnreadableBlock> unreadable = {};
  std::vector<uint64_t> unchecked_blocks = {};  ///< nothing is said of what they hold
};

/// All of them.
std::vector<BrokenCase> BrokenCases();

// By part of the file.
namespace broken_file {
std::vector<BrokenCase> Cases();
}
namespace broken_header {
std::vector<BrokenCase> Cases();
}
namespace broken_log {
std::vector<BrokenCase> Cases();
}
namespace broken_region {
std::vector<BrokenCase> Cases();
}
namespace broken_metadata {
std::vector<BrokenCase> Cases();
}
namespace broken_locator {
std::vector<BrokenCase> Cases();
}
namespace broken_chain {
std::vector<BrokenCase> Cases();
}
namespace broken_bat {
std::vector<BrokenCase> Cases();
}

/// Puts the files of a case where it says. Errors: those of the builder.
Result<void> StageFiles(const BrokenCase& broken_case, MemoryFileSystem& files);

// What the parts are made of.

/// "rule@offset".
std::string At(const Rule& rule, uint64_t file_offset);

/// The image that most cases break: 8 blocks of 1 MiB; 0, 2 and 7 are present, 3 is ZERO.
ImageSpec TwinImage();
/// A differencing image over it: 0 is partially present, 1 is present, 2 is ZERO.
ImageSpec TwinChild();

/// The image opens, and reads as its description says.
BrokenCase Opens(std::string name, ImageSpec spec, std::vector<std::string> findings = {});
/// It does not; `findings` are those that a check makes besides.
BrokenCase Refused(std::string name, ImageSpec spec, std::string outcome,
                   std::vector<std::string> findings = {});
/// TwinImage with patches, which checksums follow.
ImageSpec Patched(std::vector<Patch> patches);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_BROKEN_CASES_H_
