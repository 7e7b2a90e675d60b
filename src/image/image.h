// One open .vhdx file, without its parents: its structures, its block map, its sector bitmaps.
//
// Opening reads everything but the BAT (image/structures.h), replays a dirty log in memory, fails
// if any structure is refused, and changes nothing. The image owns its file. Once it is open, any
// number of threads may use it. Writing is the task of `ImageWriter`.

#ifndef VHDXKIT_IMAGE_IMAGE_H_
#define VHDXKIT_IMAGE_IMAGE_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <memory>

#include "format/findings.h"
#include "image/block_map.h"
#include "image/image_writer.h"
#include "image/sector_bitmaps.h"
#include "image/structures.h"
#include "image/write_limits.h"
#include "io/overlay_file.h"

namespace vhdx {

class Image {
 public:
  /// Takes the file, whose lock is the caller's business. What is unusual goes to `findings`, also
  /// if it fails. Errors: kCorrupt with the rule; kIo.
  static Result<std::unique_ptr<Image>> Open(std::unique_ptr<File> file, Findings& findings,
                                             LogUse log_use = LogUse::kReplay);
  /// The same for structures that were read before.
  static Result<std::unique_ptr<Image>> FromStructures(Structures structures, Findings& findings);

  const ImageInfo& info() const { return info_; }
  const format::BatGeometry& geometry() const { return block_map_.geometry(); }
  /// The file as it is after replay.
  File& file() { return *file_; }
  BlockMap& block_map() { return block_map_; }
  SectorBitmaps& sector_bitmaps() { return sector_bitmaps_; }
  /// Prepares for writing, which reads the whole BAT once and changes nothing yet. The file is open
  /// for writing, and locked; `files` gives the GUIDs of sessions, and outlives the image. Errors:
  /// kCorrupt with the rule that forbids writing; kUnsupported, kIo.
  Result<void> EnableWriting(FileSystem& files, const WriteLimits& limits,
                             SessionIdentity identity = SessionIdentity::kNew);
  /// Ends what was written, durably, so that the file can be a parent; the next change begins
  /// another session. Nobody uses the image meanwhile. Errors: those of Journal::Rest; kIo.
  Result<void> Rest();
  /// The current header of an image at rest.
  const HeaderInfo& header_at_rest() const { return writer_->header(); }
  /// Null if writing is not enabled.
  ImageWriter* writer() { return writer_.get(); }
  /// Bytes of the metadata region of one item. Errors: kIo.
  Result<std::vector<std::byte>> ReadMetadataItem(const MetadataItemInfo& item);

 private:
  Image(Structures structures, ImageInfo info);

  std::unique_ptr<File> file_;
  OverlayFile* const overlay_;  // file_, if the log is dirty
  ImageInfo info_;
  BlockMap block_map_;
  SectorBitmaps sector_bitmaps_;
  std::unique_ptr<ImageWriter> writer_;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_IMAGE_H_
