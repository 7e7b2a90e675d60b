// ImageDump: every structure of one image, with its place in the file, for people who take images
// apart.
//
// Parents are not opened. What a visitor returns as an error ends the visit and comes back.

#ifndef VHDXKIT_DUMP_H_
#define VHDXKIT_DUMP_H_

#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
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
  uint64_t number = 0;        ///< of the payload block, or of the chunk
  uint64_t index = 0;         ///< in the BAT
  uint64_t entry_offset = 0;  ///< where the entry stands in the file
  uint64_t raw = 0;
  uint8_t state = 0;
  std::string_view state_name = {};
  uint64_t file_offset = 0;  ///< where it points
  std::vector<const Rule*> broken_rules = {};
};

/// What one log entry does to the file: zeros, or one sector.
struct LogUpdateInfo {
  FileRange target = {};
  bool zeros = false;
};

/// A log entry that is valid in itself, of the current session or of an earlier one.
struct LogEntryDump {
  LogEntryInfo entry = {};
  uint64_t file_offset = 0;
  bool in_active_sequence = false;
  std::vector<LogUpdateInfo> updates = {};
};

/// Sectors of one block that are in this file, as runs of the disk.
struct BitmapDump {
  uint64_t block = 0;
  uint64_t chunk = 0;
  uint64_t bitmap_offset = 0;        ///< where the block's bits stand in the file
  std::vector<FileRange> runs = {};  ///< disk offsets and lengths of the bits that are set
};

class ImageDump {
 public:
  /// Errors: as Inspect, but for those about parents.
  static Result<std::unique_ptr<ImageDump>> Open(FileSystem& files, const std::string& path,
                                                 const OpenOptions& options = {});
  ~ImageDump();

  const ImageInfo& info() const;
  /// Where the two headers and the two region tables stand in every file.
  static const std::array<uint64_t, 2>& HeaderOffsets();
  static const std::array<uint64_t, 2>& RegionTableOffsets();
  /// Its name in the specification, or empty.
  static std::string_view RegionName(const Guid& region);
  static std::string_view ItemName(const Guid& item);
  Result<std::vector<std::byte>> ReadItem(const MetadataItemInfo& item);
  Result<void> VisitLog(const std::function<Result<void>(const LogEntryDump&)>& visit);
  Result<void> VisitBat(const std::function<Result<void>(const BatEntryInfo&)>& visit);
  /// The sector bitmaps of all partially present blocks.
  Result<void> VisitBitmaps(const std::function<Result<void>(const BitmapDump&)>& visit);

 private:
  class State;
  explicit ImageDump(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vhdx

#endif  // VHDXKIT_DUMP_H_
