// How a session of a Journal begins and ends: what has to be true of the file before the first
// change.

#include <algorithm>
#include <array>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/same_bytes.h"
#include "bytes/try.h"
#include "format/layout.h"
#include "format/region_table.h"
#include "image/claims.h"
#include "image/journal.h"
#include "io/random_guid.h"

namespace vhdx {
// In this order: nothing is changed before it is known that the image may be; what was read is
// durable before anything builds on it; the GUIDs tell of a change before there is one; the log is
// replayed and retired before the file is cut, since replay may need the length.
Result<void> Journal::StartSession() {
  VHDX_TRY(FindTableRepairs());
  auto file_write_guid = VHDX_TRY(RandomGuid(files_));
  auto data_write_guid = VHDX_TRY(RandomGuid(files_));

  if (!NeedsReplay()) {
    VHDX_TRY(log_.Allocate());
  }
  VHDX_TRY(Sync());
  HeaderInfo header = headers_.current();
  header.file_write_guid = file_write_guid;
  header.data_write_guid = data_write_guid;
  // Without a log to replay it names none, or one that was never begun.
  if (!NeedsReplay()) header.log_guid = {};
  auto updated = headers_.Update(header);
  if (!updated && updated.error().code == ErrorCode::kNoSpace && GiveBackSpace()) {
    updated = headers_.Update(header);
  }
  if (!updated) return updated;
  if (NeedsReplay()) {
    VHDX_TRY(Recover());
  }
  least_length_ = std::min(least_length_, AlignUp(durability_.length(), format::kAlignment));
  const uint64_t end = EndOfClaims();
  VHDX_TRY(CutFile(end));
  const MutexLock lock(commit_mutex_);
  space_ = std::make_unique<Space>(file_, durability_, limits_, end, claims_->Unclaimed(end));
  started_.store(true, std::memory_order_release);
  return {};
}

Result<void> Journal::Prepare() {
  File& replayed = overlay_ != nullptr ? static_cast<File&>(*overlay_) : file_;
  const BatRules& bat_rules = block_map_.rules();
  auto claims = VHDX_TRY(ClaimForWriting(replayed, bat_rules));
  if (info_.parameters.subformat() == Subformat::kFixed) {
    least_length_ =
        claims.space.End() + claims.unallocated_blocks * bat_rules.geometry().block_size();
  }
  const MutexLock lock(commit_mutex_);
  claims_ = std::move(claims.space);
  return {};
}

uint64_t Journal::EndOfClaims() {
  const MutexLock lock(commit_mutex_);
  return std::max(claims_->End(), least_length_);
}

Result<void> Journal::Recover() {
  auto length = VHDX_TRY(overlay_->Size());
  // A read that fails may be tried again: the log is still there, and still named.
  VHDX_TRY(overlay_->PutInPlace(
      [this](Result<void> written) { return durability_.PoisonIfFailed(std::move(written)); }));
  durability_.NoteLength(length);
  VHDX_TRY(Sync());
  VHDX_TRY(RetireLog());
  overlay_->Dissolve();
  return durability_.PoisonIfFailed(log_.Allocate());
}

// Where writing anything takes new space (copy-on-write file systems, files that share their
// blocks) a full host lets no session begin, although the file may hold space that nothing refers
// to. Giving that space back to the host changes no byte with a meaning. With a log to replay the
// length of the file means something. Returns whether anything was given back.
bool Journal::GiveBackSpace() {
  if (NeedsReplay()) return false;
  const uint64_t end = EndOfClaims();
  bool gave = durability_.length() > end && CutFile(end).has_value();
  if (info_.parameters.subformat() == Subformat::kFixed) return gave;
  const MutexLock lock(commit_mutex_);
  for (const FileRange& range : claims_->Unclaimed(std::min(end, durability_.length()))) {
    gave = file_.PunchHole(range).has_value() || gave;
  }
  return gave;
}

// Past the last structure there may be anything, from blocks that a crash undid; what the file is
// extended by reads as zeros.
Result<void> Journal::CutFile(uint64_t end) {
  if (file_.capabilities().block_device || durability_.length() == end) return {};
  VHDX_TRY(durability_.PoisonIfFailed(file_.Resize(end)));
  durability_.NoteLength(end);
  return {};
}

// Both copies of the region table are to be the same; the one that is not gets the other's bytes
// with the first group commit.
Result<void> Journal::FindTableRepairs() {
  File& replayed = overlay_ != nullptr ? static_cast<File&>(*overlay_) : file_;
  const size_t good = info_.current_region_table;
  table_repairs_.clear();
  std::array<std::vector<std::byte>, 2> tables;
  for (size_t i = 0; i < tables.size(); ++i) {
    tables[i].resize(format::kRegionTableSize);
    auto read = replayed.ReadExactAt(format::kRegionTableOffsets[i], tables[i]);
    if (read) continue;
    if (i == good || read.error().code != ErrorCode::kIo) return read;
    // What cannot be read is written anew.
    std::ranges::fill(tables[i], std::byte{0});
  }
  for (uint64_t at = 0; at < format::kRegionTableSize; at += format::kLogSectorSize) {
    const auto wanted = std::span(tables[good]).subspan(at, format::kLogSectorSize);
    if (SameBytes(wanted, std::span(tables[1 - good]).subspan(at, wanted.size()))) {
      continue;
    }
    log::Page& page = table_repairs_.emplace_back();
    page.file_offset = format::kRegionTableOffsets[1 - good] + at;
    std::ranges::copy(wanted, page.bytes.begin());
  }
  return {};
}

}  // namespace vhdx
