// Check: every rule of the format, for an image and all its parents, without changing anything.
//
// The rules are listed in docs/format.md, section 19. A check that could run returns a report,
// however broken the image is; an Error means that it could not (no such file, no permission, I/O).

#ifndef VHDXKIT_CHECK_H_
#define VHDXKIT_CHECK_H_

#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/finding.h>
#include <vhdxkit/operation.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace vhdx {

enum class CheckVerdict : uint8_t {
  kClean,    ///< nothing but notes
  kOdd,      ///< warnings or leaks
  kCorrupt,  ///< something is refused, or must not be written until it is repaired
  kNotVhdx,  ///< no VHDX signature: something else
};

struct CheckReport {
  std::string filename = {};
  CheckVerdict verdict = CheckVerdict::kClean;
  /// What was found, file by file, top first. Of a rule that is broken very often only some are
  /// kept.
  std::vector<Finding> findings = {};
  /// How often each rule was broken in all.
  std::vector<std::pair<const Rule*, uint64_t>> counts = {};
  uint64_t corruption_count = 0;  ///< findings that are errors
  uint64_t leaked_bytes =
      0;  ///< in the image itself: space between its structures that nothing refers to
  uint64_t image_end_offset = 0;  ///< where its last structure ends
  uint64_t total_blocks = 0;
  uint64_t present_blocks = 0;  ///< fully or partially
  uint64_t fragmented_blocks =
      0;  ///< present ones that do not start where the present one before them ends
};

/// Errors: those of FileSystem::Open and File::Lock; kIo; kCancelled.
Result<CheckReport> Check(FileSystem& files, const std::string& path,
                          const OpenOptions& options = {}, const OperationControl& control = {});

}  // namespace vhdx

#endif  // VHDXKIT_CHECK_H_
