// How a session of one image that is being written begins and ends: what has to be true of the file
// before the first change, and after the last.
//
// Until a session begins, the file stays as it was. Called by the leader of the group commits, one
// thread at a time. docs/crash-consistency.md has the argument.

#ifndef VHDXKIT_IMAGE_SESSION_H_
#define VHDXKIT_IMAGE_SESSION_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <cstdint>
#include <vector>

#include "image/block_map.h"
#include "image/durable_state.h"
#include "image/group_commits.h"
#include "image/log_generation.h"
#include "image/metadata_pages.h"
#include "image/space.h"
#include "image/written_image.h"
#include "io/overlay_file.h"
#include "log/log_writer.h"

namespace vhdx {

class Session {
 public:
  /// All of these outlive it.
  Session(const WrittenImage& image, DurableState& durability, MetadataPages& pages, Space& space,
          LogGeneration& log, GroupCommits& commits);

  /// Reads the whole BAT once, before anything else is called. Errors: kCorrupt with the rule that
  /// forbids writing; kUnsupported for a file of more than 256 TiB; kIo.
  Result<void> Prepare();
  /// Makes what is in the file durable, gives both headers new GUIDs, replays a dirty log, and cuts
  /// the file to its last structure. Errors: kIo, kNoSpace, kPoisoned.
  Result<void> Begin();
  /// Whether the file is older than its log says.
  bool NeedsReplay() const { return overlay_ != nullptr && !overlay_->is_dissolved(); }
  /// Makes all that was written durable, checkpoints it, and leaves a file without a log. Errors:
  /// as GroupCommits::Flush; the session then goes on, unless the disk is poisoned.
  Result<void> End();

 private:
  File& replayed() { return overlay_ != nullptr ? static_cast<File&>(*overlay_) : file_; }
  Result<void> ReplaceIdentity();
  Result<void> Recover();
  Result<std::vector<HeldPage>> FindTableRepairs();
  bool GiveBackSpace();
  uint64_t EndOfStructures() const;
  Result<void> CutFile(uint64_t end);

  FileSystem& files_;  // for new GUIDs
  File& file_;
  OverlayFile* const overlay_;
  const ImageInfo& info_;
  const SessionIdentity identity_;
  BlockMap& block_map_;
  DurableState& durability_;
  MetadataPages& pages_;
  Space& space_;
  LogGeneration& log_;
  GroupCommits& commits_;
  // A fixed disk keeps space for every block (docs/format.md, section 11.1).
  uint64_t least_length_ = 0;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_SESSION_H_
