// What a disk holds, written down as runs of values instead of bytes: zeros, what it held at first,
// or what a numbered write put there. Any other bytes are foreign, which no disk may ever show.
//
// Guests of the crash tests write patterns that carry the number of the write and the place on the
// disk in every 512 bytes, which is what a host's disk writes whole.

#ifndef VHDXKIT_TESTING_DISK_CONTENTS_H_
#define VHDXKIT_TESTING_DISK_CONTENTS_H_

#include <vhdxkit/block_device.h>

#include <cstdint>
#include <string>
#include <vector>

#include "testing/disk_model.h"
#include "testing/page_image.h"

namespace vhdx::testing {

/// The piece of a disk that holds one value.
inline constexpr uint64_t kGuestSectorBytes = 512;

/// Zeros, the number of a write, or one of the constants below.
using GuestValue = uint64_t;
inline constexpr GuestValue kZeroValue = 0;
inline constexpr GuestValue kForeignValue = UINT64_MAX;
/// Bytes other than zeros that the disk held before anything was written.
inline constexpr GuestValue kInitialValue = UINT64_MAX - 1;

/// "zeros", "write 12", "the initial bytes", "foreign bytes".
std::string DescribeValue(GuestValue value);

/// The bytes of a write at that place, both multiples of 512.
void FillGuestPattern(uint64_t write_number, uint64_t disk_offset, MutableByteSpan bytes);
/// What these 512 bytes are, on a disk that held `initial` at first.
GuestValue ValueOf(uint64_t disk_offset, ByteSpan sector, const PageImage& initial);

/// A part of a disk that holds one value throughout.
struct ContentRun {
  DiskRange range;
  GuestValue value = kZeroValue;
  friend bool operator==(const ContentRun&, const ContentRun&) = default;
};

/// A whole disk, in order and without gaps; neighbours differ.
using DiskContents = std::vector<ContentRun>;

void AppendRun(DiskContents& contents, DiskRange range, GuestValue value);

/// The bytes of the model's disk, for ValueOf.
PageImage InitialBytes(const DiskModel& model);
/// The same as runs.
DiskContents InitialContents(const PageImage& initial);

enum class HoleReading : bool {
  kSkipped,  ///< holes of the host's file are taken for zeros without being read
  kRead,
};

/// Reads a disk: extents that are zeros or holes by what Extents says, all others by Read.
/// Errors: those of the disk.
Result<DiskContents> ReadContents(BlockDevice& disk, const PageImage& initial,
                                  HoleReading holes = HoleReading::kSkipped);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_DISK_CONTENTS_H_
