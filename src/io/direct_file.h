// A PosixFile that was opened with O_DIRECT: it bypasses the page cache and needs aligned requests.
//
// Aligned requests are passed on as they are. Others use an aligned buffer: a read reads the whole
// units around the range; a write of part of a unit reads the unit, changes it and writes it back.
// It excludes all other changes of the file meanwhile, and the unit must lie inside the file.

#ifndef VHDXKIT_IO_DIRECT_FILE_H_
#define VHDXKIT_IO_DIRECT_FILE_H_

#include <cstdint>
#include <span>
#include <utility>

#include "bytes/mutex.h"
#include "io/posix_file.h"

namespace vhdx {

class DirectFile final : public PosixFile {
 public:
  using File::ReadAt;
  using File::WriteAt;

  explicit DirectFile(OpenedFile opened) : PosixFile(std::move(opened)) {}

  Result<size_t> ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) override;
  /// Errors besides those of File: kInvalidArgument for an unaligned range that ends past the end
  /// of the file.
  Result<void> WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) override;
  Result<void> ZeroRange(FileRange range) override;
  Result<void> PunchHole(FileRange range) override;
  Result<void> CloneRange(uint64_t file_offset, File& source, FileRange source_range) override;
  void ReadAhead(FileRange) override {}  // past the page cache there is nowhere to

 private:
  bool Aligned(uint64_t file_offset, ByteSpan buffer) const;
  /// Reads whole units into an aligned buffer; fewer bytes only at the end of the file.
  Result<size_t> ReadUnits(uint64_t file_offset, MutableByteSpan buffer);
  Result<size_t> ReadOne(uint64_t file_offset, MutableByteSpan buffer);
  Result<size_t> ReadBounced(uint64_t file_offset, MutableByteSpan buffer);
  Result<void> WriteOne(uint64_t file_offset, ByteSpan buffer);
  Result<void> WriteBounced(uint64_t file_offset, ByteSpan buffer);
  /// Writes `piece`, which lies inside the units at first_unit, through `units`.
  Result<void> WritePiece(uint64_t file_offset, ByteSpan piece, uint64_t first_unit,
                          MutableByteSpan units);

  /// Held exclusively to change part of a unit, and shared to change whole units.
  SharedMutex unit_mutex_;
};

}  // namespace vhdx

#endif  // VHDXKIT_IO_DIRECT_FILE_H_
