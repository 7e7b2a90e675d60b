#include "format/problems.h"

#include <new>
#include <utility>

namespace vhdx {
namespace {

void Attribute(StructureVerdict& of, const Error& error) {
  if (!of.error) {
    of.error = error;
    return;
  }
  Findings as_finding;
  as_finding.AddRefusal(error);
  of.findings.insert(of.findings.end(), as_finding.kept().begin(), as_finding.kept().end());
}

}  // namespace

void Problems::Add(StructureVerdict& of, const Rule& rule, const Place& place, std::string found,
                   std::string expected) {
  Finding finding = MakeFinding(rule, place, std::move(found), std::move(expected));
  findings_.Add(finding);
  of.findings.push_back(std::move(finding));
}

void Problems::Add(StructureVerdict& of, const Findings& findings) {
  findings_.Add(findings);
  of.findings.insert(of.findings.end(), findings.kept().begin(), findings.kept().end());
}

void Problems::Refuse(StructureVerdict& of, Error error) {
  if (error.code == ErrorCode::kNoMemory) throw std::bad_alloc();
  Attribute(of, error);
  Refuse(std::move(error));
}

void Problems::Refuse(StructureVerdict& of, const Rule& rule, const Place& place, std::string found,
                      std::string expected) {
  Refuse(of, CorruptError(rule, place, std::move(found), std::move(expected)));
}

void Problems::RefuseBoth(StructureVerdict& first, StructureVerdict& second, const Error& error) {
  Attribute(second, error);
  Refuse(first, error);
}

void Problems::Refuse(Error error) {
  if (refusal_) {
    findings_.AddRefusal(error);
  } else {
    refusal_ = std::move(error);
  }
}

Result<void> Problems::result() const {
  if (refusal_) return std::unexpected(*refusal_);
  return {};
}

}  // namespace vhdx
