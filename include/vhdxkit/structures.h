// The structures of one image file outside its BAT, each by itself, with what is wrong with it.
//
// Also for files that are too broken to open: a structure that is refused, or that cannot be read,
// does not hide the others. Plain values that own their contents. Offsets are in bytes from the
// start of the file unless stated otherwise.

#ifndef VHDXKIT_STRUCTURES_H_
#define VHDXKIT_STRUCTURES_H_

#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/file.h>
#include <vhdxkit/finding.h>
#include <vhdxkit/image_info.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vhdx {

/// What is wrong with one structure.
struct StructureVerdict {
  /// Why the image cannot be opened because of this structure, or why the structure could not be
  /// read; empty if neither is so.
  std::optional<Error> error = {};
  /// What else is wrong with it, or unusual; further errors, too, those of reading as
  /// file.unreadable.
  std::vector<Finding> findings = {};
};

/// The file type identifier ([MS-VHDX] 2.2.1).
struct IdentifierStructure {
  std::optional<std::string> creator = {};  ///< UTF-8; empty without a signature
  StructureVerdict verdict = {};
};

/// One of the two headers ([MS-VHDX] 2.2.2).
struct HeaderStructure {
  uint64_t file_offset = 0;
  bool valid = false;  ///< signature and checksum are right
  /// Its fields, if it has a signature; not to be trusted unless it is valid.
  std::optional<HeaderInfo> fields = {};
  StructureVerdict verdict = {};
};

/// What became of the log.
enum class LogState : uint8_t {
  kUnknown,      ///< no header is current
  kClean,        ///< the current header has no LogGuid: there is nothing to replay
  kReplayed,     ///< region tables, metadata and BAT are shown as they are after replay
  kNeverBegun,   ///< the current header names a log in which no entry was ever complete
  kIgnored,      ///< ImageOptions::ignore_log: what is shown may be out of date
  kNotReplayed,  ///< it must be replayed and cannot be: what is shown may be out of date
};

/// The log ([MS-VHDX] 2.3), of which ImageDump::VisitLog visits the entries.
struct LogStructure {
  /// Where it is, if a header says so and it is inside the file.
  std::optional<FileRange> range = {};
  LogState state = LogState::kUnknown;
  std::vector<LogEntryInfo> sequence = {};  ///< the active sequence, tail first
  StructureVerdict verdict = {};
};

/// One entry of a region table ([MS-VHDX] 2.2.3.2).
struct RegionStructure {
  RegionInfo info = {};
  uint64_t entry_offset = 0;  ///< file offset of the entry
  StructureVerdict verdict = {};
};

/// One copy of the region table ([MS-VHDX] 2.2.3). Only the entries of the current one are checked.
struct RegionTableStructure {
  uint64_t file_offset = 0;
  bool valid = false;  ///< signature, checksum and count are right
  std::optional<uint32_t> checksum = {};
  /// Its entries, if it has a signature and a count that is possible; not to be trusted unless it
  /// is valid.
  std::vector<RegionStructure> regions = {};
  StructureVerdict verdict = {};
};

/// One entry of the metadata table ([MS-VHDX] 2.6.1.2) and the item that it names.
struct MetadataItemStructure {
  MetadataItemInfo info = {};
  uint64_t entry_offset = 0;  ///< file offset of the entry
  bool has_value = false;     ///< its value is in MetadataStructure::parameters
  StructureVerdict verdict = {};
};

/// The metadata region ([MS-VHDX] 2.6).
struct MetadataStructure {
  /// As the region table says, if that is where a region can be.
  std::optional<FileRange> region = {};
  std::vector<MetadataItemStructure> items = {};
  DiskParameters parameters = {};  ///< zero where the item could not be read
  bool sound = false;              ///< all parameters are there and possible
  StructureVerdict verdict = {};   ///< of the table
};

/// One key of the parent locator with its value.
struct LocatorEntryStructure {
  LocatorEntryInfo info = {};  ///< key and value are empty if they are not text inside the item
  uint64_t entry_offset = 0;   ///< file offset of the entry
  StructureVerdict verdict = {};
};

/// The parent locator ([MS-VHDX] 2.6.2.6).
struct LocatorStructure {
  /// Empty if the image has none, or if it was not found, which the verdict says.
  std::optional<uint64_t> file_offset = {};
  std::vector<LocatorEntryStructure> entries = {};
  std::optional<ParentLocatorInfo> meaning = {};  ///< empty if the locator is refused
  StructureVerdict verdict = {};
};

/// The BAT ([MS-VHDX] 2.5), of which ImageDump::VisitBat visits the entries.
struct BatStructure {
  /// As the region table says, if that is where a region can be.
  std::optional<FileRange> region = {};
  /// Whether the metadata says which entry is for which block, and the region has them all.
  bool geometry_known = false;
  StructureVerdict verdict = {};
};

/// Everything outside the BAT of one image file.
struct ImageStructures {
  std::string filename = {};
  uint64_t file_size_bytes = 0;  ///< length of the file on the host
  StructureVerdict file = {};    ///< of the file as a whole: its length, its host
  IdentifierStructure identifier = {};
  std::array<HeaderStructure, 2> headers = {};
  std::optional<size_t> current_header = {};  ///< 0 or 1; empty if neither can be
  StructureVerdict header_pair = {};          ///< of both headers together
  LogStructure log = {};
  std::array<RegionTableStructure, 2> region_tables = {};
  /// 0 or 1. If neither is valid, one that has entries, which are then a guess; else empty.
  std::optional<size_t> current_region_table = {};
  StructureVerdict region_table_pair = {};  ///< of both tables together
  MetadataStructure metadata = {};
  LocatorStructure locator = {};
  BatStructure bat = {};

  /// Why the image cannot be opened: the first error in the order in which it is read; empty if it
  /// can.
  std::optional<Error> error = {};
  /// Everything else that is wrong with its structures or unusual, in that order; what could not be
  /// read is file.unreadable. Of a rule that is broken very often only the first findings are kept.
  std::vector<Finding> findings = {};
};

}  // namespace vhdx

#endif  // VHDXKIT_STRUCTURES_H_
