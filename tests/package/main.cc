// A user's program: opens the image that it is given, and prints the size of the disk.

#include <vhdxkit/disk.h>

#include <cstdio>

int main(int argc, char** argv) {
  vhdx::HostFileSystem files;
  const auto disk = vhdx::Disk::Open(files, argc > 1 ? argv[1] : "absent.vhdx");
  if (!disk) {
    std::puts("no disk");
    return 0;
  }
  std::printf("%llu bytes\n", static_cast<unsigned long long>((*disk)->size_bytes()));
  return 0;
}
