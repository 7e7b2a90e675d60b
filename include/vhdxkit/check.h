// Check an image and all its parents against every rule of the format. Nothing is modified.
//
// The rules are listed in docs/format.md, section 19. A check that ran returns a report, however
// broken the image is: an error in one structure does not end the check of the others, and neither
// does a structure that the host fails to read. An image that is refused, or not read to its end,
// ends the walk through its parents. An Error means that the check could not run (no such file, no
// permission, a file that is locked).

#ifndef VHDXKIT_CHECK_H_
#define VHDXKIT_CHECK_H_

#include <vhdxkit/chain_options.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/file.h>
#include <vhdxkit/finding.h>
#include <vhdxkit/operation.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace vhdx {

enum class CheckVerdict : uint8_t {
  kClean,       ///< no findings other than notes
  kWarnings,    ///< warnings, but no errors
  kIncomplete,  ///< no error was found, but a parent is missing, a file of ChainOptions::parents is
                ///< not the parent, or a part of a file cannot be read
  kChainBroken,  ///< no file is damaged, but they do not form a chain: a parent does not match
  kCorrupt,      ///< an error: something cannot be read, or must not be written
  kNotVhdx,      ///< no VHDX signature
};

struct CheckReport {
  std::string filename = {};
  CheckVerdict verdict = CheckVerdict::kClean;
  /// The findings, file by file, top first. If a rule is broken very often, only the first findings
  /// are kept; `counts` has the numbers.
  std::vector<Finding> findings = {};
  /// How often each rule was broken.
  std::vector<std::pair<const Rule*, uint64_t>> counts = {};
  uint64_t corruption_count = 0;  ///< number of errors (kRefuse, kReadOnly) in the files themselves
  uint64_t unchecked_count = 0;  ///< number of parents and parts of files that could not be checked
  /// Free space in the image itself, between its structures and after the last: later writes use
  /// it.
  uint64_t free_bytes = 0;
  uint64_t image_end_offset = 0;  ///< file offset of the end of its last structure
  uint64_t total_blocks = 0;      ///< payload blocks of the image itself
  uint64_t present_blocks = 0;    ///< fully or partially present
  uint64_t fragmented_blocks =
      0;  ///< present blocks that do not start where the previous present block ends
};

/// Checks the image at `path` and its parents. Errors: those of FileSystem::Open and File::Lock;
/// kInvalidArgument (an option does not fit the image); kCancelled.
VHDXKIT_EXPORT
Result<CheckReport> Check(FileSystem& files, const std::string& path,
                          const ChainOptions& options = {}, const OperationControl& control = {});

}  // namespace vhdx

#endif  // VHDXKIT_CHECK_H_
