#include "nbdkit/files.h"

namespace vhdx::nbd {

FileSystem& Files() {
  static HostFileSystem files;
  return files;
}

}  // namespace vhdx::nbd
