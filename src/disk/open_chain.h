// Opening an image with all its parents.

#ifndef VHDXKIT_DISK_OPEN_CHAIN_H_
#define VHDXKIT_DISK_OPEN_CHAIN_H_

#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <memory>
#include <string>

#include "disk/layer_stack.h"

namespace vhdx {

/// Opens the whole chain. Errors: those of OpenImage and OpenParent; parent.loop, parent.depth.
Result<std::unique_ptr<LayerStack>> OpenChain(FileSystem& files, const std::string& path,
                                              const OpenOptions& options);

}  // namespace vhdx

#endif  // VHDXKIT_DISK_OPEN_CHAIN_H_
