#include "cli/other_tools.h"

#include <algorithm>
#include <iterator>

namespace vhdx::cli {
namespace {

// An option of another program, and what it is called here. An empty command: any that does not
// have the option itself.
struct ForeignOption {
  std::string_view command;
  std::string_view name;
  std::string_view advice;
};
constexpr std::string_view kOwnNames =
    "options have names of their own here: --block-size, --log-size, --fixed";
constexpr std::string_view kByParent = "the parent is named with --parent";
constexpr std::string_view kIsVhdx = "a new image is always a VHDX";
constexpr std::string_view kByFixed = "a disk of fixed size is made with --fixed";
constexpr std::string_view kBySize = "the size comes after the file: `vhdx create FILE SIZE`";
constexpr std::string_view kNoSnapshots =
    "a checkpoint is a file of its own: name its .avhdx file as the source";
constexpr std::string_view kWholeMap = "the map is always of the whole disk";
constexpr std::string_view kHostCache = "the cache of the host is used; --direct bypasses it";
constexpr std::string_view kOneImage = "a dump is of one image, and its parents are not read";
constexpr std::string_view kUntilStopped = "the server runs until it is stopped";
constexpr std::string_view kShrinks =
    "a smaller SIZE is enough; it is refused where data would be cut off, unless --allow-unsafe is "
    "given";
constexpr std::string_view kNewSize = "the size comes last: `vhdx resize FILE SIZE`";
constexpr std::string_view kJustFiles = "the files are named without an option";
constexpr ForeignOption kForeignOptions[] = {
    {"create", "-f", kIsVhdx},
    {"create", "--format", kIsVhdx},
    {"create", "-b", kByParent},
    {"create", "--backing", kByParent},
    {"create", "--diffparent", kByParent},
    {"create", "-F", "the format of a parent is always VHDX"},
    {"create", "-o", kOwnNames},
    {"create", "--options", kOwnNames},
    {"create", "-u", "the parent must exist, because the child is made for its identity"},
    {"create", "--size", kBySize},
    {"create", "--filename", kBySize},
    {"create", "--variant", kByFixed},
    {"convert", "-o", kOwnNames},
    {"convert", "--options", kOwnNames},
    {"convert", "-c", "VHDX has no compression"},
    {"convert", "-W", "writes are always unordered"},
    {"convert", "-m", "the number of threads is -j"},
    {"convert", "-t", "the cache of the host is used; --sync makes the result durable"},
    {"convert", "-S", "zeros are found in units of 4 KiB"},
    {"convert", "-B", "a copy has no parent; `vhdx snapshot FILE CHILD` makes a child"},
    {"convert", "-C", "data is shared instead of copied wherever the file system can do that"},
    {"convert", "-l", kNoSnapshots},
    {"convert", "-r", "the rate cannot be limited"},
    {"convert", "--bitmaps", "VHDX has no bitmaps of changed blocks"},
    {"convert", "--target-is-zero", "zeros are always written to a target that exists"},
    {"convert", "--target-image-opts", "the target is named by its path"},
    {"convert", "--variant", kByFixed},
    {"convert", "--salvage", "salvaging is not implemented yet"},
    {"check", "--repair", "repairing is not implemented yet"},
    {"check", "--chain", "all parents are checked anyway"},
    {"check", "--backing-chain", "all parents are checked anyway"},
    {"compare", "-s", "the same sizes are required by --strict"},
    {"info", "--backing-chain", "the whole chain is shown by --chain"},
    {"map", "--start-offset", kWholeMap},
    {"map", "--max-length", kWholeMap},
    {"dump", "--parent", kOneImage},
    {"dump", "--ignore-parent-id", kOneImage},
    {"measure", "-o", kOwnNames},
    {"measure", "-l", kNoSnapshots},
    {"measure", "--size", "only a disk that exists can be measured"},
    {"snapshot", "-c", "the child is a file that comes last: `vhdx snapshot FILE CHILD`"},
    {"snapshot", "-l", "`vhdx chain DIR` shows the images in a directory with their checkpoints"},
    {"snapshot", "-a", "to return to an earlier state, create another child of that parent"},
    {"snapshot", "-d",
     "merging is not implemented yet; `vhdx convert` writes a chain into one image"},
    {"bench", "-c", "the number of requests is --count"},
    {"bench", "-d", "the number of requests at once is --depth"},
    {"bench", "-i", "requests are made by threads, as many as --depth says"},
    {"bench", "-n", kHostCache},
    {"bench", "-o", "the first request is at the start of the disk"},
    {"bench", "-s", "the size of a request is --block"},
    {"bench", "-S", "the distance from one request to the next is --step"},
    {"bench", "-t", kHostCache},
    {"bench", "-w", "writing is --write"},
    {"serve", "-s", "use --snapshot-writes, or --socket for the path of the socket"},
    {"serve", "-k", "use --socket"},
    {"serve", "-r", "use --read-only"},
    {"serve", "--port", "the port is part of --listen HOST:PORT"},
    {"serve", "-b", "the address is part of --listen HOST:PORT"},
    {"serve", "-c", "`nbd-client` connects a device to the server"},
    {"serve", "-t", kUntilStopped},
    {"serve", "--persistent", kUntilStopped},
    {"resize", "--shrink", kShrinks},
    {"resize", "--preallocation", "what a fixed disk gains is always allocated"},
    {"resize", "--size", kNewSize},
    {"resize", "--resize", kNewSize},
    {"resize", "--resizebyte", kNewSize},
    {"resize", "-SizeBytes", kNewSize},
    {"resize", "-ToMinimumSize", "use --to-minimum"},
    {"resize", "--minimum", "use --to-minimum"},
    {"resize", "--force", "what --allow-unsafe permits is cutting a disk although data is lost"},
    {"resize", "-Path", kJustFiles},
    {"compact", "-Path", kJustFiles},
    {"compact", "-Mode", "use --mode"},
    {"compact", "-Full", "use --mode full"},
    {"compact", "-Quick", "use --mode quick"},
    {"compact", "--zerofree", "blocks of zeros are given back anyway"},
    {"compact", "--in-place", "an image is always compacted in place"},
    {"compact", "--inplace", "an image is always compacted in place"},
    {"compact", "--output", "an image is compacted in place; `vhdx convert` writes a new one"},
    {"compact", "-o", "an image is compacted in place; `vhdx convert` writes a new one"},
    {"convert", "--azure",
     "not implemented yet; for Azure: `vhdx convert SRC disk.raw`, then "
     "`qemu-img convert -O vpc -o subformat=fixed,force_size disk.raw disk.vhd`"},
    {"", "-f", "the image is always a VHDX"},
    {"", "-T", "the cache of the host is used"},
    {"", "--output", "for JSON, use --json"},
    {"", "--object", "not supported"},
    {"", "--image-opts", "the image is named by its path"},
};

// Commands that people look for, and what to use meanwhile.
struct FutureCommand {
  std::string_view name;
  std::string_view advice;
};
constexpr std::string_view kToFlatten =
    "`vhdx convert CHILD NEW.vhdx` writes a chain into one new image";
constexpr FutureCommand kFutureCommands[] = {
    {"merge", kToFlatten},
    {"commit", kToFlatten},
    {"rebase", kToFlatten},
    {"repair", "`vhdx check` says what is wrong"},
    {"Merge-VHD", kToFlatten},
    {"amend", "a copy made by `vhdx convert` can have other parameters"},
    {"mount", "`vhdx serve` serves the disk; the README shows how to mount it"},
};

// Commands of other programs, and what does the same here.
struct ForeignCommand {
  std::string_view name;
  std::string_view ours;
};
constexpr ForeignCommand kForeignCommands[] = {
    {"dd", "convert"},
    {"clonemedium", "convert"},
    {"clonehd", "convert"},
    {"convertdd", "convert"},
    {"createmedium", "create"},
    {"createhd", "create"},
    {"showmediuminfo", "info"},
    {"showhdinfo", "info"},
    {"modifymedium", "resize"},
    {"modifyhd", "resize"},
    {"trim", "compact"},
    {"sparsify", "compact"},
    {"virt-sparsify", "compact"},
    {"shrink", "compact"},
    {"grow", "resize"},
    {"expand", "resize"},
    {"New-VHD", "create"},
    {"Get-VHD", "info"},
    {"Test-VHD", "check"},
    {"Convert-VHD", "convert"},
    {"Mount-VHD", "serve"},
    {"Optimize-VHD", "compact"},
    {"Resize-VHD", "resize"},
    {"Checkpoint-VM", "snapshot"},
};

}  // namespace

std::string_view AdviceOnForeignOption(std::string_view command, std::string_view name) {
  for (const ForeignOption& foreign : kForeignOptions) {
    const bool is_for_it = foreign.command == command || foreign.command.empty();
    if (foreign.name == name && is_for_it) return foreign.advice;
  }
  return {};
}

std::string_view InsteadOfFutureCommand(std::string_view name) {
  const auto future = std::ranges::find(kFutureCommands, name, &FutureCommand::name);
  return future == std::end(kFutureCommands) ? std::string_view() : future->advice;
}

std::string_view OurCommandFor(std::string_view foreign_name) {
  const auto foreign = std::ranges::find(kForeignCommands, foreign_name, &ForeignCommand::name);
  return foreign == std::end(kForeignCommands) ? std::string_view() : foreign->ours;
}

}  // namespace vhdx::cli
