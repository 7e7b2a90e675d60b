#include "format/findings.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "format/rules.h"

namespace vhdx {
namespace {

const Place kPlace{"a.vhdx", 4096};

TEST(Rules, IdsAreDistinctAndFound) {
  std::set<std::string_view> ids;
  for (const Rule* rule : AllRules()) {
    EXPECT_TRUE(ids.insert(rule->id).second) << rule->id;
    EXPECT_EQ(FindRule(rule->id), rule);
  }
  EXPECT_EQ(FindRule("no.such-rule"), nullptr);
  EXPECT_EQ(FindRule(""), nullptr);
}

TEST(Rules, EveryRuleSaysWhatItMeansAndWhereItComesFrom) {
  for (const Rule* rule : AllRules()) {
    EXPECT_FALSE(rule->meaning.empty()) << rule->id;
    EXPECT_TRUE(rule->basis.starts_with("[MS-VHDX] 2.") || rule->basis.starts_with("ours: "))
        << rule->id << ": " << rule->basis;
    EXPECT_FALSE(rule->meaning.ends_with('.')) << rule->id;
  }
}

TEST(SeverityName, RefusedAndReadOnlyAreErrors) {
  EXPECT_EQ(SeverityName(Severity::kRefuse), "error");
  EXPECT_EQ(SeverityName(Severity::kReadOnly), "error");
  EXPECT_EQ(SeverityName(Severity::kTolerate), "warning");
  EXPECT_EQ(SeverityName(Severity::kNote), "note");
}

TEST(MakeFinding, SentenceHoldsPlaceAndValues) {
  const Finding finding = MakeFinding(rules::kHeaderChecksum, kPlace, "0x1", "0x2");
  EXPECT_EQ(finding.rule, &rules::kHeaderChecksum);
  EXPECT_EQ(finding.file, "a.vhdx");
  EXPECT_EQ(finding.file_offset, 4096U);
  EXPECT_EQ(finding.found, "0x1");
  EXPECT_EQ(finding.expected, "0x2");
  EXPECT_EQ(finding.sentence,
            "a header has a wrong checksum (at offset 4096): found 0x1, expected 0x2; if the other "
            "header is valid, the first write rewrites both");
}

TEST(MakeFinding, ValuesMayBeMissing) {
  EXPECT_EQ(MakeFinding(rules::kMetadataDuplicate, kPlace).sentence,
            "two metadata items have the same ID (at offset 4096)");
  EXPECT_EQ(MakeFinding(rules::kMetadataDuplicate, kPlace, "x").sentence,
            "two metadata items have the same ID (at offset 4096): found x");
  EXPECT_EQ(MakeFinding(rules::kMetadataDuplicate, kPlace, "", "y").sentence,
            "two metadata items have the same ID (at offset 4096): expected y");
}

TEST(CorruptError, CarriesTheRule) {
  const Error error = CorruptError(rules::kMetadataDuplicate, kPlace, "x", "y");
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_EQ(error.rule, "metadata.duplicate");
  EXPECT_EQ(error.file, "a.vhdx");
  EXPECT_EQ(error.file_offset, 4096U);
  EXPECT_EQ(error.found, "x");
  EXPECT_EQ(error.expected, "y");
  EXPECT_TRUE(error.sentence.ends_with(" [metadata.duplicate]")) << error.sentence;
}

TEST(Findings, OfEachRuleOnlySoManyAreKeptAndAllAreCounted) {
  Findings findings;
  for (uint64_t i = 0; i < 1000; ++i) findings.Add(rules::kBatReserved, kPlace.Plus(i));
  findings.Add(rules::kBatOverlap, kPlace);
  EXPECT_EQ(findings.kept().size(), 256U + 1);
  EXPECT_EQ(findings.kept()[255].file_offset, 4096U + 255);
  EXPECT_EQ(findings.kept()[256].rule, &rules::kBatOverlap);
  EXPECT_EQ(findings.counts().at(&rules::kBatReserved), 1000U);
  EXPECT_EQ(findings.counts().at(&rules::kBatOverlap), 1U);
}

TEST(Findings, WholeFindingsCountTowardsTheSameLimit) {
  Findings findings;
  const Finding finding = MakeFinding(rules::kBatReserved, kPlace);
  const Error error = CorruptError(rules::kBatReserved, kPlace);
  for (int i = 0; i < 200; ++i) findings.Add(finding);
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(findings.Add(error));
  EXPECT_EQ(findings.kept().size(), 256U);
  EXPECT_EQ(findings.counts().at(&rules::kBatReserved), 400U);
}

TEST(Findings, ErrorWithoutARuleIsNoFinding) {
  Findings findings;
  EXPECT_FALSE(findings.Add(Fail(ErrorCode::kIo, "it broke").error()));
  EXPECT_TRUE(findings.kept().empty());
  EXPECT_TRUE(findings.Add(CorruptError(rules::kBatOverlap, kPlace, "x", "y")));
  ASSERT_EQ(findings.kept().size(), 1U);
  EXPECT_EQ(findings.kept()[0].rule, &rules::kBatOverlap);
  EXPECT_EQ(findings.kept()[0].found, "x");
  EXPECT_EQ(findings.kept()[0].file_offset, 4096U);
}

TEST(Findings, RefusalWithoutARuleIsAStructureThatCannotBeRead) {
  Findings findings;
  findings.AddRefusal({.code = ErrorCode::kIo,
                       .file = "a.vhdx",
                       .file_offset = 4096,
                       .sentence = "cannot read: Input/output error"});
  findings.AddRefusal(CorruptError(rules::kHeaderNone, {"a.vhdx", 65536}));
  ASSERT_EQ(findings.kept().size(), 2U);
  const Finding& unreadable = findings.kept()[0];
  EXPECT_EQ(unreadable.rule, &rules::kFileUnreadable);
  EXPECT_EQ(unreadable.file, "a.vhdx");
  EXPECT_EQ(unreadable.file_offset, 4096U);
  EXPECT_EQ(unreadable.found, "cannot read: Input/output error");
  EXPECT_EQ(findings.kept()[1].rule, &rules::kHeaderNone);
}

TEST(Findings, SeverityIsThatOfTheWorst) {
  Findings findings;
  EXPECT_FALSE(findings.HasAtLeast(Severity::kNote));
  findings.Add(rules::kLogDirty, kPlace);  // a note
  EXPECT_TRUE(findings.HasAtLeast(Severity::kNote));
  EXPECT_FALSE(findings.HasAtLeast(Severity::kTolerate));
  findings.Add(rules::kBatReserved, kPlace);  // read-only
  EXPECT_TRUE(findings.HasAtLeast(Severity::kTolerate));
  EXPECT_TRUE(findings.HasAtLeast(Severity::kReadOnly));
  EXPECT_FALSE(findings.HasAtLeast(Severity::kRefuse));
}

TEST(Hex, NumbersHaveAPrefix) {
  EXPECT_EQ(Hex(0), "0x0");
  EXPECT_EQ(Hex(~uint64_t{0}), "0xffffffffffffffff");
}

}  // namespace
}  // namespace vhdx
