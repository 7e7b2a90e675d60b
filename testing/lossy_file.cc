#include "testing/lossy_file.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "bytes/buffer_cursor.h"
#include "testing/file_calls.h"

namespace vhdx::testing {
namespace {

constexpr uint64_t kTornUnit = LossyFile::kSectorBytes;

/// As the length of a range; no file is as long, and no sum with an offset overflows.
constexpr uint64_t kToTheEnd = uint64_t{1} << 62;

uint64_t EndOf(FileRange range) { return range.file_offset + range.length_bytes; }

uint64_t SectorsIn(uint64_t length) { return (length + kTornUnit - 1) / kTornUnit; }

/// The sectors that the range touches.
FileRange WholeSectors(FileRange range) {
  if (range.length_bytes == 0) return {};
  const uint64_t begin = range.file_offset / kTornUnit * kTornUnit;
  return {begin, SectorsIn(EndOf(range)) * kTornUnit - begin};
}

/// What of the range lies before `length`.
FileRange Before(uint64_t length, FileRange range) {
  const uint64_t end = std::min(EndOf(range), length);
  return end <= range.file_offset ? FileRange{}
                                  : FileRange{range.file_offset, end - range.file_offset};
}

FileCapabilities WithoutSharing(FileCapabilities capabilities) {
  capabilities.clone_range = false;
  return capabilities;
}

}  // namespace

// -- Changes --

LossyFile::LossyFile(std::unique_ptr<File> base, std::shared_ptr<PowerSwitch> power,
                     LossyOptions options)
    : ForwardingFile(std::move(base)),
      power_(std::move(power)),
      options_(options),
      capabilities_(WithoutSharing(this->base().capabilities())),
      random_(options.seed) {
  const MutexLock lock(power_->mutex_);
  power_->files_.push_back(this);
}

LossyFile::~LossyFile() {
  const MutexLock lock(power_->mutex_);
  std::erase(power_->files_, this);
}

std::unexpected<Error> LossyFile::NoPower() const {
  while (options_.after_cut == AfterCut::kHangs) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  return Fail(ErrorCode::kIo, "a test has cut the power", name());
}

/// Old bytes are read, and replaced, before any other change: each Change holds what its
/// predecessors left.
template <typename Operation>
Result<void> LossyFile::DoChange(FileRange range, Keep keep, Operation operation) {
  const MutexLock lock(mutex_);
  if (!powered_) return NoPower();
  if (Result<void> remembered = Remember(range, keep); !remembered) return remembered;
  return operation();
}

Result<void> LossyFile::Remember(FileRange range, Keep keep) {
  const Result<uint64_t> length = base().Size();
  if (!length) return std::unexpected(length.error());
  range = WholeSectors(keep == Keep::kData ? Before(*length, range) : range);
  Result<std::vector<Piece>> before =
      keep == Keep::kData ? ReadData(range, *length) : ReadAll(range, *length);
  if (!before) return std::unexpected(before.error());
  unsynced_.push_back({.range = range, .length_before = *length, .before = std::move(*before)});
  return {};
}

/// What lies past the end of the file are zeros.
Result<LossyFile::Piece> LossyFile::ReadPiece(FileRange range, uint64_t length) {
  Piece piece = {.file_offset = range.file_offset,
                 .bytes = std::vector<std::byte>(range.length_bytes)};
  if (range.file_offset >= length) return piece;
  const uint64_t there = std::min(range.length_bytes, length - range.file_offset);
  const Result<void> read =
      base().ReadExactAt(range.file_offset, MutableByteSpan(piece.bytes).first(there));
  if (!read) return std::unexpected(read.error());
  return piece;
}

Result<std::vector<LossyFile::Piece>> LossyFile::ReadAll(FileRange range, uint64_t length) {
  Result<Piece> piece = ReadPiece(range, length);
  if (!piece) return std::unexpected(piece.error());
  std::vector<Piece> pieces;
  pieces.push_back(std::move(*piece));
  return pieces;
}

Result<std::vector<LossyFile::Piece>> LossyFile::ReadData(FileRange range, uint64_t length) {
  std::vector<Piece> pieces;
  const uint64_t end = EndOf(Before(length, range));
  for (uint64_t offset = range.file_offset; offset < end;) {
    const Result<uint64_t> data = base().NextData(offset);
    if (!data) return std::unexpected(data.error());
    if (*data >= end) break;
    const Result<uint64_t> hole = base().NextHole(*data);
    if (!hole) return std::unexpected(hole.error());
    const FileRange found = WholeSectors({*data, std::min(*hole, end) - *data});
    Result<Piece> piece = ReadPiece(found, length);
    if (!piece) return std::unexpected(piece.error());
    pieces.push_back(std::move(*piece));
    offset = EndOf(found);
  }
  return pieces;
}

Result<void> LossyFile::WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) {
  return DoChange({file_offset, TotalBytes(buffers)}, Keep::kAll,
                  [&] { return base().WriteAt(file_offset, buffers); });
}

/// Of a file that grows only the length changes; one that is cut loses what it had there.
Result<void> LossyFile::Resize(uint64_t length_bytes) {
  return DoChange({length_bytes, kToTheEnd}, Keep::kData,
                  [&] { return base().Resize(length_bytes); });
}

Result<void> LossyFile::ZeroRange(FileRange range) {
  return DoChange(range, Keep::kData, [&] { return base().ZeroRange(range); });
}

Result<void> LossyFile::PunchHole(FileRange range) {
  return DoChange(range, Keep::kData, [&] { return base().PunchHole(range); });
}

Result<void> LossyFile::CloneRange(uint64_t, File&, FileRange) {
  return Fail(ErrorCode::kUnsupported, "a lossy file shares no bytes", name());
}

