// What the parts of an image that is being written share.

#ifndef VHDXKIT_IMAGE_WRITTEN_IMAGE_H_
#define VHDXKIT_IMAGE_WRITTEN_IMAGE_H_

#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <cstdint>

#include "image/block_map.h"
#include "image/sector_bitmaps.h"
#include "io/overlay_file.h"

namespace vhdx {

/// What becomes of the DataWriteGuid when a session begins ([MS-VHDX] 2.2.2).
enum class SessionIdentity : uint8_t {
  kNew,   ///< what the disk reads may change
  kKept,  ///< what it reads stays: its children stay valid
};

struct WrittenImage {
  FileSystem& files;     ///< gives new GUIDs
  File& file;            ///< the container itself
  OverlayFile* overlay;  ///< shows it replayed where its log is dirty, and is null otherwise
  const ImageInfo& info;
  BlockMap& block_map;
  SectorBitmaps& sector_bitmaps;
  SessionIdentity identity = SessionIdentity::kNew;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_WRITTEN_IMAGE_H_
