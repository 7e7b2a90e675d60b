// The structures of one .vhdx file outside its BAT, as far as they can be read.
//
// Every way to look at an image begins here. Reading never fails: each structure has its own
// verdict, which may be an I/O error, and the structures after it are read all the same. An image
// cannot be opened (image/image.h) if any of them is refused; the first error in the order of
// docs/format.md, section 14.1, is the one that opening fails with. Only memory that runs out is
// not a verdict: std::bad_alloc is thrown. Work and memory are bounded by the length of the log and
// of the metadata tables.

#ifndef VHDXKIT_IMAGE_STRUCTURES_H_
#define VHDXKIT_IMAGE_STRUCTURES_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>
#include <vhdxkit/structures.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "format/problems.h"
#include "image/bat_rules.h"
#include "io/overlay_file.h"

namespace vhdx {

/// What to do with a log that must be replayed. An image whose log is ignored may be read only.
enum class LogUse : uint8_t { kReplay, kIgnore };

struct Structures {
  std::unique_ptr<File> file;      ///< as it is after replay, if the log could be replayed
  OverlayFile* overlay = nullptr;  ///< `file`, if a log was replayed
  ImageStructures found = {};
  Problems problems = {};  ///< of all that was found, in the order in which it was read
  /// Neither the signature of the file nor one of a header or region table: nothing else was read.
  bool is_foreign = false;
  uint64_t allocated_bytes = 0;
  bool host_sparse = false;
  std::optional<BatRules> bat_rules = {};  ///< if the geometry of the BAT is known
};

/// Takes the file, whose lock is the caller's business. Reads through it and changes nothing.
Structures ReadStructures(std::unique_ptr<File> file, LogUse log_use);

/// Reads the identifier and both headers, and nothing else: who is this file? For looking for a
/// parent among many. Errors: file.signature, header.*; kIo.
Result<HeaderInfo> ReadCurrentHeader(File& file);

/// Reads the parent locator as it is in the file, whatever the log says; empty for an image without
/// a parent. Reads at most a few hundred KiB. Errors: region.*, metadata.*, locator.*; kIo.
Result<std::optional<ParentLocatorInfo>> ReadLocatorInPlace(File& file, const HeaderInfo& header);

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_STRUCTURES_H_
