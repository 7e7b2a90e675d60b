// Who is whose parent among the images of some folders.

#ifndef VHDXKIT_IMAGE_TREE_H_
#define VHDXKIT_IMAGE_TREE_H_

#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/guid.h>
#include <vhdxkit/image_info.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vhdx {

struct ImageNode {
  enum class Link : uint8_t {
    kNone,      ///< has no parent
    kOk,        ///< its parent is among the images
    kMismatch,  ///< a file is where the parent should be, with another identity
    kMissing,   ///< an orphan
  };
  std::string path = {};
  std::optional<Error> error = {};  ///< the image could not be read; nothing below is known then
  Subformat subformat = Subformat::kDynamic;
  uint64_t virtual_size_bytes = 0;
  uint64_t file_size_bytes = 0;
  Guid data_write_guid = {};
  Guid parent_linkage = {};
  Link link = Link::kNone;
  std::optional<size_t> parent = {};  ///< index into the result
  std::string missing_path = {};      ///< kMissing, kMismatch: the parent's name in the locator
};

/// Reads the images named, the *.vhdx and *.avhdx directly in the folders named, and the parents of
/// all of these. Errors: those of FileSystem::List; kNotFound for a path that is not there. A
/// broken image is a node with an error.
Result<std::vector<ImageNode>> FindImageTree(FileSystem& files,
                                             const std::vector<std::string>& paths,
                                             const OpenOptions& options = {});

/// The images of any name directly in the folder of the image at `path`, and in
/// OpenOptions::parent_folders, that name it as their parent by its DataWriteGuid. Errors: those of
/// FileSystem::Open and List; kCorrupt, if the image at `path` has no valid header; kPermission, if
/// there is a *.vhdx or *.avhdx of which that cannot be told; kUnsupported, if a folder has more
/// names than are looked at.
Result<std::vector<std::string>> FindChildren(FileSystem& files, const std::string& path,
                                              const OpenOptions& options = {});

/// What every program should ask before it writes to an image or replaces it, once it holds the
/// image's lock, so that no child comes to be meanwhile: kBusy if it has
/// children, which a visible change would make unreadable. A file that is no VHDX has none.
Result<void> RefuseIfParent(FileSystem& files, const std::string& path,
                            const OpenOptions& options = {});

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_TREE_H_
