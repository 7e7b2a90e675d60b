// vhdx-free-space: prints what a file system says is free of the volume that it is on.
//
// The disk is on standard input. The process takes from itself everything that it does not need
// before it reads it, because what it then runs are parsers of hostile contents.

#include <unistd.h>
#include <vhdxkit/error.h>
#include <vhdxkit/version.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "confine/confine.h"
#include "guest/free_map.h"
#include "io/host_error.h"
#include "media/read_only_device.h"
#include "tools/free_space/disk_source.h"
#include "tools/free_space/providers.h"

namespace vhdx::free_space {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 64;

constexpr std::string_view kHelp =
    "Usage: vhdx-free-space [OPTION]... KIND [OFFSET [LENGTH]] < DISK\n"
    "Print what a file system says is free, as a ddrescue map, for \"vhdx compact\".\n"
    "\n"
    "KIND is that of the volume: ext2, ext3, ext4, ntfs, xfs, btrfs, exfat, fat12, fat16, fat32 "
    "or\n"
    "\"Linux swap\". OFFSET and LENGTH are where it is on the disk, in bytes (default: the whole\n"
    "disk). DISK is a raw file or a block device.\n"
    "\n"
    "      --no-sandbox  keep the rights of this process while reading the disk\n"
    "  -v, --verbose     report what the sandbox lacks on this kernel\n"
    "  -h, --help        show this help\n"
    "  -V, --version     print the version\n"
    "\n"
    "Exit status: 0 a map was printed, maybe one that says why the volume is left alone;\n"
    "1 failed; 64 usage.\n";

struct Arguments {
  bool sandbox = true;
  bool verbose = false;
  std::vector<std::string_view> words;
};

struct Volume {
  guest::VolumeKind kind = guest::VolumeKind::kExt4;
  uint64_t offset = 0;
  std::optional<uint64_t> length_bytes = {};
};

Result<void> WriteAll(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return HostFailure(errno, "write to standard output", {});
    text.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

void Complain(std::string_view sentence) {
  static_cast<void>(WriteAll(STDERR_FILENO, Format("vhdx-free-space: {}\n", sentence)));
}

Result<uint64_t> ParseBytes(std::string_view word) {
  uint64_t value = 0;
  const auto [stop, failure] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (failure == std::errc{} && stop == word.data() + word.size()) return value;
  return Fail(ErrorCode::kInvalidArgument,
              Format("\"{}\" is not a number of bytes (see --help)", word));
}

Result<Volume> ParseVolume(std::span<const std::string_view> words) {
  if (words.empty() || words.size() > 3) {
    return Fail(ErrorCode::kInvalidArgument, "expected KIND [OFFSET [LENGTH]] (see --help)");
  }
  const auto kind = KindNamed(words[0]);
  if (!kind) {
    return Fail(ErrorCode::kInvalidArgument,
                Format("unknown kind of volume \"{}\" (see --help)", words[0]));
  }
  Volume volume{.kind = *kind};
  if (words.size() > 1) volume.offset = VHDX_TRY(ParseBytes(words[1]));
  if (words.size() > 2) volume.length_bytes = VHDX_TRY(ParseBytes(words[2]));
  return volume;
}

Result<void> EnterSandbox(bool verbose) {
  const auto confinement = VHDX_TRY(confine::Confine({
      .descriptors_to_read = {STDIN_FILENO},
      // Requests are sent on a socket that is standard input.
      .descriptors_to_write = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO},
      .memory_bytes = 1 * kGiB,
      .processor_seconds = 600,
  }));
  if (!verbose) return {};
  for (const std::string& missing : confinement.missing) Complain(missing);
  return {};
}

Result<void> PrintMapOf(const Volume& where, const Arguments& arguments) {
  auto disk = VHDX_TRY(OpenDisk(STDIN_FILENO));
  if (arguments.sandbox) VHDX_TRY(EnterSandbox(arguments.verbose));
  const uint64_t rest = disk->size_bytes() - std::min(where.offset, disk->size_bytes());
  const uint64_t length = where.length_bytes.value_or(rest);
  if (length == 0 || length > rest) {
    return Fail(ErrorCode::kInvalidArgument,
                Format("the volume is not inside of the disk of {} bytes", disk->size_bytes()));
  }
  DeviceRange volume(*disk, {where.offset, length});
  const auto answer = VHDX_TRY(ReadFreeSpace(where.kind, volume));
  return guest::PrintFreeMap(answer, length,
                             [](std::string_view text) { return WriteAll(STDOUT_FILENO, text); });
}

/// The exit status, if the option ends the program; nothing for one that was stored, or is none.
std::optional<int> TakeOption(std::string_view word, Arguments& arguments) {
  if (word == "--no-sandbox") {
    arguments.sandbox = false;
  } else if (word == "-v" || word == "--verbose") {
    arguments.verbose = true;
  } else if (word == "-h" || word == "--help") {
    return WriteAll(STDOUT_FILENO, kHelp) ? 0 : kFailed;
  } else if (word == "-V" || word == "--version") {
    const std::string text = Format(
        "vhdx-free-space {}\nLicense: GNU GPL version 2 or later, because it links libntfs-3g.\n",
        Version());
    return WriteAll(STDOUT_FILENO, text) ? 0 : kFailed;
  } else {
    Complain(Format("unknown option \"{}\" (see --help)", word));
    return kUsage;
  }
  return std::nullopt;
}

int Run(std::span<char* const> words) {
  Arguments arguments;
  for (const std::string_view word : words) {
    if (!word.starts_with('-')) {
      arguments.words.push_back(word);
    } else if (const auto status = TakeOption(word, arguments)) {
      return *status;
    }
  }
  const auto volume = ParseVolume(arguments.words);
  if (!volume) {
    Complain(ToString(volume.error()));
    return kUsage;
  }
  const auto printed = Caught([&] { return PrintMapOf(*volume, arguments); });
  if (printed) return 0;
  Complain(ToString(printed.error()));
  return kFailed;
}

}  // namespace
}  // namespace vhdx::free_space

int main(int argc, char** argv) {
  const int status =
      vhdx::free_space::Run(std::span(argv, static_cast<size_t>(argc)).subspan(argc > 0 ? 1 : 0));
  // Nothing is left to flush, and the sandbox forbids what some runtimes do at exit.
  ::_exit(status);
}
