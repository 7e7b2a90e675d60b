// Which reads of a disk follow each other, and what is worth reading before it is asked for: in
// place of the host's own read-ahead, where that is switched off (PageCache::kForServing).

#ifndef VHDXKIT_DISK_READ_AHEAD_H_
#define VHDXKIT_DISK_READ_AHEAD_H_

#include <vhdxkit/block_device.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace vhdx {

class ReadAhead {
 public:
  /// How far ahead of a reader; and in what pieces the host is asked, lest one call hold up the
  /// read that it is made for.
  static constexpr uint64_t kDistance = uint64_t{1} << 20;
  static constexpr uint64_t kPiece = uint64_t{128} << 10;

  explicit ReadAhead(uint64_t disk_size_bytes) : disk_size_bytes_(disk_size_bytes) {}

  /// Notes a read, and returns what should be read ahead for it: whole pieces, except at the end of
  /// the disk; often nothing. Any number of threads: one that finds another here notes nothing.
  DiskRange Note(DiskRange read);

 private:
  // A reader that moves forward. Requests of one come out of order when several are under way.
  struct Stream {
    uint64_t end = 0;    // of the furthest read
    uint64_t ahead = 0;  // read ahead up to here
    uint32_t reads = 0;
  };
  static constexpr size_t kStreams = 4;
  static constexpr uint32_t kReadsInSequence = 3;  // before anything is read ahead

  DiskRange NoteAlone(DiskRange read);

  const uint64_t disk_size_bytes_;
  std::atomic_flag busy_;
  std::array<Stream, kStreams> streams_ = {};  // guarded by busy_
  size_t next_victim_ = 0;                     // guarded by busy_
};

}  // namespace vhdx

#endif  // VHDXKIT_DISK_READ_AHEAD_H_
