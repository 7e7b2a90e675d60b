// Where the images come from that this plugin serves.

#ifndef VHDXKIT_NBDKIT_FILES_H_
#define VHDXKIT_NBDKIT_FILES_H_

#include <vhdxkit/file.h>

namespace vhdx::nbd {

/// The host's files, in host_files.cc. The tests link the plugin with files that a power cut can
/// hurt instead (tests/nbdkit).
FileSystem& Files();

}  // namespace vhdx::nbd

#endif  // VHDXKIT_NBDKIT_FILES_H_
