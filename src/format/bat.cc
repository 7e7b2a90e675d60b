#include "format/bat.h"

#include <bit>

namespace vhdx::format {

std::string_view PayloadStateName(PayloadState state) {
  switch (state) {
    case PayloadState::kNotPresent:
      return "PAYLOAD_BLOCK_NOT_PRESENT";
    case PayloadState::kUndefined:
      return "PAYLOAD_BLOCK_UNDEFINED";
    case PayloadState::kZero:
      return "PAYLOAD_BLOCK_ZERO";
    case PayloadState::kUnmapped:
      return "PAYLOAD_BLOCK_UNMAPPED";
    case PayloadState::kReserved:
      return "reserved state 4";
    case PayloadState::kOldUnmapped:
      return "reserved state 5";
    case PayloadState::kFullyPresent:
      return "PAYLOAD_BLOCK_FULLY_PRESENT";
    case PayloadState::kPartiallyPresent:
      return "PAYLOAD_BLOCK_PARTIALLY_PRESENT";
  }
  return "";
}

BatGeometry::BatGeometry(const DiskParameters& parameters)
    : virtual_disk_size_(parameters.virtual_disk_size_bytes),
      payload_block_count_(DivideRoundingUp(parameters.virtual_disk_size_bytes,
                                            uint64_t{parameters.block_size_bytes})),
      block_shift_(static_cast<uint32_t>(std::countr_zero(parameters.block_size_bytes))),
      sector_shift_(static_cast<uint32_t>(std::countr_zero(parameters.logical_sector_size))),
      chunk_ratio_shift_(static_cast<uint32_t>(std::countr_zero(kSectorsPerChunk)) + sector_shift_ -
                         block_shift_) {}

}  // namespace vhdx::format
