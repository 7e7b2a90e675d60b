#include "tools/free_space/disk_source.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <vhdxkit/raw_device.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "bytes/try.h"
#include "io/file_descriptor.h"
#include "io/host_error.h"
#include "io/posix_file.h"
#include "media/read_service.h"

namespace vhdx::free_space {
namespace {

constexpr const char* kName = "the disk on standard input";

Result<std::unique_ptr<BlockDevice>> OpenFile(int descriptor, uint64_t device_bytes) {
  OpenedFile opened;
  opened.descriptor = FileDescriptor(descriptor);
  opened.name = kName;
  opened.capabilities.block_device = device_bytes != 0;
  opened.device_bytes = device_bytes;
  return VHDX_TRY(RawDevice::Open(std::make_unique<PosixFile>(std::move(opened))));
}

}  // namespace

Result<std::unique_ptr<BlockDevice>> OpenDisk(int descriptor) {
  struct stat facts = {};
  if (::fstat(descriptor, &facts) != 0) return HostFailure(errno, "look at it", kName);
  if (S_ISREG(facts.st_mode)) return OpenFile(descriptor, 0);
  if (S_ISBLK(facts.st_mode)) {
    uint64_t bytes = 0;
    if (::ioctl(descriptor, BLKGETSIZE64, &bytes) != 0) {
      return HostFailure(errno, "ask for its size", kName);
    }
    return OpenFile(descriptor, bytes);
  }
  if (S_ISSOCK(facts.st_mode)) return VHDX_TRY(ServedDevice::Connect(descriptor));
  return Fail(ErrorCode::kUnsupported, "it is not a file, a block device or a socket", kName);
}

}  // namespace vhdx::free_space
