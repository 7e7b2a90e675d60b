#include "tools/free_space/lvm_group.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <variant>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "tools/free_space/disk_ranges.h"

namespace vhdx::free_space {
namespace {

constexpr uint64_t kLvmSectorBytes = 512;
constexpr std::string_view kLvmStriped = "striped";  // of one stripe, if it is linear
// More extents than a volume group can have.
constexpr uint64_t kMaxLvmExtents = UINT32_MAX;

std::span<const LvmSection> SectionsIn(const LvmSection& group, std::string_view name) {
  const LvmSection* section = group.Section(name);
  return section == nullptr ? std::span<const LvmSection>() : section->sections;
}

std::string WithoutDashes(std::string_view uuid) {
  std::string text(uuid);
  std::erase(text, '-');
  return text;
}

Found<LvmExtents> ExtentsOf(const LvmSection& group, const LvmSection& physical,
                            uint64_t volume_bytes) {
  const auto extent_sectors = group.Number("extent_size").value_or(0);
  const auto start = CheckedMultiply(physical.Number("pe_start").value_or(0), kLvmSectorBytes);
  const auto count = physical.Number("pe_count");
  if (extent_sectors == 0 || extent_sectors > UINT32_MAX || !start || *start == 0 || !count ||
      *count > kMaxLvmExtents) {
    return LeaveAlone("its metadata is damaged (place of its extents)");
  }
  const LvmExtents extents{.name = physical.name,
                           .start = *start,
                           .extent_bytes = extent_sectors * kLvmSectorBytes,
                           .count = *count};
  const auto bytes = CheckedMultiply(extents.count, extents.extent_bytes);
  if (!bytes || !FitsInside(extents.start, *bytes, volume_bytes)) {
    return LeaveAlone(Format("its extents end past the end of the volume, at {}", volume_bytes));
  }
  return extents;
}

// The entry of the physical volume that has this label.
Found<const LvmSection*> FindPhysical(const LvmMetadata& metadata) {
  const LvmSection* found = nullptr;
  for (const LvmSection& physical : SectionsIn(metadata.group, "physical_volumes")) {
    if (physical.Lists("flags", "MISSING") || physical.Lists("status", "MISSING")) {
      return LeaveAlone(Format("its volume group {} lacks a physical volume", metadata.group.name));
    }
    if (WithoutDashes(physical.Text("id")) != metadata.uuid) continue;
    if (found != nullptr) return LeaveAlone("its metadata is damaged (two physical volumes)");
    found = &physical;
  }
  if (found == nullptr) {
    return LeaveAlone(Format("its volume group {} does not have it", metadata.group.name));
  }
  return found;
}

}  // namespace

Found<LvmGroup> LvmGroup::Of(const LvmMetadata& metadata, uint64_t volume_bytes) {
  LvmGroup group(metadata);
  const LvmSection& section = group.group_;
  if (section.Text("format") != "lvm2") return LeaveAlone("its metadata is of an unknown format");
  for (const char* setting : {"status", "flags"}) {
    if (section.Lists(setting, "EXPORTED")) {
      return LeaveAlone(Format("its volume group {} is exported", section.name));
    }
    if (section.Lists(setting, "PARTIAL")) {
      return LeaveAlone(Format("its volume group {} lacks a physical volume", section.name));
    }
  }
  const LvmSection* physical = VHDX_TRY(FindPhysical(metadata));
  if (physical->Lists("status", "EXPORTED")) return LeaveAlone("it is exported");
  group.extents_ = VHDX_TRY(ExtentsOf(section, *physical, volume_bytes));
  for (const DiskRange& area : metadata.areas) {
    if (area.disk_offset < group.extents_.end() && group.extents_.start < area.end()) {
      return LeaveAlone("its extents overlap its metadata");
    }
  }
  for (const LvmSection& volume : SectionsIn(section, "logical_volumes")) {
    auto segments = VHDX_TRY(group.SegmentsOf(volume));
    for (const Segment& segment : segments) VHDX_TRY(group.AddUses(volume, segment));
    group.segments_.insert({&volume, std::move(segments)});
  }
  std::ranges::sort(group.used_);
  if (AnyOverlap(group.used_)) return LeaveAlone("its metadata is damaged (extents used twice)");
  return group;
}

Found<std::vector<LvmGroup::Segment>> LvmGroup::SegmentsOf(const LvmSection& volume) const {
  std::vector<Segment> segments;
  for (const LvmSection& section : volume.sections) {
    if (!section.name.starts_with("segment")) continue;
    const auto first = section.Number("start_extent");
    const auto count = section.Number("extent_count");
    if (!first || !count || *count == 0 || *first > kMaxLvmExtents || *count > kMaxLvmExtents) {
      return LeaveAlone(Format("the metadata of its volume {} is damaged", volume.name));
    }
    segments.push_back({.section = &section, .first_extent = *first, .extent_count = *count});
  }
  std::ranges::sort(segments, {}, &Segment::first_extent);
  uint64_t next = 0;
  for (const Segment& segment : segments) {
    if (segment.first_extent != next) {
      return LeaveAlone(Format("the metadata of its volume {} is damaged", volume.name));
    }
    next += segment.extent_count;
  }
  if (segments.empty() || volume.Number("segment_count") != segments.size()) {
    return LeaveAlone(Format("the metadata of its volume {} is damaged", volume.name));
  }
  return segments;
}

Found<void> LvmGroup::AddUses(const LvmSection& volume, const Segment& segment) {
  const bool is_striped = segment.section->Text("type") == kLvmStriped;
  for (const LvmSetting& setting : segment.section->settings) {
    for (const LvmValue& value : setting.values) {
      const auto* name = std::get_if<std::string>(&value);
      if (name == nullptr || setting.name == "type" || setting.name == "tags") continue;
      users_.insert({*name, volume.name});
      if (!is_striped && *name == extents_.name) unknown_use_ = volume.name;
    }
  }
  return is_striped ? AddStripes(segment) : Found<void>();
}

// Names and first extents in turn; each stripe has the same number of extents.
Found<void> LvmGroup::AddStripes(const Segment& segment) {
  const auto values = segment.section->Values("stripes");
  const uint64_t stripes = segment.section->Number("stripe_count").value_or(0);
  if (stripes == 0 || values.size() % 2 != 0 || values.size() / 2 != stripes ||
      segment.extent_count % stripes != 0) {
    return LeaveAlone("its metadata is damaged (stripes)");
  }
  const uint64_t length = segment.extent_count / stripes;
  for (size_t i = 0; i < values.size(); i += 2) {
    const auto* name = std::get_if<std::string>(&values[i]);
    const auto* first = std::get_if<uint64_t>(&values[i + 1]);
    if (name == nullptr || first == nullptr) return LeaveAlone("its metadata is damaged (stripes)");
    if (*name != extents_.name) continue;
    if (!FitsInside(*first, length, extents_.count)) {
      return LeaveAlone("its metadata is damaged (extents that it does not have)");
    }
    used_.push_back(
        {extents_.start + *first * extents_.extent_bytes, length * extents_.extent_bytes});
  }
  return {};
}

std::string LvmGroup::WhyNotLinear(const Segment& segment) const {
  const std::string_view type = segment.section->Text("type");
  if (type != kLvmStriped) return Format("it is of type {}", type);
  const auto values = segment.section->Values("stripes");
  if (values.size() != 2) return "it is striped";
  if (std::get<std::string>(values[0]) != extents_.name) {
    return "it is not wholly on this physical volume";
  }
  return "";
}

std::string LvmGroup::WhyNotLinear(const LvmSection& volume) const {
  constexpr std::array<std::string_view, 4> kHarmless = {"READ", "WRITE", "VISIBLE", "FIXED_MINOR"};
  if (volume.Lists("status", "PVMOVE") || volume.Lists("status", "LOCKED")) {
    return "it is being moved (pvmove)";
  }
  if (const auto user = users_.find(volume.name); user != users_.end()) {
    return Format("it is a part of {}", user->second);
  }
  for (const LvmValue& value : volume.Values("status")) {
    const auto* status = std::get_if<std::string>(&value);
    if (status == nullptr || std::ranges::find(kHarmless, *status) == kHarmless.end()) {
      return Format("its status is {}", status != nullptr ? *status : "unknown");
    }
  }
  for (const Segment& segment : segments_.at(&volume)) {
    if (std::string why = WhyNotLinear(segment); !why.empty()) return why;
  }
  return "";
}

LvmLinearVolume LvmGroup::Linear(const LvmSection& volume,
                                 const std::vector<Segment>& segments) const {
  LvmLinearVolume linear{.name = volume.name, .size_bytes = 0, .segments = {}};
  for (const Segment& segment : segments) {
    const auto first = std::get<uint64_t>(segment.section->Values("stripes")[1]);
    const uint64_t length = segment.extent_count * extents_.extent_bytes;
    linear.segments.push_back({.volume_offset = linear.size_bytes,
                               .device_offset = extents_.start + first * extents_.extent_bytes,
                               .length_bytes = length});
    linear.size_bytes += length;
  }
  return linear;
}

FreeSpace LvmGroup::FreeExtents() const {
  const std::vector<DiskRange> all = {{extents_.start, extents_.end() - extents_.start}};
  FreeSpace space{.unit_bytes = extents_.extent_bytes,
                  .free = Without(all, used_),
                  .counted_free_bytes = all[0].length_bytes - LengthOf(used_),
                  .metadata = metadata_.areas};
  space.metadata.push_back({0, extents_.start});
  return space;
}

LvmPhysicalVolume LvmGroup::Describe() const {
  LvmPhysicalVolume described{
      .group = group_.name, .linear = {}, .others = {}, .free_extents = FreeExtents()};
  if (!unknown_use_.empty()) {
    described.free_extents =
        LeftAlone{Format("its volume {} uses extents that are not known", unknown_use_)};
  }
  for (const LvmSection& volume : SectionsIn(group_, "logical_volumes")) {
    if (!volume.Lists("status", "VISIBLE")) continue;
    if (std::string why = WhyNotLinear(volume); !why.empty()) {
      described.others.push_back({volume.name, std::move(why)});
    } else {
      described.linear.push_back(Linear(volume, segments_.at(&volume)));
    }
  }
  return described;
}

}  // namespace vhdx::free_space
