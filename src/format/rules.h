// The rules of the format, one constant each: the ids that errors and `vhdx check` print.
//
// The table in docs/format.md, section 19, is made from them. An id never changes its meaning; the
// id of a rule that is removed is not used again (space.leak).

#ifndef VHDXKIT_FORMAT_RULES_H_
#define VHDXKIT_FORMAT_RULES_H_

#include <vhdxkit/finding.h>

namespace vhdx::rules {

// The file.
inline constexpr Rule kFileSignature{"file.signature", Severity::kRefuse,
                                     "This is not a VHDX file: the signature at its start is wrong",
                                     "[MS-VHDX] 2.2.1", ""};
inline constexpr Rule kFileTruncated{"file.truncated", Severity::kRefuse,
                                     "The file is cut off: it ends inside a structure",
                                     "[MS-VHDX] 2.1", "copy the file again, or take an older copy"};
inline constexpr Rule kFileUnreadable{"file.unreadable", Severity::kTolerate,
                                      "A structure of the file cannot be read",
                                      "ours: the host failed to read", ""};

// Headers.
inline constexpr Rule kHeaderSignature{
    "header.signature", Severity::kTolerate, "A header has no signature", "[MS-VHDX] 2.2.2",
    "if the other header is valid, the first write rewrites both"};
inline constexpr Rule kHeaderChecksum{
    "header.checksum", Severity::kTolerate, "A header has a wrong checksum", "[MS-VHDX] 2.2.2",
    "if the other header is valid, the first write rewrites both"};
inline constexpr Rule kHeaderUnreadable{
    "header.unreadable", Severity::kTolerate, "A header cannot be read",
    "ours: counts as an invalid copy",
    "if the other header is valid, the first write rewrites both"};
inline constexpr Rule kHeaderNone{"header.none", Severity::kRefuse, "Neither header is valid",
                                  "[MS-VHDX] 2.2.2", "take an older copy of the file"};
inline constexpr Rule kHeaderSequenceEqual{
    "header.sequence.equal", Severity::kTolerate,
    "Both headers have the same sequence number and the same contents",
    "ours: Disk2VHD writes such files", "the first write numbers them apart"};
inline constexpr Rule kHeaderSequenceConflict{
    "header.sequence.conflict", Severity::kRefuse,
    "Both headers have the same sequence number and differ: neither can be trusted to be current",
    "[MS-VHDX] 2.2.2", "take an older copy of the file"};
inline constexpr Rule kHeaderVersion{"header.version", Severity::kRefuse,
                                     "The version of the format is not 1", "[MS-VHDX] 2.2.2", ""};
inline constexpr Rule kHeaderLogVersion{"header.log-version", Severity::kRefuse,
                                        "The log must be replayed and has an unknown version",
                                        "[MS-VHDX] 2.2.2", ""};
inline constexpr Rule kHeaderLogRange{"header.log-range", Severity::kRefuse,
                                      "The log is not a multiple of 1 MiB at a multiple of 1 MiB "
                                      "after the header section and inside the file",
                                      "[MS-VHDX] 2.2.2", "take an older copy of the file"};
inline constexpr Rule kHeaderLogLimit{"header.log-limit", Severity::kRefuse,
                                      "The log is larger than this program takes (1 GiB)",
                                      "ours: a bound on work for hostile files", ""};
inline constexpr Rule kHeaderLogMissing{"header.log-missing", Severity::kRefuse,
                                        "The log must be replayed and has the length zero",
                                        "[MS-VHDX] 2.3.3", "take an older copy of the file"};
inline constexpr Rule kHeaderLogEmpty{
    "header.log-empty", Severity::kReadOnly,
    "The file has no room for a log, so it cannot be written safely", "[MS-VHDX] 2.2.2",
    "convert it into a new file"};
inline constexpr Rule kHeaderReserved{"header.reserved", Severity::kTolerate,
                                      "Reserved bytes of a header are not zero", "[MS-VHDX] 2.2.2",
                                      "the first write zeroes them"};
inline constexpr Rule kHeaderDataWriteGuid{"header.data-write-guid", Severity::kNote,
                                           "The two headers have different DataWriteGuids: losing "
                                           "one would orphan children (QEMU writes such pairs)",
                                           "[MS-VHDX] 2.2.2", ""};

// The log.
inline constexpr Rule kLogDirty{
    "log.dirty", Severity::kNote,
    "The log holds changes that are not in place yet; they are replayed", "[MS-VHDX] 2.3.3", ""};
inline constexpr Rule kLogStale{
    "log.stale", Severity::kNote,
    "The log holds entries that do not count: retired ones, or of earlier sessions",
    "[MS-VHDX] 2.3.2", ""};
inline constexpr Rule kLogSequenceNone{
    "log.sequence-none", Severity::kRefuse,
    "The log must be replayed, but its entries form no valid sequence", "[MS-VHDX] 2.3.3",
    "read it with --ignore-log, which may show old data"};
inline constexpr Rule kLogNeverBegun{
    "log.never-begun", Severity::kTolerate,
    "The header names a log in which no entry was ever complete; nothing is lost",
    "ours: a QEMU that was killed leaves such files", "the first write clears it"};
inline constexpr Rule kLogIgnored{
    "log.ignored", Severity::kTolerate,
    "The log was ignored, as requested; what it would change may be out of date",
    "ours: a way to read a damaged image", ""};
inline constexpr Rule kLogUnreadable{"log.unreadable", Severity::kTolerate,
                                     "A part of the log cannot be read; the image does not need it",
                                     "ours: the host failed to read", ""};
inline constexpr Rule kLogFileTruncated{
    "log.file-truncated", Severity::kRefuse,
    "The file is shorter than it was when its newest log entry was written", "[MS-VHDX] 2.3.1.1",
    "copy the file again, or take an older copy"};
inline constexpr Rule kLogSizeField{"log.size-field", Severity::kTolerate,
                                    "A file size in a log entry is not a multiple of 1 MiB",
                                    "[MS-VHDX] 2.3.1.1", "replaying the log removes it"};
inline constexpr Rule kLogLastOffset{"log.last-offset", Severity::kRefuse,
                                     "The log would make the file longer than any file can be",
                                     "ours: files end below 2^63 bytes", ""};
inline constexpr Rule kLogTarget{"log.target", Severity::kTolerate,
                                 "A log entry with a right checksum would overwrite the "
                                 "identifier, a header or the log; it does not count",
                                 "[MS-VHDX] 2.3", ""};
inline constexpr Rule kLogOverlap{"log.overlap", Severity::kRefuse, "The log and a region overlap",
                                  "[MS-VHDX] 2.2.2", "take an older copy of the file"};

// Region tables.
inline constexpr Rule kRegionSignature{
    "region.signature", Severity::kTolerate, "A region table has no signature", "[MS-VHDX] 2.2.3.1",
    "if the other region table is valid, the first write rewrites this one"};
inline constexpr Rule kRegionChecksum{
    "region.checksum", Severity::kTolerate, "A region table has a wrong checksum",
    "[MS-VHDX] 2.2.3.1", "if the other region table is valid, the first write rewrites this one"};
inline constexpr Rule kRegionUnreadable{
    "region.unreadable", Severity::kTolerate, "A region table cannot be read",
    "ours: counts as an invalid copy",
    "if the other region table is valid, the first write rewrites this one"};
inline constexpr Rule kRegionNone{"region.none", Severity::kRefuse, "Neither region table is valid",
                                  "[MS-VHDX] 2.2.3", "take an older copy of the file"};
inline constexpr Rule kRegionDiffer{
    "region.differ", Severity::kTolerate,
    "The two region tables differ; the first one that can be read counts", "[MS-VHDX] 2.2.3",
    "the first write makes them equal"};
inline constexpr Rule kRegionReserved{"region.reserved", Severity::kTolerate,
                                      "The reserved field of a region table is not zero",
                                      "[MS-VHDX] 2.2.3.1", ""};
inline constexpr Rule kRegionEntryCount{"region.entry-count", Severity::kRefuse,
                                        "A region table has more than 2047 entries",
                                        "[MS-VHDX] 2.2.3.1", ""};
inline constexpr Rule kRegionDuplicate{"region.duplicate", Severity::kRefuse,
                                       "Two regions have the same GUID", "[MS-VHDX] 2.2.3.2", ""};
inline constexpr Rule kRegionRange{"region.range", Severity::kRefuse,
                                   "A region is empty, or is not a multiple of 1 MiB at a multiple "
                                   "of 1 MiB after the header section",
                                   "[MS-VHDX] 2.2.3.2", ""};
inline constexpr Rule kRegionOverlap{"region.overlap", Severity::kRefuse, "Two regions overlap",
                                     "[MS-VHDX] 2.2.3.2", ""};
inline constexpr Rule kRegionBeyondEof{
    "region.beyond-eof", Severity::kRefuse,
    "The file is cut off: the BAT or the metadata region reaches past its end", "[MS-VHDX] 2.2.3.2",
    "copy the file again, or take an older copy"};
inline constexpr Rule kRegionUnknownBeyondEof{"region.unknown-beyond-eof", Severity::kReadOnly,
                                              "An unknown region reaches past the end of the file",
                                              "[MS-VHDX] 2.2.3.2", ""};
inline constexpr Rule kRegionMissing{"region.missing", Severity::kRefuse,
                                     "The region table names no BAT or no metadata region",
                                     "[MS-VHDX] 2.2.3.2", ""};
inline constexpr Rule kRegionUnknownRequired{
    "region.unknown-required", Severity::kRefuse,
    "The file requires a region that this program does not know", "[MS-VHDX] 2.2.3.2", ""};
inline constexpr Rule kRegionRequiredBits{"region.required-bits", Severity::kReadOnly,
                                          "Reserved bits of a region's Required field are set",
                                          "[MS-VHDX] 2.2.3.2", ""};

// Metadata.
inline constexpr Rule kMetadataSignature{"metadata.signature", Severity::kRefuse,
                                         "The metadata table has no signature", "[MS-VHDX] 2.6.1.1",
                                         "take an older copy of the file"};
inline constexpr Rule kMetadataReserved{
    "metadata.reserved", Severity::kTolerate,
    "Reserved bytes of the metadata table's header are not zero", "[MS-VHDX] 2.6.1.1", ""};
inline constexpr Rule kMetadataEntryCount{"metadata.entry-count", Severity::kRefuse,
                                          "The metadata table has more than 2047 entries",
                                          "[MS-VHDX] 2.6.1.1", ""};
inline constexpr Rule kMetadataUserCount{"metadata.user-count", Severity::kRefuse,
                                         "The metadata table has more than 1024 user entries",
                                         "[MS-VHDX] 2.6.1.2", ""};
inline constexpr Rule kMetadataDuplicate{"metadata.duplicate", Severity::kRefuse,
                                         "Two metadata items have the same ID", "[MS-VHDX] 2.6.1.2",
                                         ""};
inline constexpr Rule kMetadataItemRange{
    "metadata.item-range", Severity::kRefuse,
    "A metadata item begins inside the table, is longer than 1 MiB, or leaves the metadata region",
    "[MS-VHDX] 2.6.1.2", ""};
inline constexpr Rule kMetadataItemOverlap{"metadata.item-overlap", Severity::kRefuse,
                                           "Two metadata items overlap", "[MS-VHDX] 2.6.1.2", ""};
inline constexpr Rule kMetadataEmptyOffset{"metadata.empty-offset", Severity::kReadOnly,
                                           "An empty metadata item has an offset",
                                           "[MS-VHDX] 2.6.1.2", ""};
inline constexpr Rule kMetadataItemReserved{"metadata.item-reserved", Severity::kReadOnly,
                                            "Reserved bits of a metadata item are set",
                                            "[MS-VHDX] 2.6.1.2", ""};
inline constexpr Rule kMetadataUnknownRequired{
    "metadata.unknown-required", Severity::kRefuse,
    "The file requires a metadata item that this program does not know", "[MS-VHDX] 2.6.1.2", ""};
inline constexpr Rule kMetadataIncompleteFile{"metadata.incomplete-file", Severity::kRefuse,
                                              "The program that made this file did not finish it",
                                              "ours: the marker that Microsoft's OpenVMM uses",
                                              "make the file again"};
inline constexpr Rule kMetadataMissing{"metadata.missing", Severity::kRefuse,
                                       "A metadata item that every file needs is missing",
                                       "[MS-VHDX] 2.6.2", "take an older copy of the file"};
inline constexpr Rule kMetadataItemLength{"metadata.item-length", Severity::kRefuse,
                                          "A known metadata item has the wrong length",
                                          "[MS-VHDX] 2.6.2", ""};
inline constexpr Rule kMetadataItemFlags{"metadata.item-flags", Severity::kTolerate,
                                         "A known metadata item has the wrong flags",
                                         "[MS-VHDX] 2.6.2", ""};
inline constexpr Rule kMetadataBlockSize{
    "metadata.block-size", Severity::kRefuse,
    "The block size is not a power of two from 1 MiB to 256 MiB", "[MS-VHDX] 2.6.2.1", ""};
inline constexpr Rule kMetadataFileParameters{"metadata.file-parameters", Severity::kReadOnly,
                                              "Reserved bits of the File Parameters item are set",
                                              "[MS-VHDX] 2.6.2.1", ""};
inline constexpr Rule kMetadataDiskSize{"metadata.disk-size", Severity::kRefuse,
                                        "The virtual disk size is zero, larger than 64 TiB, or not "
                                        "a multiple of the logical sector size",
                                        "[MS-VHDX] 2.6.2.2", ""};
inline constexpr Rule kMetadataSectorSize{"metadata.sector-size", Severity::kRefuse,
                                          "A sector size is neither 512 nor 4096",
                                          "[MS-VHDX] 2.6.2.4, 2.6.2.5", ""};

// Parent locator and parents.
inline constexpr Rule kLocatorMissing{"locator.missing", Severity::kRefuse,
                                      "A differencing file has no parent locator",
                                      "[MS-VHDX] 2.6.2.6", ""};
inline constexpr Rule kLocatorUnexpected{"locator.unexpected", Severity::kReadOnly,
                                         "A file without a parent has a parent locator",
                                         "[MS-VHDX] 2.6.2.1", ""};
inline constexpr Rule kLocatorType{"locator.type", Severity::kRefuse,
                                   "The parent locator is of an unknown type",
                                   "[MS-VHDX] 2.6.2.6.1", ""};
inline constexpr Rule kLocatorReserved{"locator.reserved", Severity::kTolerate,
                                       "The reserved field of the parent locator is not zero",
                                       "[MS-VHDX] 2.6.2.6.1", ""};
inline constexpr Rule kLocatorString{"locator.string", Severity::kRefuse,
                                     "A key or value of the parent locator is empty, has an odd "
                                     "length, reaches past the item, or is not text",
                                     "[MS-VHDX] 2.6.2.6.2", ""};
inline constexpr Rule kLocatorDuplicateKey{"locator.duplicate-key", Severity::kRefuse,
                                           "The parent locator has a key twice",
                                           "[MS-VHDX] 2.6.2.6.2", ""};
inline constexpr Rule kLocatorLinkage{
    "locator.linkage", Severity::kRefuse,
    "The parent locator has no parent_linkage, or one that is not a GUID", "[MS-VHDX] 2.6.2.6.3",
    ""};
inline constexpr Rule kLocatorPath{"locator.path", Severity::kRefuse,
                                   "The parent locator names no path", "[MS-VHDX] 2.6.2.6.3", ""};
inline constexpr Rule kParentMissing{"parent.missing", Severity::kRefuse,
                                     "The parent was not found", "[MS-VHDX] 2.6.2.6.3",
                                     "name the folder that holds it with --parent-dir"};
inline constexpr Rule kParentLinkage{"parent.linkage", Severity::kRefuse,
                                     "A file was found where the parent should be, but its "
                                     "identity is another: it is not the parent, or was changed",
                                     "[MS-VHDX] 2.6.2.6.3",
                                     "name the folder that holds the right one with --parent-dir"};
inline constexpr Rule kParentSectorSize{"parent.sector-size", Severity::kRefuse,
                                        "The parent has another logical sector size",
                                        "[MS-VHDX] 2.6.2.4", ""};
inline constexpr Rule kParentIdIgnored{
    "parent.id-ignored", Severity::kTolerate,
    "The identity of the parent differs and was ignored, as requested; what is read may be wrong",
    "ours: a way to read a broken chain", ""};
inline constexpr Rule kParentAmbiguous{
    "parent.ambiguous", Severity::kTolerate,
    "Several files have the identity of the parent, none of them where it should be; the first by "
    "name is used",
    "ours: a copy may have been changed", "name the right one with --parent"};
inline constexpr Rule kParentLoop{"parent.loop", Severity::kRefuse,
                                  "The chain of parents comes back to a file that is already in it",
                                  "ours: such a chain has no end", ""};
inline constexpr Rule kParentDepth{"parent.depth", Severity::kRefuse,
                                   "The chain of parents is longer than this program takes",
                                   "ours: a bound on work for hostile files", ""};

// The BAT.
inline constexpr Rule kBatUnreadable{"bat.unreadable", Severity::kTolerate,
                                     "A part of the BAT cannot be read",
                                     "ours: the host failed to read", ""};
inline constexpr Rule kBatRegionLength{"bat.region-length", Severity::kRefuse,
                                       "The BAT region is too short for the disk", "[MS-VHDX] 2.5",
                                       ""};
inline constexpr Rule kBatReserved{"bat.entry.reserved", Severity::kReadOnly,
                                   "Reserved bits of a BAT entry are set", "[MS-VHDX] 2.5.1", ""};
inline constexpr Rule kBatState{"bat.entry.state", Severity::kReadOnly,
                                "A block has the undefined state 4; it is not read",
                                "[MS-VHDX] 2.5.1.1", ""};
inline constexpr Rule kBatStateOldUnmapped{
    "bat.entry.state-5", Severity::kTolerate,
    "A block has the state 5, which early versions used for UNMAPPED",
    "ours: version 0.95 of the format", ""};
inline constexpr Rule kBatPartialWithoutParent{
    "bat.entry.partial-without-parent", Severity::kRefuse,
    "A block is partially present in a file that has no parent", "[MS-VHDX] 2.5.1.1", ""};
inline constexpr Rule kBatPartialWithoutBitmap{
    "bat.entry.partial-without-bitmap", Severity::kRefuse,
    "A block is partially present and its chunk has no sector bitmap", "[MS-VHDX] 2.5.1.2", ""};
inline constexpr Rule kBatOffset{"bat.entry.offset", Severity::kRefuse,
                                 "A present block lies inside the header section",
                                 "[MS-VHDX] 2.5.1", "take an older copy of the file"};
inline constexpr Rule kBatBeyondEof{"bat.entry.beyond-eof", Severity::kRefuse,
                                    "The file is cut off, or a BAT entry is wrong: a present block "
                                    "reaches past the end of the file",
                                    "[MS-VHDX] 2.5.1",
                                    "copy the file again, or take an older copy"};
inline constexpr Rule kBatCutShort{"bat.entry.cut-short", Severity::kTolerate,
                                   "The last block reaches past the end of the file, but only with "
                                   "bytes beyond the end of the disk",
                                   "ours: QEMU writes such fixed disks",
                                   "the first write extends the file"};
inline constexpr Rule kBatOverlap{"bat.entry.overlap", Severity::kRefuse,
                                  "A present block overlaps a region, the log or another block",
                                  "[MS-VHDX] 2.5.1", "take an older copy of the file"};
inline constexpr Rule kBatAnchorOverlap{"bat.entry.anchor-overlap", Severity::kReadOnly,
                                        "An unmapped or undefined block keeps space that something "
                                        "else uses",
                                        "[MS-VHDX] 2.5.1", ""};
inline constexpr Rule kBatAnchorBeyondEof{
    "bat.entry.anchor-beyond-eof", Severity::kReadOnly,
    "An unmapped or undefined block keeps space past the end of the file", "[MS-VHDX] 2.5.1.1",
    "`vhdx convert` makes a file that can be written"};
inline constexpr Rule kBatUnusedOffset{"bat.entry.unused-offset", Severity::kTolerate,
                                       "A block that is not present or zero has a file offset",
                                       "[MS-VHDX] 2.5.1.1", ""};
inline constexpr Rule kBitmapUnexpected{
    "bat.bitmap.unexpected", Severity::kTolerate,
    "A file without a parent has a sector bitmap; it is ignored", "[MS-VHDX] 2.5.1.2", ""};
inline constexpr Rule kBitmapState{"bat.bitmap.state", Severity::kRefuse,
                                   "A sector bitmap entry has an undefined state",
                                   "[MS-VHDX] 2.5.1.2", ""};
inline constexpr Rule kBitmapRange{
    "bat.bitmap.range", Severity::kRefuse,
    "A sector bitmap lies inside the header section or past the end of the file", "[MS-VHDX] 2.5.1",
    ""};
inline constexpr Rule kBitmapOverlap{"bat.bitmap.overlap", Severity::kRefuse,
                                     "A sector bitmap overlaps a region, the log or a block",
                                     "[MS-VHDX] 2.5.1", ""};

// Space and host.
inline constexpr Rule kSpaceFree{"space.free", Severity::kNote,
                                 "Space between the structures of the file is free",
                                 "[MS-VHDX] 2.1", ""};
inline constexpr Rule kSpaceTail{"space.tail", Severity::kNote,
                                 "The file is longer than its last structure", "[MS-VHDX] 2.1", ""};
inline constexpr Rule kHostSparse{
    "host.sparse", Severity::kNote,
    "The file has holes on this host; Hyper-V refuses a file that is sparse on its own",
    "ours: Windows error 0xC03A001A", "copy it to Windows with `cp --sparse=never` or over SMB"};

inline constexpr Rule kHostNoLocks{
    "host.no-locks", Severity::kNote,
    "The file system has no locks: nothing keeps another program from writing this file",
    "ours: what is read may be a mixture of old and new", ""};

}  // namespace vhdx::rules

#endif  // VHDXKIT_FORMAT_RULES_H_
