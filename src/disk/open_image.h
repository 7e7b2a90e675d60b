// Opening one image by its path: file, lock, structures; and its parent, if it has one.

#ifndef VHDXKIT_DISK_OPEN_IMAGE_H_
#define VHDXKIT_DISK_OPEN_IMAGE_H_

#include <vhdxkit/chain_options.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <cstddef>
#include <memory>
#include <string>

#include "format/findings.h"
#include "image/image.h"

namespace vhdx {

/// Opens and locks the file for reading, and reads its structures, as far as they can be read. That
/// the host has no locks goes to `findings`. Errors: those of FileSystem::Open and File::Lock.
Result<Structures> OpenStructures(FileSystem& files, const std::string& path,
                                  const ImageOptions& options, Findings& findings);

/// The same for a file that is open already.
Result<Structures> OpenStructures(std::unique_ptr<File> file, const ImageOptions& options,
                                  Findings& findings);

/// Opens and locks the file for reading, and reads it. Errors: those of FileSystem::Open,
/// File::Lock and Image::Open.
Result<std::unique_ptr<Image>> OpenImage(FileSystem& files, const std::string& path,
                                         const ImageOptions& options, Findings& findings);

/// The same for a file that is open already.
Result<std::unique_ptr<Image>> OpenImage(std::unique_ptr<File> file, const ImageOptions& options,
                                         Findings& findings);

/// The same for an image that may be written.
Result<std::unique_ptr<Image>> OpenTopImage(FileSystem& files, const std::string& path,
                                            DiskAccess access, const ImageOptions& options,
                                            Findings& findings);

/// Finds the file of the parent of a differencing image, which is `depth` images below the first of
/// its chain. Errors: parent.missing, parent.linkage; those of FileSystem::Open.
Result<std::unique_ptr<File>> FindParent(FileSystem& files, Image& child, size_t depth,
                                         const ChainOptions& options, Findings& findings);

/// The same, and opens it and checks that the two fit. Errors: those of FindParent and OpenImage;
/// parent.sector-size.
Result<std::unique_ptr<Image>> OpenParent(FileSystem& files, Image& child, size_t depth,
                                          const ChainOptions& options, Findings& findings);

/// Whether the sectors of a parent fit its child. Errors: parent.sector-size.
Result<void> CheckSectorSizes(Image& child, Image& parent);

/// Whether each of ChainOptions::parents is a parent of something: `bottom` is the last of a chain
/// of `chain_length` images. Errors: kInvalidArgument.
Result<void> RefuseUnusedParents(const Image& bottom, size_t chain_length,
                                 const ChainOptions& options);

}  // namespace vhdx

#endif  // VHDXKIT_DISK_OPEN_IMAGE_H_
