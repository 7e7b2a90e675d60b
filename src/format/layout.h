// The offsets of the fixed structures of a VHDX file, and the GUIDs that identify the others
// ([MS-VHDX] 2.1, 2.2).

#ifndef VHDXKIT_FORMAT_LAYOUT_H_
#define VHDXKIT_FORMAT_LAYOUT_H_

#include <vhdxkit/guid.h>

#include <array>
#include <cstdint>

#include "bytes/arithmetic.h"

namespace vhdx::format {

/// The unit in which regions, the log and blocks are placed.
inline constexpr uint64_t kAlignment = kMiB;

/// [0, 1 MiB): identifier, headers, region tables, and nothing else.
inline constexpr uint64_t kHeaderSectionSize = kMiB;
inline constexpr uint64_t kFileIdentifierOffset = 0;
inline constexpr std::array<uint64_t, 2> kHeaderOffsets = {0x10000, 0x20000};
inline constexpr std::array<uint64_t, 2> kRegionTableOffsets = {0x30000, 0x40000};

/// Nothing below this offset may be written through the log: identifier and headers.
inline constexpr uint64_t kFirstLoggableOffset = 0x30000;

/// The unit of the log and of everything that goes through it.
inline constexpr uint64_t kLogSectorSize = 4096;
/// Our limit on the work that a file can cause; Microsoft's OpenVMM has the same.
inline constexpr uint64_t kMaxLogLength = kGiB;

inline constexpr uint64_t kSectorBitmapBlockSize = kMiB;
inline constexpr uint64_t kMinBlockSize = kMiB;
inline constexpr uint64_t kMaxBlockSize = 256 * kMiB;
inline constexpr uint64_t kMaxVirtualDiskSize = 64 * kTiB;

// Regions ([MS-VHDX] 2.2.3.2).
inline constexpr Guid kBatRegionGuid =
    Guid::FromFields(0x2DC27766, 0xF623, 0x4200, {0x9D, 0x64, 0x11, 0x5E, 0x9B, 0xFD, 0x4A, 0x08});
inline constexpr Guid kMetadataRegionGuid =
    Guid::FromFields(0x8B7CA206, 0x4790, 0x4B9A, {0xB8, 0xFE, 0x57, 0x5F, 0x05, 0x0F, 0x88, 0x6E});

// Metadata items ([MS-VHDX] 2.6.2).
inline constexpr Guid kFileParametersGuid =
    Guid::FromFields(0xCAA16737, 0xFA36, 0x4D43, {0xB3, 0xB6, 0x33, 0xF0, 0xAA, 0x44, 0xE7, 0x6B});
inline constexpr Guid kVirtualDiskSizeGuid =
    Guid::FromFields(0x2FA54224, 0xCD1B, 0x4876, {0xB2, 0x11, 0x5D, 0xBE, 0xD8, 0x3B, 0xF4, 0xB8});
inline constexpr Guid kVirtualDiskIdGuid =
    Guid::FromFields(0xBECA12AB, 0xB2E6, 0x4523, {0x93, 0xEF, 0xC3, 0x09, 0xE0, 0x00, 0xC7, 0x46});
inline constexpr Guid kLogicalSectorSizeGuid =
    Guid::FromFields(0x8141BF1D, 0xA96F, 0x4709, {0xBA, 0x47, 0xF2, 0x33, 0xA8, 0xFA, 0xAB, 0x5F});
inline constexpr Guid kPhysicalSectorSizeGuid =
    Guid::FromFields(0xCDA348C7, 0x445D, 0x4471, {0x9C, 0xC9, 0xE9, 0x88, 0x52, 0x51, 0xC5, 0x56});
inline constexpr Guid kParentLocatorGuid =
    Guid::FromFields(0xA8D35F2D, 0xB30B, 0x454D, {0xAB, 0xF7, 0xD3, 0xD8, 0x48, 0x34, 0xAB, 0x0C});

// Items outside of [MS-VHDX] that Microsoft's OpenVMM defines: the first and the last do not change
// how a disk is read; the middle one marks a file whose creation was not finished.
inline constexpr Guid kChsParametersGuid =
    Guid::FromFields(0xDA02D7BC, 0x3D3A, 0x423C, {0xAC, 0x88, 0x2A, 0x36, 0xAB, 0x21, 0x47, 0x9B});
inline constexpr Guid kIncompleteFileGuid =
    Guid::FromFields(0x71CC85F0, 0x1B69, 0x4E28, {0x95, 0x58, 0xC3, 0xBF, 0x83, 0xAE, 0x75, 0xD3});
inline constexpr Guid kPmemLabelGuid =
    Guid::FromFields(0x10E1AE8A, 0x4B7E, 0x4169, {0xA4, 0x0F, 0xCD, 0x70, 0xDE, 0x92, 0x83, 0x93});

// Parent locator ([MS-VHDX] 2.6.2.6.1).
inline constexpr Guid kVhdxLocatorTypeGuid =
    Guid::FromFields(0xB04AEFB7, 0xD19E, 0x4A81, {0xB7, 0x89, 0x25, 0xB8, 0xE9, 0x44, 0x59, 0x13});

}  // namespace vhdx::format

#endif  // VHDXKIT_FORMAT_LAYOUT_H_
