#include "image/data_reader.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/try.h"
#include "format/layout.h"

namespace vhdx {
namespace {

// Below that a thread costs more than it saves.
constexpr uint64_t kLongRange = 16 * kMiB;
constexpr size_t kPiece = 256 * kKiB;
// So that handing over a piece does not count.
constexpr size_t kPieceAhead = 2 * kMiB;

}  // namespace

DataReader::DataReader(File& file, FileRange range)
    : file_(file),
      position_(range.file_offset),
      end_(range.file_offset + range.length_bytes),
      piece_bytes_(range.length_bytes < kLongRange ? kPiece : kPieceAhead) {
  const bool is_long = range.length_bytes >= kLongRange;
  const size_t length = std::min<uint64_t>(piece_bytes_, std::max<uint64_t>(range.length_bytes, 1));
  buffers_.reserve(kSlots);
  for (size_t i = 0; i < (is_long ? kSlots : 1); ++i) buffers_.emplace_back(length);
  if (!is_long) return;
  try {
    thread_ = std::thread([this] { ReadAhead(); });
  } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch): then without one
  }
}

DataReader::~DataReader() {
  if (!thread_.joinable()) return;
  {
    const MutexLock lock(mutex_);
    stops_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

Result<std::optional<DataReader::Piece>> DataReader::Read(size_t slot) {
  if (position_ < end_) {
    const uint64_t data = VHDX_TRY(file_.NextData(position_));
    position_ = std::max(position_, AlignDown(data, format::kLogSectorSize));
  }
  if (position_ >= end_) return std::nullopt;
  const std::span bytes =
      buffers_[slot].bytes().first(std::min<uint64_t>(piece_bytes_, end_ - position_));
  VHDX_TRY(file_.ReadExactAt(position_, bytes));
  return Piece{std::exchange(position_, position_ + bytes.size()), bytes};
}

Result<std::optional<DataReader::Piece>> DataReader::Next() {
  if (!thread_.joinable()) return Read(0);
  const MutexLock lock(mutex_);
  if (is_used_) {
    slots_[(next_ + kSlots - 1) % kSlots].is_filled = false;
    is_used_ = false;
    changed_.notify_all();
  }
  Slot& slot = slots_[next_];
  while (!slot.is_filled) mutex_.Wait(changed_);
  // The end, or an error, stays.
  if (!slot.piece || !*slot.piece) return slot.piece;
  is_used_ = true;
  next_ = (next_ + 1) % kSlots;
  return slot.piece;
}

// Whether there is somebody left to use it.
bool DataReader::WaitUntilFree(size_t slot) {
  const MutexLock lock(mutex_);
  while (slots_[slot].is_filled && !stops_) mutex_.Wait(changed_);
  return !stops_;
}

// Until the end of the range, or an error.
void DataReader::ReadAhead() noexcept {
  bool goes_on = true;
  for (size_t slot = 0; goes_on && WaitUntilFree(slot); slot = (slot + 1) % kSlots) {
    auto piece = Caught([&] { return Read(slot); });
    goes_on = piece && *piece;
    const MutexLock lock(mutex_);
    slots_[slot] = {.piece = std::move(piece), .is_filled = true};
    changed_.notify_all();
  }
}

}  // namespace vhdx
