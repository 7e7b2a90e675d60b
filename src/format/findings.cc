#include "format/findings.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

#include "format/rules.h"

namespace vhdx {

Finding MakeFinding(const Rule& rule, const Place& place, std::string found, std::string expected) {
  // After the name of the file.
  std::string sentence(rule.meaning);
  sentence.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(sentence.front())));
  // Nothing but the signature is at the start of a file: what is found there is about all of it.
  if (place.file_offset != 0) {
    sentence += " (at offset " + std::to_string(place.file_offset) + ")";
  }
  if (!found.empty()) sentence += ": found " + found;
  if (!expected.empty()) sentence += (found.empty() ? ": expected " : ", expected ") + expected;
  if (!rule.repair.empty()) sentence += "; " + std::string(rule.repair);
  return {.rule = &rule,
          .file = place.file,
          .file_offset = place.file_offset,
          .found = std::move(found),
          .expected = std::move(expected),
          .sentence = std::move(sentence)};
}

Error ErrorFor(Finding finding) {
  return {.code = ErrorCode::kCorrupt,
          .rule = std::string(finding.rule->id),
          .file = std::move(finding.file),
          .file_offset = finding.file_offset,
          .found = std::move(finding.found),
          .expected = std::move(finding.expected),
          .sentence = finding.sentence + " [" + std::string(finding.rule->id) + "]"};
}

Error CorruptError(const Rule& rule, const Place& place, std::string found, std::string expected) {
  return ErrorFor(MakeFinding(rule, place, std::move(found), std::move(expected)));
}

std::unexpected<Error> Corrupt(const Rule& rule, const Place& place, std::string found,
                               std::string expected) {
  return std::unexpected(CorruptError(rule, place, std::move(found), std::move(expected)));
}

bool Findings::Count(const Rule& rule) { return ++counts_[&rule] <= kKeptPerRule; }

void Findings::Add(const Rule& rule, const Place& place, std::string found, std::string expected) {
  if (Count(rule)) {
    kept_.push_back(MakeFinding(rule, place, std::move(found), std::move(expected)));
  }
}

void Findings::Add(const Finding& finding) {
  if (Count(*finding.rule)) kept_.push_back(finding);
}

bool Findings::Add(const Error& error) {
  const Rule* rule = FindRule(error.rule);
  if (rule == nullptr) return false;
  if (Count(*rule)) {
    // A finding has its rule beside it.
    const std::string_view sentence = error.sentence;
    const std::string suffix = " [" + error.rule + "]";
    kept_.push_back({.rule = rule,
                     .file = error.file,
                     .file_offset = error.file_offset,
                     .found = error.found,
                     .expected = error.expected,
                     .sentence = std::string(sentence.substr(
                         0, sentence.size() - (sentence.ends_with(suffix) ? suffix.size() : 0)))});
  }
  return true;
}

void Findings::AddRefusal(const Error& error) {
  if (Add(error)) return;
  Add(rules::kFileUnreadable, {error.file, error.file_offset.value_or(0)}, error.sentence);
}

void Findings::Add(const Findings& other) {
  std::map<const Rule*, uint64_t> rest = other.counts_;
  for (const Finding& finding : other.kept_) {
    Add(finding);
    --rest[finding.rule];
  }
  for (const auto& [rule, count] : rest) CountMore(*rule, count);
}

void Findings::CountMore(const Rule& rule, uint64_t count) {
  if (count > 0) counts_[&rule] += count;
}

bool Findings::Keeps(const Rule& rule) const {
  const auto found = counts_.find(&rule);
  return found == counts_.end() || found->second < kKeptPerRule;
}

bool Findings::HasAtLeast(Severity severity) const {
  return std::ranges::any_of(counts_,
                             [&](const auto& entry) { return entry.first->severity <= severity; });
}

const Rule* FindRule(std::string_view id) {
  const auto rules = AllRules();
  const auto found = std::ranges::find(rules, id, &Rule::id);
  return found == rules.end() ? nullptr : *found;
}

std::string Hex(uint64_t value) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.begin(), digits.end(), value, 16).ptr;
  return "0x" + std::string(digits.begin(), end);
}

}  // namespace vhdx
