// ImageDump: every structure of one image with its offset in the file, for debugging and forensics.
//
// Also for files that are too broken to open: each structure that can be found is shown with what
// is wrong with it. Parents are not opened. If a visitor returns an error, the visit ends and
// returns that error. One thread at a time.

#ifndef VHDXKIT_DUMP_H_
#define VHDXKIT_DUMP_H_

#include <vhdxkit/chain_options.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>
#include <vhdxkit/structures.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vhdx {

/// One BAT entry that is not zero.
struct BatEntryInfo {
  /// kUnknown: BatStructure::geometry_known is false, so the entry may be for anything.
  enum class Kind : uint8_t { kPayload, kSectorBitmap, kUnknown };
  Kind kind = Kind::kPayload;
  uint64_t number = 0;        ///< number of the payload block, or of the chunk; 0 if unknown
  uint64_t index = 0;         ///< index in the BAT
  uint64_t entry_offset = 0;  ///< file offset of the entry
  uint64_t raw = 0;
  uint8_t state = 0;
  std::string_view state_name = {};            ///< empty if the kind is unknown
  uint64_t file_offset = 0;                    ///< file offset that the entry points to
  std::vector<const Rule*> broken_rules = {};  ///< empty if the kind is unknown
};

/// One update of a log entry: a range of zeros, or one sector of 4096 bytes.
struct LogUpdateInfo {
  FileRange target = {};
  bool zeros = false;
};

/// A log entry that is valid by itself, of the current session or of an earlier one.
struct LogEntryDump {
  LogEntryInfo entry = {};
  uint64_t file_offset = 0;
  bool in_active_sequence = false;
  std::vector<LogUpdateInfo> updates = {};
};

/// The sectors of one partially present block that are stored in this file.
struct BitmapDump {
  uint64_t block = 0;
  uint64_t chunk = 0;
  uint64_t bitmap_offset = 0;  ///< file offset of the block's bits
  std::vector<FileRange> runs =
      {};  ///< disk offsets and lengths, in bytes, of the sectors whose bits are set
  std::optional<Error> error =
      {};  ///< why the bits cannot be found or read; `runs` are those before
};

class VHDXKIT_EXPORT ImageDump {
 public:
  /// Reads everything but log entries, BAT and bitmaps. Errors: those of FileSystem::Open and
  /// File::Lock; kCorrupt (file.signature) for a file that has neither the signature of a VHDX file
  /// nor that of any header or region table.
  static Result<std::unique_ptr<ImageDump>> Open(FileSystem& files, const std::string& path,
                                                 const ImageOptions& options = {});
  ~ImageDump();

  const ImageStructures& structures() const;
  /// The name of a region or metadata item in the specification, or empty if it is unknown.
  static std::string_view RegionName(const Guid& region);
  static std::string_view ItemName(const Guid& item);
  /// The bytes of a metadata item, log replayed. Errors: kIo; kCorrupt if the item is not inside
  /// the metadata region.
  Result<std::vector<std::byte>> ReadItem(const MetadataItemStructure& item);
  /// Visits the valid entries of the log, by offset, whether or not they form a sequence. Errors:
  /// kIo; that of LogStructure::verdict if the log was not found; those of `visit`.
  Result<void> VisitLog(const std::function<Result<void>(const LogEntryDump&)>& visit);
  /// Visits the BAT entries that are not zero, by index. Errors: kIo; that of BatStructure::verdict
  /// if the BAT was not found; those of `visit`.
  Result<void> VisitBat(const std::function<Result<void>(const BatEntryInfo&)>& visit);
  /// Visits the partially present blocks with their sector bitmaps. Errors: kIo; those of the BAT
  /// or the metadata if they do not say which blocks these are; those of `visit`.
  Result<void> VisitBitmaps(const std::function<Result<void>(const BitmapDump&)>& visit);

 private:
  class VHDXKIT_HIDDEN State;
  explicit ImageDump(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vhdx

#endif  // VHDXKIT_DUMP_H_
