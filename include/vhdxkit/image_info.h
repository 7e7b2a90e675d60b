// ImageInfo: the structures of one .vhdx file other than its blocks, parsed and checked.
//
// Plain values that own their contents, made when an image is opened. Offsets are in bytes from the
// start of the file unless stated otherwise.

#ifndef VHDXKIT_IMAGE_INFO_H_
#define VHDXKIT_IMAGE_INFO_H_

#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/file.h>
#include <vhdxkit/finding.h>
#include <vhdxkit/guid.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vhdx {

/// One header ([MS-VHDX] 2.2.2).
struct HeaderInfo {
  uint32_t checksum = 0;
  uint64_t sequence_number = 0;
  Guid file_write_guid = {};
  Guid data_write_guid = {};
  Guid log_guid = {};  ///< zero: the log is empty
  uint16_t log_version = 0;
  uint16_t version = 0;
  uint32_t log_length_bytes = 0;
  uint64_t log_offset = 0;
  friend bool operator==(const HeaderInfo&, const HeaderInfo&) = default;
};

/// One entry of a region table ([MS-VHDX] 2.2.3.2).
struct RegionInfo {
  Guid guid = {};
  uint64_t file_offset = 0;
  uint32_t length_bytes = 0;
  uint32_t required = 0;  ///< bit 0: a program that does not know the region must not open the file
  friend bool operator==(const RegionInfo&, const RegionInfo&) = default;
};

/// One copy of the region table ([MS-VHDX] 2.2.3).
struct RegionTableInfo {
  uint32_t checksum = 0;
  std::vector<RegionInfo> regions = {};
};

/// One entry of the metadata table ([MS-VHDX] 2.6.1.2).
struct MetadataItemInfo {
  Guid item_id = {};
  uint32_t offset = 0;  ///< bytes from the start of the metadata region
  uint32_t length_bytes = 0;
  bool is_user = false;
  bool is_virtual_disk = false;
  bool is_required = false;
  friend bool operator==(const MetadataItemInfo&, const MetadataItemInfo&) = default;
};

enum class Subformat : uint8_t { kFixed, kDynamic, kDifferencing };
/// "fixed", "dynamic", "differencing".
VHDXKIT_EXPORT
std::string_view SubformatName(Subformat subformat);

/// One key of a parent locator with its value ([MS-VHDX] 2.6.2.6), as UTF-8.
struct LocatorEntryInfo {
  std::string key = {};
  std::string value = {};
  uint32_t key_offset = 0;    ///< bytes from the start of the item, if read from a file; else 0
  uint32_t value_offset = 0;  ///< as key_offset
  /// Compares keys and values, not offsets.
  friend bool operator==(const LocatorEntryInfo& a, const LocatorEntryInfo& b) {
    return a.key == b.key && a.value == b.value;
  }
};

/// The parent locator ([MS-VHDX] 2.6.2.6.3).
struct ParentLocatorInfo {
  std::vector<LocatorEntryInfo> entries = {};  ///< all entries, in file order
  Guid parent_linkage = {};                    ///< the parent's DataWriteGuid
  std::optional<Guid>
      parent_linkage2;  ///< also accepted as the parent's DataWriteGuid; absent if missing or zero
  std::string relative_path = {};  ///< as in the file, with '\'; empty if missing
  std::string volume_path = {};
  std::string absolute_win32_path = {};
};

/// The metadata items that every image has ([MS-VHDX] 2.6.2, Known Metadata Items).
struct DiskParameters {
  uint32_t block_size_bytes = 0;
  bool leave_blocks_allocated = false;
  bool has_parent = false;
  uint64_t virtual_disk_size_bytes = 0;
  uint32_t logical_sector_size = 0;
  uint32_t physical_sector_size = 0;
  Guid virtual_disk_id = {};

  Subformat subformat() const {
    if (has_parent) return Subformat::kDifferencing;
    return leave_blocks_allocated ? Subformat::kFixed : Subformat::kDynamic;
  }
};

/// One valid entry of the log ([MS-VHDX] 2.3.1).
struct LogEntryInfo {
  uint64_t log_offset = 0;  ///< bytes from the start of the log
  uint32_t entry_length_bytes = 0;
  uint32_t tail = 0;  ///< bytes from the start of the log
  uint64_t sequence_number = 0;
  uint32_t descriptor_count = 0;
  uint64_t flushed_file_offset = 0;
  uint64_t last_file_offset = 0;
  uint32_t checksum = 0;
  Guid log_guid = {};
};

/// The state of the log when the image was opened.
struct LogInfo {
  bool dirty = false;                      ///< LogGuid is not zero: the log must be replayed
  std::vector<LogEntryInfo> entries = {};  ///< the active sequence, tail first; empty if not dirty
};

/// Everything about one image file.
struct ImageInfo {
  std::string filename = {};
  uint64_t file_size_bytes = 0;                      ///< length of the file on the host
  uint64_t allocated_bytes = 0;                      ///< space that the host has allocated for it
  bool host_sparse = false;                          ///< the host file has holes
  std::string creator = {};                          ///< UTF-8
  std::array<std::optional<HeaderInfo>, 2> headers;  ///< empty if invalid
  size_t current_header = 0;                         ///< 0 or 1
  std::array<std::optional<RegionTableInfo>, 2> region_tables;
  size_t current_region_table = 0;
  LogInfo log;
  RegionInfo bat_region;
  RegionInfo metadata_region;
  std::vector<MetadataItemInfo> metadata_items = {};
  DiskParameters parameters;
  std::optional<ParentLocatorInfo> parent_locator = {};
  std::vector<Finding> findings = {};  ///< rules found broken while opening it

  /// The current header.
  const HeaderInfo& header() const { return *headers[current_header]; }
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_INFO_H_
