// Replaying the log ([MS-VHDX] 2.3.3): in memory, to see the file as it would be without changing a
// byte of it, and in place, once it may be written.

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

/// Writes what the sequence says into the file itself, and makes it as long as `length_bytes`, the
/// length that ReplayInMemory came to, where it is shorter. Syncs nothing; may be done again from
/// the start after a crash, as long as the headers still name the log. Errors: kIo, kNoSpace.
Result<void> ReplayInPlace(File& file, const HeaderInfo& header,
                           const std::vector<LogEntryInfo>& sequence, uint64_t length_bytes);

}  // namespace vhdx::log

#endif  // VHDXKIT_LOG_REPLAY_H_
