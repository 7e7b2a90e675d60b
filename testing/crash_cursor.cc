#include "testing/crash_cursor.h"

#include <algorithm>
#include <random>

namespace vhdx::testing {
namespace {

using Kind = CrashOperation::Kind;

/// Whether a sync that ends so makes the change durable, if it came before the sync began.
bool Covers(const CrashOperation& end, const CrashOperation& change) {
  if (end.kind == Kind::kFolderSyncEnd) {
    return change.changes_names() && FolderOf(change.path) == end.path;
  }
  return change.changes_bytes() && change.file == end.file;
}

/// Does a part of what a write or a hole does.
void ApplyPart(const CrashOperation& operation, FileRange part, CrashState& state) {
  PageImage& image = state.FileForWriting(operation.file);
  if (operation.kind == Kind::kZero) return image.Zero(part);
  image.Write(part.file_offset,
              ByteSpan(*operation.data)
                  .subspan(part.file_offset - operation.range.file_offset, part.length_bytes));
}

}  // namespace

CrashCursor::CrashCursor(const CrashState& base, std::span<const CrashOperation> record)
    : record_(record), durable_(base), cached_(base) {}

void CrashCursor::Advance() {
  const CrashOperation& operation = record_[index_];
  switch (operation.kind) {
    case Kind::kWrite:
    case Kind::kZero:
    case Kind::kResize:
    case Kind::kCreate:
    case Kind::kRename:
    case Kind::kRemove:
      Apply(operation, cached_);
      pending_.push_back(index_);
      break;
    case Kind::kSyncEnd:
    case Kind::kFailedSyncEnd:
    case Kind::kFolderSyncEnd:
      EndSync(operation);
      break;
    case Kind::kMark:
    case Kind::kSyncBegin:
      break;
  }
  ++index_;
}

void CrashCursor::AdvanceTo(size_t index) {
  while (index_ < index) Advance();
}

void CrashCursor::EndSync(const CrashOperation& end) {
  const bool failed = end.kind == Kind::kFailedSyncEnd;
  std::mt19937_64 random(index_);
  std::vector<size_t> pending;
  for (const size_t index : pending_) {
    const CrashOperation& change = record_[index];
    if (index > end.sync_begin || !Covers(end, change)) {
      pending.push_back(index);
    } else if (!failed || std::uniform_real_distribution<double>()(random) < 0.5) {
      Apply(change, durable_);
    }
  }
  if (failed) durable_.FileForWriting(end.file).DropPastEnd();
  pending_ = std::move(pending);
}

CrashFate::Names CrashCursor::PendingNames() const {
  const bool some =
      std::ranges::any_of(pending_, [&](size_t index) { return record_[index].changes_names(); });
  return some ? CrashFate::Names::kSome : CrashFate::Names::kNone;
}

void CrashCursor::Survive(const CrashOperation& operation, size_t position, CrashFate& fate,
                          CrashState& state) const {
  if (operation.changes_names()) {
    if (fate.KeepsName(position)) Apply(operation, state);
  } else if (operation.kind == Kind::kResize) {
    if (fate.KeepsLength(position)) Apply(operation, state);
  } else {
    fate.KeepBytes(position, operation.range,
                   [&](FileRange part) { ApplyPart(operation, part, state); });
  }
}

CrashState CrashCursor::Cut(uint64_t seed) const {
  std::mt19937_64 random(seed * 0x9E3779B97F4A7C15 + index_);
  CrashFate fate(random, pending_.size(), PendingNames());
  CrashState state = durable_;
  for (size_t position = 0; position < pending_.size(); ++position) {
    Survive(record_[pending_[position]], position, fate, state);
  }
  state.DropNameless();
  state.DropPastEnds();
  return state;
}

}  // namespace vhdx::testing
