// take_snapshot DISK CHILD: freezes the contents of DISK by creating a child of it, writes to the
// child, and shows that DISK has not changed. From then on DISK must not be written: CHILD, which
// stores only what differs, takes its place.

#include <vhdxkit/compare.h>
#include <vhdxkit/create.h>
#include <vhdxkit/disk.h>

#include <cinttypes>
#include <cstdio>
#include <span>
#include <string_view>

namespace {

vhdx::Result<void> CreateChild(vhdx::FileSystem& files, const char* parent, const char* child) {
  const vhdx::CreateOptions options = {
      .subformat = vhdx::Subformat::kDifferencing,
      .parent_path = parent,
      .sync = true,  // durable before anybody writes to it
  };
  const auto created = vhdx::Create(files, child, options);
  if (!created) return std::unexpected(created.error());
  return {};
}

vhdx::Result<void> WriteTo(vhdx::FileSystem& files, const char* path) {
  const auto disk = vhdx::Disk::Open(files, path, {.access = vhdx::DiskAccess::kReadWrite});
  if (!disk) return std::unexpected(disk.error());
  constexpr std::string_view kText = "Written by take_snapshot.\n";
  if (auto written = (*disk)->Write(4096, std::as_bytes(std::span(kText))); !written) {
    return written;
  }
  return (*disk)->Close();  // flushes, too
}

vhdx::Result<void> ShowDifference(vhdx::FileSystem& files, const char* parent, const char* child) {
  const auto before = vhdx::Disk::Open(files, parent);
  if (!before) return std::unexpected(before.error());
  const auto after = vhdx::Disk::Open(files, child);
  if (!after) return std::unexpected(after.error());
  const auto compared = vhdx::Compare(**before, **after);
  if (!compared) return std::unexpected(compared.error());
  if (compared->first_difference) {
    std::printf("%s and %s differ from byte %" PRIu64 " on\n", parent, child,
                *compared->first_difference);
  }
  return {};
}

vhdx::Result<void> TakeSnapshot(const char* parent, const char* child) {
  vhdx::HostFileSystem files;
  if (auto created = CreateChild(files, parent, child); !created) return created;
  if (auto written = WriteTo(files, child); !written) return written;
  return ShowDifference(files, parent, child);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: take_snapshot DISK CHILD\n", stderr);
    return 64;
  }
  if (const auto taken = TakeSnapshot(argv[1], argv[2]); !taken) {
    std::fprintf(stderr, "take_snapshot: %s\n", vhdx::ToString(taken.error()).c_str());
    return 1;
  }
  return 0;
}
