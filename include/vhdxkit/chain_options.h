// Which files belong to a disk, and how they are read: options of the functions that open images.
//
// There is one struct for each thing that a function may do: read an image (ImageOptions), look for
// its parents or children (SearchOptions), follow its parents (ChainOptions). A function takes no
// more than it uses.

#ifndef VHDXKIT_CHAIN_OPTIONS_H_
#define VHDXKIT_CHAIN_OPTIONS_H_

#include <vhdxkit/export.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vhdx {

enum class LockPolicy : uint8_t {
  /// Take the file's lock: a shared one for reading, an exclusive one for writing. kBusy if another
  /// program has the file open for writing, or, for writing, at all. On a host without locks,
  /// reading goes on with a finding (host.no-locks), and writing fails with kUnsupported.
  kLock,
  /// Take no lock: if another program writes to the file, reads may return a mixture of old and new
  /// data, and writing may corrupt the file.
  kIgnore,
};

/// How an image file is read.
struct ImageOptions {
  LockPolicy lock = LockPolicy::kLock;  ///< whether the file is locked for as long as it is open
  /// Do not replay the log, and read the image as if the log were empty. If there is something in
  /// it, a finding (log.ignored) says what may be out of date. Only for reading.
  bool ignore_log = false;
};

/// Where the relatives of an image may be, its parents and its children.
struct SearchOptions {
  /// Directories that are searched in addition to the image's own. A parent may be in or below
  /// them; children are looked for directly in them. A search starts only if each is a directory:
  /// kNotFound, kInvalidArgument.
  std::vector<std::string> folders = {};
  /// Follow the paths in a parent locator into any directory. If false, a file outside the
  /// directories that are searched is not opened.
  bool anywhere = false;
};

/// How the chain of an image and its parents is followed, down to the image without a parent.
struct ChainOptions {
  SearchOptions search = {};  ///< for the parents of every image that are not named below
  /// The parents themselves, wherever they are and whatever the locators say: the first is the
  /// parent of the image that is opened, the second the parent of that, and so on; those after the
  /// last are searched for. Their identity is still checked. More than there are parents:
  /// kInvalidArgument. Only for reading.
  std::vector<std::string> parents = {};
  /// Accept a parent whose DataWriteGuid differs from what its child names. A finding
  /// (parent.id-ignored) says so. The disk is then what its parent happens to hold. If false, such
  /// a parent is an error, parent.linkage. Only for reading.
  bool ignore_parent_id = false;
  /// Maximum number of images in a chain, including the first. A longer one is an error,
  /// parent.depth.
  uint32_t max_chain_depth = 256;
  ImageOptions images = {};  ///< for every image of the chain
};

}  // namespace vhdx

#endif  // VHDXKIT_CHAIN_OPTIONS_H_
