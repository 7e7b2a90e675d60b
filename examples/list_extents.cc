// list_extents DISK: prints which parts of a disk are data, and where the data is stored.

#include <vhdxkit/disk.h>

#include <cinttypes>
#include <cstdio>

namespace {

void Print(const vhdx::Disk& disk, const vhdx::Extent& extent) {
  std::printf("%14" PRIu64 " %14" PRIu64 "  ", extent.range.disk_offset, extent.range.length_bytes);
  if (extent.place) {
    std::printf("at %" PRIu64 " in %s\n", extent.place->file_offset,
                disk.FileOf(extent.depth).c_str());
  } else {
    std::puts("zeros");
  }
}

vhdx::Result<void> ListExtents(const char* path) {
  vhdx::HostFileSystem files;
  const auto disk = vhdx::Disk::Open(files, path);  // read-only, with all its parents
  if (!disk) return std::unexpected(disk.error());

  const uint64_t size = (*disk)->size_bytes();
  for (uint64_t offset = 0; offset < size;) {
    const auto extents = (*disk)->Extents({offset, size - offset}, 1000);
    if (!extents) return std::unexpected(extents.error());
    for (const vhdx::Extent& extent : *extents) Print(**disk, extent);
    offset = extents->back().range.end();
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: list_extents DISK\n", stderr);
    return 64;
  }
  if (const auto listed = ListExtents(argv[1]); !listed) {
    std::fprintf(stderr, "list_extents: %s\n", vhdx::ToString(listed.error()).c_str());
    return 1;
  }
  return 0;
}
