// create_disk DISK: creates a disk of 1 GiB, and writes a few bytes to it.

#include <vhdxkit/create.h>
#include <vhdxkit/disk.h>

#include <cstdio>
#include <span>
#include <string_view>

namespace {

vhdx::Result<void> CreateAndWrite(const char* path) {
  vhdx::HostFileSystem files;
  if (const auto created = vhdx::Create(files, path, {.size_bytes = 1ULL << 30}); !created) {
    return std::unexpected(created.error());
  }
  const auto disk = vhdx::Disk::Open(files, path, {.access = vhdx::DiskAccess::kReadWrite});
  if (!disk) return std::unexpected(disk.error());

  constexpr std::string_view kText = "Written by create_disk.\n";
  if (auto written = (*disk)->Write(1 << 20, std::as_bytes(std::span(kText))); !written) {
    return written;
  }
  // What was written before a flush survives a crash at any time after it.
  if (auto flushed = (*disk)->Flush(); !flushed) return flushed;
  return (*disk)->Close();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: create_disk DISK\n", stderr);
    return 64;
  }
  if (const auto created = CreateAndWrite(argv[1]); !created) {
    std::fprintf(stderr, "create_disk: %s\n", vhdx::ToString(created.error()).c_str());
    return 1;
  }
  return 0;
}
