// The parent/child tree of the images in some directories.

#ifndef VHDXKIT_IMAGE_TREE_H_
#define VHDXKIT_IMAGE_TREE_H_

#include <vhdxkit/chain_options.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
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
    kNone,      ///< not a differencing image
    kOk,        ///< its parent was found
    kMismatch,  ///< a file was found in the parent's place, but its DataWriteGuid differs
    kMissing,   ///< its parent was not found
  };
  std::string path = {};
  std::optional<Error> error =
      {};  ///< why the image could not be read; the fields below are then unset
  Subformat subformat = Subformat::kDynamic;
  uint64_t virtual_size_bytes = 0;
  uint64_t file_size_bytes = 0;
  Guid data_write_guid = {};
  Guid parent_linkage = {};
  Link link = Link::kNone;
  std::optional<size_t> parent = {};  ///< index into the result
  std::string missing_path = {};  ///< kMissing, kMismatch: the path of the parent in the locator
};

/// Reads the given images, the *.vhdx and *.avhdx files directly in the given directories, and the
/// parents of all of these, which are also searched for in the directories of all that is given.
/// Errors: those of FileSystem::List; kNotFound for a path that does not exist. A broken image, or
/// one that is locked, is a node with an error.
VHDXKIT_EXPORT
Result<std::vector<ImageNode>> FindImageTree(FileSystem& files,
                                             const std::vector<std::string>& paths,
                                             const SearchOptions& search = {},
                                             const ImageOptions& images = {});

/// Finds the children of the image at `path`: the images, whatever their file names, directly in
/// its directory and in SearchOptions::folders that name its DataWriteGuid as their parent,
/// unless the paths in them lead to another file that has it: then the image is a copy of a parent.
/// A temporary file of this library, which a killed process may have left, is none. For an image on
/// a block device only the folders are searched. A log of more than 64 MiB is not replayed to find
/// a newer locator in it. Errors: those of FileSystem::Open and List; kCorrupt
/// if the image at `path` has no valid header; kPermission if a *.vhdx or *.avhdx file cannot be
/// read; kUnsupported if a directory has too many entries to search.
VHDXKIT_EXPORT
Result<std::vector<std::string>> FindChildren(FileSystem& files, const std::string& path,
                                              const SearchOptions& search = {});

/// Fails with kBusy, and the names of some of them in Error::found, if the image has children,
/// which a visible change would make unreadable. A program should call this before it writes to an
/// image or replaces it, while it holds the image's lock, so that no child is created in the
/// meantime. A file that is not a VHDX has no children. Other errors: those of FindChildren.
VHDXKIT_EXPORT
Result<void> RefuseIfParent(FileSystem& files, const std::string& path,
                            const SearchOptions& search = {});

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_TREE_H_
