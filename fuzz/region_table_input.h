// What the target region_table_fuzz takes.

#ifndef VHDXKIT_FUZZ_REGION_TABLE_INPUT_H_
#define VHDXKIT_FUZZ_REGION_TABLE_INPUT_H_

#include "bytes/endian.h"

namespace vhdx::fuzz {

/// The file around the table. The start of the table follows, as long as the input has bytes; the
/// rest of its 64 KiB is zeros.
struct RegionTableInput {
  le64 file_size;
  le64 log_offset;
  le32 log_length;
};

}  // namespace vhdx::fuzz

#endif  // VHDXKIT_FUZZ_REGION_TABLE_INPUT_H_
