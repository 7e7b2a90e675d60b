// The outcome of `vhdx compact`, as JSON and as text.

#ifndef VHDXKIT_CLI_COMPACT_DOCUMENT_H_
#define VHDXKIT_CLI_COMPACT_DOCUMENT_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/compact.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cli/batch_table.h"
#include "json/json.h"

namespace vhdx::cli {

/// How much of the free space of a volume shares its block with something else, by the size of
/// blocks.
class SharedFreeSpace {
 public:
  SharedFreeSpace() = default;
  /// `free`: ranges of the disk, in order and apart.
  explicit SharedFreeSpace(std::span<const DiskRange> free);

  /// The largest block size below `block_size_bytes` with which at most a quarter as much would be
  /// kept, or, if there is none, the smallest with which a quarter less would be; 0 if no block
  /// size helps.
  uint64_t BetterBlockSize(uint64_t block_size_bytes) const;

 private:
  static constexpr uint64_t kSmallestBlock = uint64_t{1} << 20;
  static constexpr size_t kSizes = 9;  // 1 MiB to 256 MiB
  std::array<uint64_t, kSizes> bytes_{};
};

/// What was done, or, after a dry run, what would be done.
struct CompactOutcome {
  CompactReport report = {};
  std::string mode = "full";
  bool dry_run = false;
  std::vector<uint64_t> better_block_sizes = {};  ///< for each volume of the report; 0: none
  std::vector<std::string> notes = {};            ///< lines about what the appliance did
};

/// {filename, mode, old-file-size, new-file-size, old-actual-size, new-actual-size, blocks-moved,
/// blocks-freed, partly-used, unreferenced, filesystems: [{partition, type, free, given-back, kept,
/// skipped}]}, and, where there is something to say, appliance and dry-run. What is not known, or
/// does not apply, is null.
Json CompactToJson(const CompactOutcome& outcome);

std::string CompactToText(const CompactOutcome& outcome);

/// What the host gets back; 0 if the image needs more than before.
uint64_t SavedBytes(const CompactReport& report);

/// The headings of the table for many files, and the line of one.
std::vector<std::string> CompactHeadings();
BatchRow CompactToRow(const CompactOutcome& outcome);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_COMPACT_DOCUMENT_H_
