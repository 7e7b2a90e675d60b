#include "image/log_generation.h"

#include <algorithm>
#include <utility>

#include "bytes/try.h"
#include "format/layout.h"
#include "io/random_guid.h"

namespace vhdx {
namespace {

// The sectors of the log that the limits allow.
FileRange UsedLog(const HeaderInfo& header, const WriteLimits& limits) {
  const uint64_t sectors =
      std::min(limits.log_sectors, header.log_length_bytes / format::kLogSectorSize);
  return {header.log_offset, sectors * format::kLogSectorSize};
}

}  // namespace

LogGeneration::LogGeneration(FileSystem& files, File& file, DurableState& durability,
                             const ImageInfo& info, const WriteLimits& limits)
    : files_(files),
      durability_(durability),
      headers_(file, durability, info.header(), info.current_header),
      log_(file, UsedLog(info.header(), limits), limits.pages_per_entry) {}

Result<void> LogGeneration::Begin(const log::FileLengths& lengths) {
  // No header may name the old log any more when its first entry is overwritten.
  if (state_ == State::kRetiring) {
    VHDX_TRY(Retire());
  }
  if (state_ == State::kNone) {
    auto guid = RandomGuid(files_);
    if (!guid) return durability_.Poison(std::move(guid.error()));
    VHDX_TRY(NoteAppended(log_.Begin(*guid, lengths)));
    // The entry is durable before a header names its log: else a crash in between would leave a
    // log without a valid entry.
    VHDX_TRY(Sync());
    guid_ = *guid;
    state_ = State::kBegun;
  }
  HeaderInfo header = headers_.current();
  header.log_guid = guid_;
  // Both are durable before the entry of this group commit is written. After a power cut that entry
  // may be there although its sync never returned. If only one header named its log, what readers
  // have seen since would depend on that one header.
  VHDX_TRY(headers_.Update(header));
  state_ = State::kNamed;
  return {};
}

Result<void> LogGeneration::Append(std::span<const log::Page> pages,
                                   const log::FileLengths& lengths) {
  VHDX_TRY(NoteAppended(log_.Append(pages, lengths)));
  pages_ += pages.size();
  return {};
}

Result<void> LogGeneration::NoteAppended(Result<void> appended) {
  VHDX_TRY(durability_.PoisonIfFailed(std::move(appended)));
  has_unsynced_entries_ = true;
  ++entries_;
  bytes_ += log_.last_entry_bytes();
  return {};
}

Result<void> LogGeneration::Retire() {
  // From here on nothing is added to it, even if only one header forgets it.
  state_ = State::kRetiring;
  HeaderInfo header = headers_.current();
  header.log_guid = {};
  VHDX_TRY(headers_.Update(header));
  state_ = State::kNone;
  return {};
}

Result<void> LogGeneration::Sync() {
  VHDX_TRY(durability_.Sync());
  log_.NoteSynced();
  has_unsynced_entries_ = false;
  return {};
}

void LogGeneration::CountInto(EngineCounters& counters) const {
  counters.log_entries += entries_;
  counters.log_restarts += restarts_;
  counters.pages_logged += pages_;
  counters.log_bytes += bytes_;
}

}  // namespace vhdx
