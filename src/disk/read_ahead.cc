#include "disk/read_ahead.h"

#include <algorithm>

#include "bytes/arithmetic.h"

namespace vhdx {

DiskRange ReadAhead::Note(DiskRange read) {
  if (busy_.test_and_set(std::memory_order_acquire)) return {};
  const DiskRange ahead = NoteAlone(read);
  busy_.clear(std::memory_order_release);
  return ahead;
}

DiskRange ReadAhead::NoteAlone(DiskRange read) {
  const auto follows = [&](const Stream& stream) {
    const uint64_t distance = read.disk_offset > stream.end ? read.disk_offset - stream.end
                                                            : stream.end - read.disk_offset;
    return stream.reads > 0 && distance <= kDistance;
  };
  const auto found = std::ranges::find_if(streams_, follows);
  if (found == streams_.end()) {
    streams_[next_victim_] = {.end = read.end(), .ahead = 0, .reads = 1};
    next_victim_ = (next_victim_ + 1) % kStreams;
    return {};
  }
  Stream& stream = *found;
  const bool forward = read.end() > stream.end;
  stream.end = std::max(stream.end, read.end());
  stream.reads = std::min(stream.reads + (forward ? 1 : 0), kReadsInSequence);
  if (!forward || stream.reads < kReadsInSequence) return {};
  const uint64_t first = AlignDown(std::max(stream.ahead, stream.end), kPiece);
  const uint64_t end = std::min(AlignDown(stream.end + kDistance, kPiece), disk_size_bytes_);
  if (first >= end) return {};
  stream.ahead = end;
  return {first, end - first};
}

}  // namespace vhdx
