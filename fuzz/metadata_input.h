// What the target metadata_fuzz takes.

#ifndef VHDXKIT_FUZZ_METADATA_INPUT_H_
#define VHDXKIT_FUZZ_METADATA_INPUT_H_

#include "bytes/endian.h"

namespace vhdx::fuzz {

/// The region. The start of its table follows, `table_bytes` of it, and then the start of what
/// stands in the region from 64 KiB on; the rest of both is zeros.
struct MetadataInput {
  le32 region_length;
  le16 table_bytes;
};

}  // namespace vhdx::fuzz

#endif  // VHDXKIT_FUZZ_METADATA_INPUT_H_
