#include "image/session.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/same_bytes.h"
#include "bytes/try.h"
#include "format/layout.h"
#include "format/region_table.h"
#include "image/claims.h"
#include "io/random_guid.h"

namespace vhdx {

Session::Session(const WrittenImage& image, DurableState& durability, MetadataPages& pages,
                 Space& space, LogGeneration& log, GroupCommits& commits)
    : files_(image.files),
      file_(image.file),
      overlay_(image.overlay),
      info_(image.info),
      identity_(image.identity),
      block_map_(image.block_map),
      durability_(durability),
      pages_(pages),
      space_(space),
      log_(log),
      commits_(commits) {}

Result<void> Session::Prepare() {
  const BatRules& bat_rules = block_map_.rules();
  auto claims = VHDX_TRY(ClaimForWriting(replayed(), bat_rules));
  if (info_.parameters.subformat() == Subformat::kFixed) {
    least_length_ =
        claims.space.End() + claims.unallocated_blocks * bat_rules.geometry().block_size();
  }
  pages_.SetClaims(std::move(claims.space));
  return {};
}

// -- The beginning --

// In this order: nothing is changed before it is known that the image may be; what was read is
// durable before anything builds on it; the GUIDs tell of a change before there is one; the log is
// replayed and retired before the file is cut, since replay may need the length.
Result<void> Session::Begin() {
  const auto repairs = VHDX_TRY(FindTableRepairs());
  VHDX_TRY(ReplaceIdentity());
  if (NeedsReplay()) {
    VHDX_TRY(Recover());
  }
  least_length_ = std::min(least_length_, AlignUp(durability_.length(), format::kAlignment));
  const uint64_t end = EndOfStructures();
  VHDX_TRY(CutFile(end));
  space_.Reset(end, pages_.Unclaimed(end));
  // With the first group commit.
  pages_.Replace(repairs);
  return {};
}

Result<void> Session::ReplaceIdentity() {
  HeaderInfo header = log_.headers().current();
  header.file_write_guid = VHDX_TRY(RandomGuid(files_));
  if (identity_ == SessionIdentity::kNew) header.data_write_guid = VHDX_TRY(RandomGuid(files_));
  // Without a log to replay it names none, or one that was never begun.
  if (!NeedsReplay()) {
    header.log_guid = {};
    VHDX_TRY(log_.AllocateLog());
  }
  VHDX_TRY(log_.Sync());
  auto updated = log_.headers().Update(header);
  if (!updated && updated.error().code == ErrorCode::kNoSpace && GiveBackSpace()) {
    updated = log_.headers().Update(header);
  }
  return updated;
}

Result<void> Session::Recover() {
  auto length = VHDX_TRY(overlay_->Size());
  // A read that fails may be tried again: the log is still there, and still named.
  VHDX_TRY(overlay_->PutInPlace(
      [this](Result<void> written) { return durability_.PoisonIfFailed(std::move(written)); }));
  durability_.NoteLength(length);
  VHDX_TRY(log_.Sync());
  VHDX_TRY(log_.Retire());
  overlay_->Dissolve();
  return durability_.PoisonIfFailed(log_.AllocateLog());
}

// Both copies of the region table are to be the same; the one that is not gets the other's bytes.
Result<std::vector<HeldPage>> Session::FindTableRepairs() {
  const size_t good = info_.current_region_table;
  std::array<std::vector<std::byte>, 2> tables;
  for (size_t i = 0; i < tables.size(); ++i) {
    tables[i].resize(format::kRegionTableSize);
    auto read = replayed().ReadExactAt(format::kRegionTableOffsets[i], tables[i]);
    if (read) continue;
    if (i == good || read.error().code != ErrorCode::kIo) return std::unexpected(read.error());
    // What cannot be read is written anew.
    std::ranges::fill(tables[i], std::byte{0});
  }
  std::vector<HeldPage> repairs;
  constexpr uint64_t kPages = format::kRegionTableSize / format::kLogSectorSize;
  for (uint64_t page = 0; page < kPages; ++page) {
    const uint64_t at = page * format::kLogSectorSize;
    const auto wanted = std::span(tables[good]).subspan(at, format::kLogSectorSize);
    if (SameBytes(wanted, std::span(tables[1 - good]).subspan(at, wanted.size()))) continue;
    HeldPage& repair = repairs.emplace_back();
    repair.id = {PageId::Kind::kRegionTable, (1 - good) * kPages + page};
    std::ranges::copy(wanted, repair.bytes.begin());
  }
  return repairs;
}

// Where writing anything takes new space (copy-on-write file systems, files that share their
// blocks) a full host lets no session begin, although the file may hold space that nothing refers
// to. Giving that space back to the host changes no byte with a meaning. With a log to replay the
// length of the file means something. Returns whether anything was given back.
bool Session::GiveBackSpace() {
  if (NeedsReplay()) return false;
  const uint64_t end = EndOfStructures();
  bool gave = durability_.length() > end && CutFile(end).has_value();
  if (info_.parameters.subformat() == Subformat::kFixed) return gave;
  for (const FileRange& range : pages_.Unclaimed(std::min(end, durability_.length()))) {
    gave = file_.PunchHole(range).has_value() || gave;
  }
  return gave;
}

// -- The end --

Result<void> Session::End() {
  VHDX_TRY(commits_.CommitAndCheckpoint());
  if (log_.may_be_named()) {
    VHDX_TRY(log_.Retire());
  }
  return CutFile(EndOfStructures());
}

uint64_t Session::EndOfStructures() const { return std::max(pages_.EndOfClaims(), least_length_); }

// Past the last structure there may be anything, from blocks that a crash undid; what the file is
// extended by reads as zeros.
Result<void> Session::CutFile(uint64_t end) {
  if (file_.capabilities().block_device || durability_.length() == end) return {};
  VHDX_TRY(durability_.PoisonIfFailed(file_.Resize(end)));
  durability_.NoteLength(end);
  return {};
}

}  // namespace vhdx
