// The 4 KiB pages of metadata that go through the log, by what they are and not by where they are:
// a structure that moves in the file keeps its pages.

#ifndef VHDXKIT_IMAGE_PAGE_ID_H_
#define VHDXKIT_IMAGE_PAGE_ID_H_

#include <cstdint>

namespace vhdx {

struct PageId {
  enum class Kind : uint8_t {
    kRegionTable,   ///< 0 to 15: the first copy; 16 to 31: the second
    kSectorBitmap,  ///< SectorBitmaps numbers them: 256 for each chunk
    kBat,           ///< 512 entries each
    kMetadata,      ///< of the metadata region, from its start
  };
  Kind kind = Kind::kBat;
  uint64_t number = 0;

  friend bool operator==(const PageId&, const PageId&) = default;
};

/// The order in which pages are logged. An entry must not become durable before what it needs:
/// bitmaps before entries, and since a chunk's bitmap entry comes after those of its blocks, pages
/// of the BAT from the last one.
struct LogOrder {
  bool operator()(const PageId& a, const PageId& b) const {
    if (a.kind != b.kind) return a.kind < b.kind;
    return a.kind == PageId::Kind::kBat ? a.number > b.number : a.number < b.number;
  }
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_PAGE_ID_H_
