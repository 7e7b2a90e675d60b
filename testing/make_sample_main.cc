// make_sample: writes a sample disk, or a chain of three, onto the host.

#include <vhdxkit/file.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "testing/image_builder.h"
#include "testing/sample.h"

namespace {

using namespace vhdx;           // NOLINT(google-build-using-namespace): a program, not a header
using namespace vhdx::testing;  // NOLINT(google-build-using-namespace)

constexpr const char* kUsage =
    "usage: make_sample [OPTION]... FILE\n"
    "       make_sample [OPTION]... --chain FOLDER\n"
    "\n"
    "Writes FILE, a dynamic VHDX with some data; or base.vhdx, child.avhdx and\n"
    "leaf.avhdx, each on the one before, into FOLDER. No file is overwritten.\n"
    "\n"
    "  --size BYTES          size of the disk, with K, M, G or T (256M)\n"
    "  --block-size BYTES    1M to 256M, a power of two (2M)\n"
    "  --sector-size BYTES   512 or 4096 (512)\n"
    "  --data-percent N      share of the blocks that hold data (25)\n"
    "  --fixed               a fixed disk: all blocks\n";

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 64;

struct Arguments {
  SampleShape shape;
  bool chain = false;
  std::string path;
};

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit(end, text.size() - static_cast<size_t>(end - text.data()));
  if (error != std::errc() || unit.size() > 1) return std::nullopt;
  if (unit.empty()) return value;
  constexpr std::string_view kUnits = "KMGT";
  const size_t power = kUnits.find(unit[0]);
  if (power == std::string_view::npos) return std::nullopt;
  return CheckedMultiply(value, uint64_t{1} << (10 * (power + 1)));
}

bool IsLegal(const SampleShape& shape) {
  const bool block_size_is_right = shape.block_size >= kMiB && shape.block_size <= 256 * kMiB &&
                                   (shape.block_size & (shape.block_size - 1)) == 0;
  const bool sector_size_is_right =
      shape.logical_sector_size == 512 || shape.logical_sector_size == 4096;
  return block_size_is_right && sector_size_is_right && shape.data_percent <= 100 &&
         shape.disk_size != 0 && shape.disk_size <= 64 * kTiB &&
         shape.disk_size % shape.logical_sector_size == 0;
}

// The option's number goes where it belongs; false for an unknown option.
bool Store(std::string_view option, uint64_t value, SampleShape& shape) {
  constexpr uint64_t kMax32 = UINT32_MAX;
  if (option == "--size") {
    shape.disk_size = value;
  } else if (option == "--block-size") {
    shape.block_size = value;
  } else if (option == "--sector-size") {
    shape.logical_sector_size = static_cast<uint32_t>(std::min(value, kMax32));
  } else if (option == "--data-percent") {
    shape.data_percent = static_cast<uint32_t>(std::min(value, kMax32));
  } else {
    return false;
  }
  return true;
}

std::optional<Arguments> Parse(const std::vector<std::string_view>& words) {
  Arguments arguments;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--chain") {
      arguments.chain = true;
    } else if (words[i] == "--fixed") {
      arguments.shape.fixed = true;
    } else if (words[i].starts_with("--")) {
      if (i + 1 == words.size()) return std::nullopt;
      const auto value = ParseNumber(words[i + 1]);
      if (!value || !Store(words[i], *value, arguments.shape)) return std::nullopt;
      ++i;
    } else if (arguments.path.empty()) {
      arguments.path = words[i];
    } else {
      return std::nullopt;
    }
  }
  if (arguments.path.empty() || !IsLegal(arguments.shape)) return std::nullopt;
  return arguments;
}

bool Write(const ImageSpec& spec, const std::string& path) {
  HostFileSystem files;
  const auto layout = BuildAt(spec, files, path);
  if (!layout) {
    std::fprintf(stderr, "make_sample: %s\n", ToString(layout.error()).c_str());
    return false;
  }
  std::printf("%s\n", path.c_str());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = Parse({argv + 1, argv + argc});
  if (!arguments) {
    std::fputs(kUsage, stderr);
    return kExitUsage;
  }
  if (!arguments->chain) {
    return Write(SampleDisk(arguments->shape), arguments->path) ? 0 : kExitFailure;
  }
  for (const SampleFile& file : SampleChain(arguments->shape)) {
    if (!Write(file.spec, arguments->path + "/" + file.name)) return kExitFailure;
  }
  return 0;
}
