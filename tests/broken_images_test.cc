// Every broken or odd image of the kit: what opening it, reading it and checking it come to, and
// what that costs.

#include <gtest/gtest.h>
#include <vhdxkit/check.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/dump.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "format/findings.h"
#include "testing/broken_cases.h"
#include "testing/disk_model.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"
#include "testing/scale.h"
#include "testing/sha256.h"
#include "tests/allocation_counter.h"

namespace vhdx::tests {
namespace {

using testing::BrokenCase;
using testing::CompareWithModel;
using testing::DiskModel;
using testing::MemoryFileSystem;
using testing::OutcomeOf;

constexpr uint64_t kMaxBytes = uint64_t{64} << 20;
constexpr double kMaxSeconds = 1.0;  // of the processor

double ProcessorSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// What a piece of work costs, from its making to its end.
class Bounds {
 public:
  Bounds() : bytes_(AllocationCounter::current()), seconds_(ProcessorSeconds()) {
    AllocationCounter::Reset();
  }
  ~Bounds() {
    if (!kAllocationsAreCounted) return;  // nor is time of any use then
    EXPECT_LE(AllocationCounter::PeakSince(bytes_), kMaxBytes);
    EXPECT_LE(ProcessorSeconds() - seconds_, kMaxSeconds);
  }
  Bounds(const Bounds&) = delete;
  Bounds& operator=(const Bounds&) = delete;

