// Replaying the log ([MS-VHDX] 2.3.3) in memory, to see the file as it would be without changing a
// byte of it. Once it may be written, OverlayFile::PutInPlace does the rest.

#ifndef VHDXKIT_LOG_REPLAY_H_
#define VHDXKIT_LOG_REPLAY_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <memory>
#include <optional>
#include <vector>

#include "format/findings.h"
#include "io/overlay_file.h"

namespace vhdx::log {

/// The file with the log of `header` replayed over it, and the active sequence, tail first. If
/// there was nothing to replay, or it could not be done, `overlay` is null and the file reads as it
/// is.
struct ReplayedFile {
  std::unique_ptr<File> file;
  OverlayFile* overlay = nullptr;
  std::vector<LogEntryInfo> sequence = {};
  std::optional<Error> error = {};  ///< why it could not be replayed
};

/// Replays the active sequence over `file`, which the result owns. The header's LogGuid is not
/// zero. A log that was never begun is reported and not replayed (docs/format.md, section 6.4).
/// Errors, in the result: log.sequence-none, log.file-truncated, log.last-offset, kIo.
ReplayedFile ReplayInMemory(std::unique_ptr<File> file, const HeaderInfo& header,
                            Findings& findings);

/// Reports that the log of `header` is ignored, and which parts of the file it would change as far
/// as its entries are valid. The header's LogGuid is not zero. Errors: kIo.
Result<void> ReportIgnoredLog(File& file, const HeaderInfo& header, Findings& findings);

}  // namespace vhdx::log

#endif  // VHDXKIT_LOG_REPLAY_H_
