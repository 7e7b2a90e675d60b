#include "format/rules.h"

#include <array>

namespace vhdx {

namespace {

using namespace rules;  // NOLINT(google-build-using-namespace): the table below names nothing else

constexpr std::array kAll = {
    &kFileSignature,
    &kFileTruncated,
    &kFileUnreadable,
    &kHeaderSignature,
    &kHeaderChecksum,
    &kHeaderUnreadable,
    &kHeaderNone,
    &kHeaderSequenceEqual,
    &kHeaderSequenceConflict,
    &kHeaderVersion,
    &kHeaderLogVersion,
    &kHeaderLogRange,
    &kHeaderLogLimit,
    &kHeaderLogMissing,
    &kHeaderLogEmpty,
    &kHeaderReserved,
    &kHeaderDataWriteGuid,
    &kLogDirty,
    &kLogStale,
    &kLogSequenceNone,
    &kLogNeverBegun,
    &kLogIgnored,
    &kLogUnreadable,
    &kLogFileTruncated,
    &kLogSizeField,
    &kLogLastOffset,
    &kLogTarget,
    &kLogOverlap,
    &kRegionSignature,
    &kRegionChecksum,
    &kRegionUnreadable,
    &kRegionNone,
    &kRegionDiffer,
    &kRegionReserved,
    &kRegionEntryCount,
    &kRegionDuplicate,
    &kRegionRange,
    &kRegionOverlap,
    &kRegionBeyondEof,
    &kRegionUnknownBeyondEof,
    &kRegionMissing,
    &kRegionUnknownRequired,
    &kRegionRequiredBits,
    &kMetadataSignature,
    &kMetadataReserved,
    &kMetadataEntryCount,
    &kMetadataUserCount,
    &kMetadataDuplicate,
    &kMetadataItemRange,
    &kMetadataItemOverlap,
    &kMetadataEmptyOffset,
    &kMetadataItemReserved,
    &kMetadataUnknownRequired,
    &kMetadataIncompleteFile,
    &kMetadataMissing,
    &kMetadataItemLength,
    &kMetadataItemFlags,
    &kMetadataBlockSize,
    &kMetadataFileParameters,
    &kMetadataDiskSize,
    &kMetadataSectorSize,
    &kLocatorMissing,
    &kLocatorUnexpected,
    &kLocatorType,
    &kLocatorReserved,
    &kLocatorString,
    &kLocatorDuplicateKey,
    &kLocatorLinkage,
    &kLocatorPath,
    &kParentMissing,
    &kParentLinkage,
    &kParentSectorSize,
    &kParentIdIgnored,
    &kParentAmbiguous,
    &kParentLoop,
    &kParentDepth,
    &kBatUnreadable,
    &kBatRegionLength,
    &kBatReserved,
    &kBatState,
    &kBatStateOldUnmapped,
    &kBatPartialWithoutParent,
    &kBatPartialWithoutBitmap,
    &kBatOffset,
    &kBatBeyondEof,
    &kBatCutShort,
    &kBatOverlap,
    &kBatAnchorOverlap,
    &kBatAnchorBeyondEof,
    &kBatUnusedOffset,
    &kBitmapUnexpected,
    &kBitmapState,
    &kBitmapRange,
    &kBitmapOverlap,
    &kSpaceFree,
    &kSpaceTail,
    &kHostSparse,
    &kHostNoLocks,
};

}  // namespace

std::span<const Rule* const> AllRules() { return kAll; }

std::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kRefuse:
    case Severity::kReadOnly:
      return "error";
    case Severity::kTolerate:
      return "warning";
    case Severity::kNote:
      return "note";
  }
  return "error";
}

}  // namespace vhdx
