// ImageDump: every structure of one image with its offset in the file, for debugging and forensics.
//
// Parents are not opened. If a visitor returns an error, the visit ends and returns that error.

#ifndef VHDXKIT_DUMP_H_
#define VHDXKIT_DUMP_H_

#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vhdx {

/// One BAT entry that is not zero.
struct BatEntryInfo {
  enum class Kind : uint8_t { kPayload, kSectorBitmap };
  Kind kind = Kind::kPayload;
  uint64_t number = 0;        ///< number of the payload block, or of the chunk
  uint64_t index = 0;         ///< index in the BAT
  uint64_t entry_offset = 0;  ///< file offset of the entry
  uint64_t raw = 0;
  uint8_t state = 0;
  std::string_view state_name = {};
  uint64_t file_offset = 0;  ///< file offset that the entry points to
  std::vector<const Rule*> broken_rules = {};
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
};

class VHDXKIT_EXPORT ImageDump {
 public:
  /// Errors: those of Inspect.
  static Result<std::unique_ptr<ImageDump>> Open(FileSystem& files, const std::string& path,
                                                 const OpenOptions& options = {});
  ~ImageDump();

  const ImageInfo& info() const;
  /// File offsets of the two headers and of the two region tables.
  static const std::array<uint64_t, 2>& HeaderOffsets();
  static const std::array<uint64_t, 2>& RegionTableOffsets();
  /// The name of a region or metadata item in the specification, or empty if it is unknown.
  static std::string_view RegionName(const Guid& region);
  static std::string_view ItemName(const Guid& item);
  /// The bytes of a metadata item, log replayed. Errors: kIo.
  Result<std::vector<std::byte>> ReadItem(const MetadataItemInfo& item);
  /// Visits the valid entries of the log, by offset. Errors: kIo; those of `visit`.
  Result<void> VisitLog(const std::function<Result<void>(const LogEntryDump&)>& visit);
  /// Visits the BAT entries that are not zero, by index. Errors: kIo; those of `visit`.
  Result<void> VisitBat(const std::function<Result<void>(const BatEntryInfo&)>& visit);
  /// Visits the partially present blocks with their sector bitmaps. Errors: kIo, kCorrupt; those of
  /// `visit`.
  Result<void> VisitBitmaps(const std::function<Result<void>(const BitmapDump&)>& visit);

 private:
  class VHDXKIT_HIDDEN State;
  explicit ImageDump(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vhdx

#endif  // VHDXKIT_DUMP_H_
