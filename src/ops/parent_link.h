// The parent of a differencing image that is to be made: held, so that nobody writes it meanwhile,
// and described for the child ([MS-VHDX] 2.6.2.6).

#ifndef VHDXKIT_OPS_PARENT_LINK_H_
#define VHDXKIT_OPS_PARENT_LINK_H_

#include <vhdxkit/chain_options.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>
#include <vhdxkit/operation.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "format/metadata.h"
#include "image/image.h"

namespace vhdx {

struct ParentLink {
  std::unique_ptr<Disk> disk;  ///< the whole chain, locked and read-only
  std::unique_ptr<File> file;  ///< the parent's own
  /// Refuses another child on top of a chain of that many images if Disk::Open would refuse the
  /// result
  /// (ChainOptions::max_chain_depth). Errors: kInvalidArgument, parent.depth.
  Result<void> RefuseLongerChain(size_t chain_length, const std::string& child_path);

  /// The locator of a child in the folder that was named, in the order in which Hyper-V writes it.
  std::vector<LocatorEntryInfo> locator_entries;
  /// Of its metadata what a child has too, besides what every image has.
  std::vector<format::MetadataItem> inherited_items;

  const ImageInfo& image() const { return disk->image_at_open(0); }
};

/// Opens the parent, checks it and its own parents, and makes it durable: a child must not outlive
/// the identity that it names. `child_path` says in which folder the child will lie.
/// Errors: those of Disk::Open; kCorrupt for a parent that `check` would call so; kInvalidArgument
/// for a path that no locator can carry; those of RefuseLongerChain.
Result<ParentLink> OpenParentLink(FileSystem& files, const std::string& parent_path,
                                  const ChainOptions& options, const std::string& child_path,
                                  const OperationControl& control);

/// Refuses another child on top of a chain of that many images if Disk::Open would refuse the
/// result (ChainOptions::max_chain_depth). Errors: kInvalidArgument, parent.depth.
Result<void> RefuseLongerChain(size_t chain_length, const std::string& child_path);

/// The locator of a child in the folder of `child_path`, of a parent with this DataWriteGuid.
/// Errors: kInvalidArgument for a path that no locator can carry.
Result<std::vector<LocatorEntryInfo>> LocatorOfChild(FileSystem& files, const File& parent,
                                                     const Guid& data_write_guid,
                                                     const std::string& child_path);

/// What of an image's metadata its children have too, besides what every image has ([MS-VHDX]
/// 2.6.1.2). Errors: kIo.
Result<std::vector<format::MetadataItem>> ItemsForChildren(Image& parent);

/// The path of `target` as seen from `folder`, both absolute host paths without links, in the form
/// of Hyper-V: ".\base.vhdx", "..\images\base.vhdx".
std::string RelativeWindowsPath(const std::string& folder, const std::string& target);

}  // namespace vhdx

#endif  // VHDXKIT_OPS_PARENT_LINK_H_