/// The base file need not be synced: its power is not cut.
Result<void> LossyFile::Sync() {
  uint64_t durable = 0;
  std::chrono::microseconds duration = {};
  {
    const MutexLock lock(mutex_);
    durable = forgotten_ + unsynced_.size();
    duration = options_.longest_sync * (random_() % 16) / 16;
  }
  std::this_thread::sleep_for(duration);
  const MutexLock lock(mutex_);
  if (!powered_) return NoPower();
  if (options_.sync == SyncMode::kDoesNothing) return {};
  for (; forgotten_ < durable; ++forgotten_) unsynced_.pop_front();
  return {};
}

// -- The power cut --

/// Takes changes back, newest first. A sector that one change keeps is settled: whatever came
/// before that change is no longer seen there.
class LossyFile::Reversal {
 public:
  Reversal(File& base, CrashFate& fate, uint64_t longest_length)
      : base_(base),
        fate_(fate),
        seen_(SectorsIn(longest_length)),
        settled_(SectorsIn(longest_length)) {}

  const Loss& loss() const { return loss_; }

  Result<void> TakeBack(const Change& change, size_t position) {
    ++loss_.unsynced_changes;
    const std::vector<bool> kept = SectorsKept(change, position);
    std::vector<bool> put_back(kept.size());
    for (size_t i = 0; i < kept.size(); ++i) {
      const uint64_t sector = change.range.file_offset / kTornUnit + i;
      put_back[i] = !kept[i] && !settled_[sector];
      loss_.unsynced_sectors += seen_[sector] ? 0 : 1;
      loss_.lost_sectors += !seen_[sector] && put_back[i] ? 1 : 0;
      seen_[sector] = true;
      settled_[sector] = settled_[sector] || kept[i];
    }
    return PutBack(change, put_back);
  }

 private:
  std::vector<bool> SectorsKept(const Change& change, size_t position) {
    std::vector<bool> kept(change.range.length_bytes / kTornUnit);
    fate_.KeepBytes(position, change.range, [&](FileRange part) {
      const uint64_t first = (part.file_offset - change.range.file_offset) / kTornUnit;
      for (uint64_t i = 0; i < part.length_bytes / kTornUnit; ++i) kept[first + i] = true;
    });
    return kept;
  }

  Result<void> PutBack(const Change& change, const std::vector<bool>& put_back) {
    for (const Piece& piece : change.before) {
      for (uint64_t done = 0; done < piece.bytes.size(); done += kTornUnit) {
        const uint64_t file_offset = piece.file_offset + done;
        if (!put_back[(file_offset - change.range.file_offset) / kTornUnit]) continue;
        const ByteSpan sector = ByteSpan(piece.bytes).subspan(done, kTornUnit);
        if (Result<void> written = base_.WriteAt(file_offset, sector); !written) return written;
      }
    }
    return {};
  }

  File& base_;
  CrashFate& fate_;
  std::vector<bool> seen_;
  std::vector<bool> settled_;
  Loss loss_;
};

/// A change that grew or truncated the file left the length that the next one found.
uint64_t LossyFile::LengthAfterCut(uint64_t length_now, CrashFate& fate) const {
  if (unsynced_.empty()) return length_now;
  uint64_t length = unsynced_.front().length_before;
  for (size_t i = 0; i < unsynced_.size(); ++i) {
    const bool is_last = i + 1 == unsynced_.size();
    const uint64_t left = is_last ? length_now : unsynced_[i + 1].length_before;
    if (left != unsynced_[i].length_before && fate.KeepsLength(i)) length = left;
  }
  return length;
}

Result<Loss> LossyFile::CutPower() {
  const MutexLock lock(mutex_);
  if (!powered_) return NoPower();
  powered_ = false;
  const Result<uint64_t> length_now = base().Size();
  if (!length_now) return std::unexpected(length_now.error());
  uint64_t longest = *length_now;
  for (const Change& change : unsynced_) {
    longest = std::max(
        {longest, change.length_before, change.range.file_offset + change.range.length_bytes});
  }
  CrashFate fate(random_, unsynced_.size(), CrashFate::Names::kNone);
  const uint64_t length_after = LengthAfterCut(*length_now, fate);
  Reversal reversal(base(), fate, longest);
  for (size_t position = unsynced_.size(); position-- > 0;) {
    if (Result<void> done = reversal.TakeBack(unsynced_[position], position); !done) {
      return std::unexpected(done.error());
    }
  }
  Loss loss = reversal.loss();
  loss.length_before = *length_now;
  loss.length_after = length_after;
  if (Result<void> done = base().Resize(loss.length_after); !done) {
    return std::unexpected(done.error());
  }
  return loss;
}

// -- All files --

size_t LossyFile::UnsyncedChanges() {
  const MutexLock lock(mutex_);
  return unsynced_.size();
}

size_t PowerSwitch::UnsyncedChanges() {
  const MutexLock lock(mutex_);
  size_t changes = 0;
  for (LossyFile* file : files_) changes += file->UnsyncedChanges();
  return changes;
}

Result<std::vector<Loss>> PowerSwitch::Cut() {
  const MutexLock lock(mutex_);
  std::vector<Loss> losses;
  for (LossyFile* file : files_) {
    Result<Loss> loss = file->CutPower();
    if (!loss) return std::unexpected(loss.error());
    losses.push_back(*loss);
  }
  return losses;
}

// -- The file system --

Result<std::unique_ptr<File>> LossyFileSystem::Open(const std::string& path,
                                                    const OpenFileOptions& options) {
  Result<std::unique_ptr<File>> file = base().Open(path, options);
  if (!file || options.access == FileAccess::kReadOnly) return file;
  return std::make_unique<LossyFile>(std::move(*file), power_, options_);
}

}  // namespace vhdx::testing
