#include "guest/gpt.h"

#include <algorithm>
#include <optional>

#include "bytes/formatting.h"
#include "bytes/utf16.h"
#include "guest/gpt_copy.h"

namespace vhdx::guest {
namespace {

void AddPartitions(const GptCopy& copy, uint64_t sector_size, Gpt& gpt) {
  for (uint32_t i = 0; i < copy.header.entry_count; ++i) {
    const GptEntry entry = copy.EntryAt(i);
    if (entry.type.IsZero()) continue;
    const auto range = RangeOfEntry(entry, sector_size);
    if (!range) {
      gpt.contradictions.Add(Format("partition {} has the sectors {} to {}", i + 1,
                                    uint64_t{entry.first_sector}, uint64_t{entry.last_sector}));
      continue;
    }
    gpt.partitions.push_back({.number = i + 1,
                              .range = *range,
                              .type_guid = entry.type,
                              .name = DisplayableUtf8FromUtf16(entry.name)});
  }
}

void Describe(const GptPair& pair, Gpt& gpt) {
  const auto& [primary, backup] = pair;
  GptCopies& copies = gpt.copies;
  copies.primary_valid = primary.has_value();
  copies.backup_valid = backup.has_value();
  if (primary) copies.primary_entries = primary->entries_range;
  if (backup) {
    copies.backup_entries = backup->entries_range;
    copies.backup_header = backup->header_range;
  }
  const GptCopy& copy = primary ? *primary : *backup;
  copies.backup_bytes = copy.entries_range.length_bytes + copy.header_range.length_bytes;
  if (!primary) {
    gpt.contradictions.Add("the primary GPT is damaged, and only its backup is valid");
  } else if (backup && (primary->entries != backup->entries ||
                        primary->header.disk_guid != backup->header.disk_guid)) {
    gpt.contradictions.Add("the GPT and its backup differ");
  }
}

}  // namespace

std::optional<Gpt> ReadGpt(RangeReader& disk, uint32_t sector_size) {
  const GptPair pair = ReadGptPair(disk, sector_size);
  const auto& [primary, backup] = pair;
  if (!primary && !backup) return std::nullopt;
  Gpt gpt;
  Describe(pair, gpt);
  AddPartitions(primary ? *primary : *backup, sector_size, gpt);
  gpt.structures_end = (kPrimaryGptSector + 1) * sector_size;
  if (primary) gpt.structures_end = std::max(gpt.structures_end, primary->entries_range.end());
  return gpt;
}

}  // namespace vhdx::guest
