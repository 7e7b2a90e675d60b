// OverlayFile: a file as it would read if some ranges of it were replaced, without replacing them.
//
// It is built first, by one thread: later additions win over earlier ones where they overlap. From
// then on it is read-only and, like every File, may be read by many threads. It holds no contents:
// a replaced range costs the memory of one map node (64 bytes), however long it is.
//
// Once PutInPlace has written into the base what the overlay shows, Dissolve makes it transparent.

#ifndef VHDXKIT_IO_OVERLAY_FILE_H_
#define VHDXKIT_IO_OVERLAY_FILE_H_

#include <vhdxkit/file.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "bytes/mutex.h"

namespace vhdx {

inline constexpr uint64_t kRelocatedSectorBytes = 4096;

/// 4096 bytes that stand elsewhere in the same file, all but their first 8 and last 4.
struct RelocatedSector {
  uint64_t stored_offset = 0;  ///< in the base file
  std::array<std::byte, 8> leading = {};
  std::array<std::byte, 4> trailing = {};
};

class OverlayFile final : public File {
 public:
  using File::ReadAt;
  using File::WriteAt;

  /// As long as `base` until SetSize says otherwise.
  explicit OverlayFile(std::unique_ptr<File> base);

  /// The range reads as zeros. Does not change the length.
  void AddZeros(FileRange range);
  /// The 4096 bytes at file_offset read as `sector`. Does not change the length.
  void AddSector(uint64_t file_offset, const RelocatedSector& sector);
  /// Bytes that neither the base nor an addition has read as zeros up to here.
  void SetSize(uint64_t length_bytes);

  /// Writes into the base what replaces its bytes, and makes it as long as this file where it is
  /// shorter; zeros of any length cost what the host has as data there. Meanwhile this file may be
  /// read. Syncs nothing; may be done again from the start. `after_write` is given what each write
  /// returned, and what it returns counts: so a caller can tell a write that fails from a read.
  /// Errors: kIo, kNoSpace.
  Result<void> PutInPlace(const std::function<Result<void>(Result<void>)>& after_write =
                              [](Result<void> written) { return written; });

  /// From now on everything is read from the base, which reads the same; waits for reads that are
  /// under way. What the overlay was made of may be overwritten afterwards.
  void Dissolve() VHDX_EXCLUDES(mutex_);

  bool is_dissolved() const { return dissolved_.load(std::memory_order_acquire); }

  File& base() { return *base_; }
  size_t segment_count() const { return segments_.size(); }

  const std::string& name() const override { return base_->name(); }
  Result<std::string> RealPath() const override { return base_->RealPath(); }
  FileIdentity identity() const override { return base_->identity(); }
  const FileCapabilities& capabilities() const override { return capabilities_; }

  /// Errors besides the base's: kCorrupt (rule "file.truncated") where the base is shorter than it
  /// was.
  Result<size_t> ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) override;
  Result<uint64_t> Size() override;
  Result<uint64_t> AllocatedBytes() override { return base_->AllocatedBytes(); }
  Result<uint64_t> NextData(uint64_t file_offset) override;
  Result<uint64_t> NextHole(uint64_t file_offset) override;

  bool AdviseRandomAccess() override { return base_->AdviseRandomAccess(); }
  void ReadAhead(FileRange range) override { base_->ReadAhead(range); }
  Result<void> Lock(LockMode mode) override { return base_->Lock(mode); }
  Result<void> Sync() override { return base_->Sync(); }

  // All of these are refused with kReadOnly.
  Result<void> WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) override;
  Result<void> Resize(uint64_t length_bytes) override;
  Result<void> ZeroRange(FileRange range) override;
  Result<void> PunchHole(FileRange range) override;
  Result<void> CloneRange(uint64_t file_offset, File& source, FileRange source_range) override;

 private:
  /// What replaces the bytes from a segment's key on: zeros, or a part of a relocated sector.
  /// One number serves both kinds, to keep a node small.
  struct Segment {
    uint64_t place = 0;  ///< zeros: where they end; sector: its RelocatedSector::stored_offset
    std::array<std::byte, 8> leading = {};
    std::array<std::byte, 4> trailing = {};
    uint16_t skipped = 0;       ///< sector: its bytes before the part
    uint16_t length_bytes = 0;  ///< sector: length of the part; 0 says that these are zeros

    bool zeros() const { return length_bytes == 0; }
    uint64_t EndFrom(uint64_t start) const { return zeros() ? place : start + length_bytes; }
    /// The same from `start` + `bytes` on.
    Segment Behind(uint64_t bytes) const;
    /// The same up to `end`.
    Segment Until(uint64_t start, uint64_t end) const;
  };
  using Segments = std::map<uint64_t, Segment>;

  /// The segment that holds file_offset, or the next one, or end().
  Segments::const_iterator SegmentFrom(uint64_t file_offset) const;
  /// Where the bytes of the base that begin at file_offset end: at `segment`, or at the file's end.
  uint64_t GapEnd(Segments::const_iterator segment, uint64_t size) const;
  void Insert(uint64_t start, uint64_t end, const Segment& segment);
  void Cut(uint64_t start, uint64_t end);

  /// `through_overlay()` under the lock, or `on_base()` once the overlay is dissolved.
  template <typename Overlaid, typename Base>
  auto Choose(Overlaid through_overlay, Base on_base) VHDX_EXCLUDES(mutex_);
  Result<size_t> ReadOverlaid(uint64_t file_offset, std::span<const MutableByteSpan> buffers);
  Result<uint64_t> NextDataOverlaid(uint64_t file_offset);
  Result<uint64_t> NextHoleOverlaid(uint64_t file_offset);
  Result<void> ReadInside(uint64_t file_offset, MutableByteSpan buffer);
  Result<void> ReadBase(uint64_t file_offset, MutableByteSpan buffer);
  Result<void> ReadSector(uint64_t in_part, const Segment& segment, MutableByteSpan buffer);
  std::unexpected<Error> Refused() const;

  const std::unique_ptr<File> base_;
  const Result<uint64_t> base_size_;  ///< an error here is what every read then gives
  const FileCapabilities capabilities_;
  Segments segments_;  ///< disjoint, by where they start
  uint64_t size_;

  std::atomic<bool> dissolved_ = false;
  SharedMutex mutex_;  ///< held shared by whoever looks through the overlay
};

}  // namespace vhdx

#endif  // VHDXKIT_IO_OVERLAY_FILE_H_
