// A PosixFile that was opened with O_DIRECT: past the page cache, in aligned pieces.
//
// What is aligned goes straight through. The rest goes through an aligned buffer: a read reads the
// whole units around it; a write replaces a part of a unit by reading it, changing it and writing
// it back, which keeps every other change of the file out meanwhile, and needs the unit to lie
// inside the file.

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
  /// Errors besides those of File: kInvalidArgument where a range that ends behind the end of the
  /// file is not aligned.
  Result<void> WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) override;
  Result<void> ZeroRange(FileRange range) override;
  Result<void> PunchHole(FileRange range) override;
  Result<void> CloneRange(uint64_t file_offset, File& source, FileRange source_range) override;
  Result<void> CopyRange(uint64_t file_offset, File& source, FileRange source_range) override;

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

  /// Held alone by whoever changes a part of a unit, and shared by all who change whole ones.
  SharedMutex unit_mutex_;
};

}  // namespace vhdx

#endif  // VHDXKIT_IO_DIRECT_FILE_H_