 private:
  uint64_t bytes_;
  double seconds_;
};

DiskModel ModelOf(const BrokenCase& broken_case) {
  std::vector<testing::ImageSpec> chain;
  for (size_t i = 0; i < broken_case.chain_length; ++i) {
    chain.push_back(broken_case.files[i].spec);
  }
  return DiskModel(std::move(chain));
}

uint64_t BlockSize(const BrokenCase& broken_case) {
  return broken_case.files[0].spec.parameters.block_size_bytes;
}

// Where the model can be held against the disk: all but the blocks that the case takes out.
std::vector<DiskRange> RangesToCompare(const BrokenCase& broken_case, const DiskModel& model) {
  std::set<uint64_t> left_out(broken_case.unchecked_blocks.begin(),
                              broken_case.unchecked_blocks.end());
  for (const auto& unreadable : broken_case.unreadable) left_out.insert(unreadable.block);
  std::vector<DiskRange> ranges;
  for (DiskRange range : model.InterestingRanges()) {
    for (const uint64_t block : left_out) {
      const uint64_t start = block * BlockSize(broken_case);
      const uint64_t end = start + BlockSize(broken_case);
      if (start >= range.end() || end <= range.disk_offset) continue;
      if (start > range.disk_offset) {
        ranges.push_back({range.disk_offset, start - range.disk_offset});
      }
      const uint64_t next = std::min(end, range.end());
      range = {next, range.end() - next};
    }
    if (range.length_bytes > 0) ranges.push_back(range);
  }
  return ranges;
}

std::string HashOf(Disk& disk) {
  testing::Sha256 hash;
  std::vector<std::byte> piece(1 << 20);
  for (uint64_t at = 0; at < disk.size_bytes(); at += piece.size()) {
    const auto bytes =
        std::span(piece).first(std::min<uint64_t>(piece.size(), disk.size_bytes() - at));
    EXPECT_EQ(OutcomeOf(disk.Read(at, bytes)), "ok");
    hash.Update(bytes);
  }
  return hash.Finish();
}

void ExpectContents(const BrokenCase& broken_case, Disk& disk) {
  if (!broken_case.content_sha256.empty()) {
    EXPECT_EQ(HashOf(disk), broken_case.content_sha256);
    return;
  }
  const DiskModel model = ModelOf(broken_case);
  EXPECT_EQ(disk.size_bytes(), model.size_bytes());
  EXPECT_EQ(CompareWithModel(disk, model, RangesToCompare(broken_case, model)), "");
  for (const auto& [block, outcome] : broken_case.unreadable) {
    std::array<std::byte, 512> sector{};
    EXPECT_EQ(OutcomeOf(disk.Read(block * BlockSize(broken_case), sector)), outcome)
        << "block " << block;
  }
}

// What a check found, sorted, without what every sparse file has.
std::vector<std::string> FindingsOf(const CheckReport& report) {
  std::vector<std::string> findings;
  for (const Finding& finding : report.findings) {
    if (finding.rule->id != "host.sparse") findings.push_back(OutcomeOf(std::span(&finding, 1)));
  }
  std::ranges::sort(findings);
  return findings;
}

std::vector<std::string> ExpectedFindings(const BrokenCase& broken_case) {
  std::vector<std::string> findings = broken_case.findings;
  if (!broken_case.refused.empty()) findings.push_back(broken_case.refused);
  std::ranges::sort(findings);
  return findings;
}

// What a broken part of a file leaves intact, by the start of the rule: the longest one counts.
struct Intact {
  std::string_view rule;
  bool headers, log, region_tables, metadata, bat;
};
constexpr Intact kIntact[] = {
    {"", false, false, false, false, false},  // a file that was cut off
    {"file.signature", true, true, true, true, true},
    {"header.", false, false, true, true, true},
    {"log.", true, true, true, true, true},
    {"region.", true, true, false, false, false},
    {"region.range", true, true, true, false, false},
    {"region.unknown-required", true, true, true, true, true},
    {"metadata.", true, true, true, false, false},
    {"metadata.item-overlap", true, true, true, true, true},
    {"metadata.unknown-required", true, true, true, true, true},
    {"metadata.incomplete-file", true, true, true, true, true},
    {"locator.", true, true, true, true, true},
    {"bat.region-length", true, true, true, true, false},
};

Intact IntactAfter(const std::string& refused) {
  Intact intact = {"", true, true, true, true, true};
  if (refused.empty() || refused.starts_with("parent.")) return intact;
  size_t longest = 0;
  for (const Intact& row : kIntact) {
    if (!refused.starts_with(row.rule) || row.rule.size() < longest) continue;
    longest = row.rule.size();
    intact = row;
  }
  return intact;
}

template <typename Element>
std::function<Result<void>(const Element&)> Count(uint64_t& count) {
  return [&count](const Element&) -> Result<void> {
    ++count;
    return {};
  };
}

// Whatever is refused, the rest is shown.
void ExpectDump(const BrokenCase& broken_case, MemoryFileSystem& files, const std::string& path) {
  const auto dump = ImageDump::Open(files, path, broken_case.options.images);
  if (!dump) {  // not an image at all
    EXPECT_EQ(OutcomeOf(dump), "file.signature@0");
    EXPECT_EQ(broken_case.refused, "file.signature@0");
    return;
  }
  const ImageStructures& image = (*dump)->structures();
  const bool is_alone =
      broken_case.files.size() == 1 && !broken_case.refused.starts_with("parent.");
  if (is_alone) {
    EXPECT_EQ(image.error ? OutcomeOf(*image.error) : "", broken_case.refused);
  }
  const bool is_cut = broken_case.name.starts_with("file/cut");
  const Intact intact =
      is_cut ? kIntact[0] : IntactAfter(image.error ? OutcomeOf(*image.error) : "");
  EXPECT_TRUE(!intact.headers || image.current_header);
  const bool has_log =
      image.current_header && image.headers[*image.current_header].fields->log_length_bytes != 0;
  EXPECT_TRUE(!intact.log || !has_log || image.log.range);
  EXPECT_TRUE(!intact.region_tables || image.current_region_table);
  EXPECT_TRUE(!intact.metadata || image.metadata.sound);
  EXPECT_TRUE(!intact.bat || image.bat.geometry_known);
  uint64_t count = 0;
  EXPECT_EQ((*dump)->VisitLog(Count<LogEntryDump>(count)).has_value(),
            image.log.range.has_value() || !image.log.verdict.error);
  EXPECT_EQ((*dump)->VisitBat(Count<BatEntryInfo>(count)).has_value(),
            image.bat.region.has_value());
  EXPECT_EQ((*dump)->VisitBitmaps(Count<BitmapDump>(count)).has_value(), image.bat.geometry_known);
}

void RunCase(const BrokenCase& broken_case) {
  MemoryFileSystem files;
  ASSERT_EQ(OutcomeOf(testing::StageFiles(broken_case, files)), "ok");
  const std::string& path = broken_case.files[0].path;
  {
    const Bounds bounds;
    const auto disk = Disk::Open(files, path, {.chain = broken_case.options});
    EXPECT_EQ(OutcomeOf(disk), broken_case.refused.empty() ? "ok" : broken_case.refused);
    if (disk) ExpectContents(broken_case, **disk);
  }
  {
    const Bounds bounds;
    ExpectDump(broken_case, files, path);
  }
  const Bounds bounds;
  const auto report = Check(files, path, broken_case.options);
  ASSERT_EQ(OutcomeOf(report), "ok");
  EXPECT_EQ(FindingsOf(*report), ExpectedFindings(broken_case));
}

struct Part {
  const char* name;
  std::vector<BrokenCase> (*cases)();
};

// By rule: the cases that it keeps from being opened, and those in which a check finds it.
struct RuleOutcomes {
  uint64_t refused = 0;
  uint64_t found = 0;
};

std::string RuleOf(const std::string& outcome) { return outcome.substr(0, outcome.find('@')); }

class BrokenImages : public ::testing::TestWithParam<Part> {
 protected:
  // Under VHDXKIT_SCALE one in so many, and all those that show a rule for the first time.
  bool IsWanted(size_t position, const BrokenCase& broken_case) const {
    if (position % testing::Scale() == 0) return true;
    return std::ranges::any_of(ExpectedFindings(broken_case), [&](const std::string& finding) {
      return !outcomes_.contains(RuleOf(finding));
    });
  }
  void Count(const BrokenCase& broken_case) {
    ++outcomes_[broken_case.refused.empty() ? "(opens)" : RuleOf(broken_case.refused)].refused;
    for (const std::string& finding : ExpectedFindings(broken_case)) {
      ++outcomes_[RuleOf(finding)].found;
    }
  }
  void TearDown() override {
    std::printf("%-36s %7s %7s\n", "outcome by rule", "opening", "check");
    for (const auto& [rule, count] : outcomes_) {
      std::printf("%-36s %7llu %7llu\n", rule.c_str(),
                  static_cast<unsigned long long>(count.refused),
                  static_cast<unsigned long long>(count.found));
    }
  }

