// A host whose disk has failed, for LD_PRELOAD: every fsync and fdatasync of nbdkit fails with EIO.

#include <cerrno>

namespace {

int Fail() {
  errno = EIO;
  return -1;
}

}  // namespace

extern "C" int fsync(int) { return Fail(); }
extern "C" int fdatasync(int) { return Fail(); }
