// Replaying the log ([MS-VHDX] 2.3.3) in memory, to see the file as it would be without changing a
// byte of it. Once it may be written, OverlayFile::PutInPlace does the rest.

#ifndef VHDXKIT_LOG_REPLAY_H_
#define VHDXKIT_LOG_REPLAY_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <memory>
#include <vector>

#include "format/findings.h"
#include "io/overlay_file.h"

namespace vhdx::log {

/// The file with the log of `header` replayed over it, and the sequence that was replayed, tail
/// first.
struct ReplayedFile {
  std::unique_ptr<OverlayFile> file;
  std::vector<LogEntryInfo> sequence;
};

/// Replays the active sequence over `file`, which the result owns. The header's LogGuid is not
/// zero. Errors: log.sequence-none, log.file-truncated, log.last-offset, kIo.
Result<ReplayedFile> ReplayInMemory(std::unique_ptr<File> file, const HeaderInfo& header,
                                    Findings& findings);

}  // namespace vhdx::log

#endif  // VHDXKIT_LOG_REPLAY_H_