 private:
  std::map<std::string, RuleOutcomes> outcomes_;
};

INSTANTIATE_TEST_SUITE_P(Parts, BrokenImages,
                         ::testing::Values(Part{"File", testing::broken_file::Cases},
                                           Part{"Header", testing::broken_header::Cases},
                                           Part{"Log", testing::broken_log::Cases},
                                           Part{"Region", testing::broken_region::Cases},
                                           Part{"Metadata", testing::broken_metadata::Cases},
                                           Part{"Locator", testing::broken_locator::Cases},
                                           Part{"Chain", testing::broken_chain::Cases},
                                           Part{"Bat", testing::broken_bat::Cases}),
                         [](const auto& part) { return part.param.name; });

TEST_P(BrokenImages, ComeToWhatTheyMust) {
  const std::vector<BrokenCase> cases = GetParam().cases();
  for (size_t i = 0; i < cases.size(); ++i) {
    const BrokenCase& broken_case = cases[i];
    if (!IsWanted(i, broken_case)) continue;
    SCOPED_TRACE(broken_case.name);
    RunCase(broken_case);
    Count(broken_case);
  }
}

TEST(BrokenCases, ThereAreManyAndTheirNamesDiffer) {
  const std::vector<BrokenCase> cases = testing::BrokenCases();
  EXPECT_GE(cases.size(), 300U);
  std::set<std::string> names;
  for (const BrokenCase& broken_case : cases) {
    EXPECT_TRUE(names.insert(broken_case.name).second) << broken_case.name;
  }
}

// Rules that no image can break.
const std::map<std::string_view, std::string_view> kRulesOfTheHost = {
    {"host.no-locks", "a file system without locks: no matter of the file"},
    {"file.unreadable", "an I/O error of the host: unreadable_unit_test"},
    {"header.unreadable", "an I/O error of the host: unreadable_unit_test"},
    {"region.unreadable", "an I/O error of the host: unreadable_unit_test"},
    {"log.unreadable", "an I/O error of the host: unreadable_unit_test"},
    {"bat.unreadable", "an I/O error of the host: unreadable_unit_test"},
    {"log.ignored", "an option: disk_test"},
    {"parent.id-ignored", "an option: disk_test"},
    {"parent.ambiguous", "two files beside the image: disk_test"},
};

TEST(BrokenCases, EveryRuleHasOne) {
  std::set<std::string> broken = {"host.sparse"};  // every file with holes; held below
  for (const BrokenCase& broken_case : testing::BrokenCases()) {
    for (const std::string& outcome : ExpectedFindings(broken_case)) {
      broken.insert(RuleOf(outcome));
    }
  }
  for (const Rule* rule : AllRules()) {
    EXPECT_NE(broken.contains(std::string(rule->id)), kRulesOfTheHost.contains(rule->id))
        << rule->id;
  }
}

TEST(BrokenCases, FileWithHolesIsNoted) {
  MemoryFileSystem files;
  ASSERT_EQ(OutcomeOf(testing::StageFiles(testing::Opens("twin", testing::TwinImage()), files)),
            "ok");
  const auto report = Check(files, "/vm/disk.vhdx");
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(OutcomeOf(std::span(report->findings)), "host.sparse@0");
  EXPECT_EQ(report->verdict, CheckVerdict::kClean);
  const std::vector<std::byte> bytes = files.Contents("/vm/disk.vhdx")->Bytes();
  files.AddFile("/vm/full.vhdx", bytes);
  const auto full = Check(files, "/vm/full.vhdx");
  ASSERT_TRUE(full.has_value());
  EXPECT_EQ(OutcomeOf(std::span(full->findings)), "");
}

}  // namespace
}  // namespace vhdx::tests
