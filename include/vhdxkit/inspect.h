// Inspect one image, and find out whether its parent exists, without requiring the parent.

#ifndef VHDXKIT_INSPECT_H_
#define VHDXKIT_INSPECT_H_

#include <vhdxkit/chain_options.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vhdx {

class Disk;

/// One place where a parent was looked for. For error messages.
struct ParentAttempt {
  static constexpr std::string_view kNotThere = "not there";  ///< an outcome: there is no such file
  std::string path = {};
  std::string outcome = {};  ///< why it was rejected; empty if it was accepted
};

/// What is known about the parent of an image without opening the rest of the chain.
struct ParentState {
  /// kOk: found, with the expected DataWriteGuid. kMismatch: a file was found, but its
  /// DataWriteGuid differs. kMissing: nothing was found.
  enum class Identity : uint8_t { kOk, kMismatch, kMissing };
  Identity identity = Identity::kMissing;
  std::string resolved = {};  ///< its path, if one was found
  std::vector<ParentAttempt> attempts = {};
  /// Other files with the parent's identity, if it was found by identity alone.
  std::vector<std::string> duplicates = {};
};

struct Inspection {
  ImageInfo image;
  std::optional<ParentState> parent;  ///< only of a differencing image
};

/// Opens the image, reads everything except the BAT, and looks for its parent, of which it reads
/// only the identity. The chain ends there, whatever ChainOptions::max_chain_depth is, and of
/// ChainOptions::parents only the first is used. Errors: those of Disk::Open, except those about
/// parents that are not named.
VHDXKIT_EXPORT
Result<Inspection> Inspect(FileSystem& files, const std::string& path,
                           const ChainOptions& options = {});

/// The same of the image that an open disk writes at the moment, or of the one that it was opened
/// with. Requests to the disk wait while the image is read, so that what is read is the state
/// between two of them, and not while its parent is looked for. The lock is the disk's; none is
/// taken. `files` is where the disk was opened. Errors: also kInvalidArgument (the disk is closed);
/// kNotFound (another file has that name now).
VHDXKIT_EXPORT
Result<Inspection> Inspect(FileSystem& files, Disk& disk, const ChainOptions& options = {});

}  // namespace vhdx

#endif  // VHDXKIT_INSPECT_H_
