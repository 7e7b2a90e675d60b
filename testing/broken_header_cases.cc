// The two headers.

#include "format/header.h"
#include "format/layout.h"
#include "format/rules.h"
#include "testing/broken_cases.h"

namespace vhdx::testing::broken_header {
namespace {

constexpr uint64_t kFirst = 0x10000;
constexpr uint64_t kSecond = 0x20000;  // the current one of the twin

// Offsets of fields.
constexpr uint64_t kChecksum = 4;
constexpr uint64_t kSequenceNumber = 8;
constexpr uint64_t kDataWriteGuid = 32;
constexpr uint64_t kLogVersion = 64;
constexpr uint64_t kVersion = 66;
constexpr uint64_t kLogLength = 68;
constexpr uint64_t kLogOffset = 72;
constexpr uint64_t kReserved = 80;

std::string Which(uint64_t header) { return header == kFirst ? "header 1" : "header 2"; }

// The twin with bytes changed behind its checksums.
ImageSpec Damaged(std::vector<Patch> patches) {
  ImageSpec spec = TwinImage();
  spec.late_patches = std::move(patches);
  return spec;
}

ImageSpec Numbered(uint64_t first, uint64_t second) {
  ImageSpec spec = TwinImage();
  spec.headers[0].sequence_number = first;
  spec.headers[1].sequence_number = second;
  return spec;
}

// A log that is needed: one empty entry.
ImageSpec Dirty() {
  ImageSpec spec = TwinImage();
  spec.log.log_guid = TestGuid(9);
  spec.log.entries = {{}};
  return spec;
}

void AddValidity(std::vector<BrokenCase>& cases) {
  const Patch wrong_signature[] = {PatchFill(kFirst, 1, std::byte{'H'}),
                                   PatchFill(kSecond, 1, std::byte{'H'})};
  const Patch wrong_checksum[] = {PatchFill(kFirst + kChecksum, 4, std::byte{0}),
                                  PatchFill(kSecond + kChecksum, 4, std::byte{0})};
  const Patch zeroed[] = {PatchFill(kFirst, 4096, std::byte{0}),
                          PatchFill(kSecond, 4096, std::byte{0})};
  for (const size_t i : {0U, 1U}) {
    const uint64_t header = i == 0 ? kFirst : kSecond;
    cases.push_back(Opens("header/signature of " + Which(header), Damaged({wrong_signature[i]}),
                          {At(rules::kHeaderSignature, header)}));
    cases.push_back(Opens("header/checksum of " + Which(header), Damaged({wrong_checksum[i]}),
                          {At(rules::kHeaderChecksum, header + kChecksum)}));
    cases.push_back(Opens("header/zeros in " + Which(header), Damaged({zeroed[i]}),
                          {At(rules::kHeaderSignature, header)}));
    cases.push_back(Opens("header/last byte of " + Which(header),
                          Damaged({PatchFill(header + 4095, 1, std::byte{1})}),
                          {At(rules::kHeaderChecksum, header + kChecksum)}));
  }
  cases.push_back(
      Refused("header/both signatures", Damaged({wrong_signature[0], wrong_signature[1]}),
              At(rules::kHeaderNone, kFirst),
              {At(rules::kHeaderSignature, kFirst), At(rules::kHeaderSignature, kSecond)}));
  cases.push_back(Refused("header/both checksums", Damaged({wrong_checksum[0], wrong_checksum[1]}),
                          At(rules::kHeaderNone, kFirst),
                          {At(rules::kHeaderChecksum, kFirst + kChecksum),
                           At(rules::kHeaderChecksum, kSecond + kChecksum)}));
  cases.push_back(Refused(
      "header/one signature and the other checksum",
      Damaged({wrong_signature[0], wrong_checksum[1]}), At(rules::kHeaderNone, kFirst),
      {At(rules::kHeaderSignature, kFirst), At(rules::kHeaderChecksum, kSecond + kChecksum)}));
}

void AddNumbers(std::vector<BrokenCase>& cases) {
  constexpr uint64_t kMax = UINT64_MAX;
  for (const auto& [first, second] : {std::pair<uint64_t, uint64_t>{0, 1},
                                      {1, 0},
                                      {0, kMax},
                                      {kMax, 0},
                                      {kMax, kMax - 1},
                                      {uint64_t{1} << 63, 1}}) {
    cases.push_back(
        Opens("header/numbers " + std::to_string(first) + " and " + std::to_string(second),
              Numbered(first, second)));
  }
  // Disk2VHD writes twins.
  cases.push_back(Opens("header/equal numbers, equal bytes", Numbered(7, 7),
                        {At(rules::kHeaderSequenceEqual, kFirst + kSequenceNumber)}));
  ImageSpec conflict = Numbered(7, 7);
  conflict.headers[1].file_write_guid = TestGuid(60);
  cases.push_back(Refused("header/equal numbers, other bytes", conflict,
                          At(rules::kHeaderSequenceConflict, kFirst + kSequenceNumber)));
  // The older header must not count in anything: its version and its log are nonsense.
  cases.push_back(Opens(
      "header/nonsense in the older one",
      Patched({PatchValue(kFirst + kVersion, le16(9)), PatchValue(kFirst + kLogOffset, le64(12345)),
               PatchValue(kFirst + kLogVersion, le16(9))})));
  ImageSpec identities = TwinImage();
  identities.headers[0].data_write_guid = TestGuid(61);
  cases.push_back(Opens("header/different DataWriteGuids", identities,
                        {At(rules::kHeaderDataWriteGuid, kFirst + kDataWriteGuid)}));
  ImageSpec writers = TwinImage();
  writers.headers[0].file_write_guid = TestGuid(61);
  cases.push_back(Opens("header/different FileWriteGuids", writers));
  ImageSpec old_log = TwinImage();
  old_log.headers[0].log_guid = TestGuid(62);
  cases.push_back(Opens("header/a log that only the older one names", old_log));
}

void AddVersions(std::vector<BrokenCase>& cases) {
  for (const uint16_t version : {uint16_t{0}, uint16_t{2}, uint16_t{0xFFFF}}) {
    cases.push_back(Refused("header/version " + std::to_string(version),
                            Patched({PatchValue(kSecond + kVersion, le16(version))}),
                            At(rules::kHeaderVersion, kSecond + kVersion)));
  }
  ImageSpec first_is_current = Numbered(9, 8);
  first_is_current.patches = {PatchValue(kFirst + kVersion, le16(2))};
  cases.push_back(Refused("header/version of header 1", first_is_current,
                          At(rules::kHeaderVersion, kFirst + kVersion)));
  for (const uint16_t version : {uint16_t{1}, uint16_t{0xFFFF}}) {
    const std::string text = std::to_string(version);
    const Patch patch = PatchValue(kSecond + kLogVersion, le16(version));
    cases.push_back(
        Opens("header/log version " + text + " of a log that is empty", Patched({patch})));
    ImageSpec dirty = Dirty();
    dirty.patches = {patch};
    cases.push_back(Refused("header/log version " + text + " of a log that is needed", dirty,
                            At(rules::kHeaderLogVersion, kSecond + kLogVersion)));
  }
}

void AddLogPlaces(std::vector<BrokenCase>& cases) {
  const std::string refused = At(rules::kHeaderLogRange, kSecond + kLogLength);
  for (const uint64_t offset : {uint64_t{0}, uint64_t{4096}, kMiB - 4096, kMiB + 1, kMiB + 4096,
                                64 * kMiB, uint64_t{1} << 63, ~uint64_t{0} << 20, UINT64_MAX}) {
    cases.push_back(Refused("header/log at " + std::to_string(offset),
                            Patched({PatchValue(kSecond + kLogOffset, le64(offset))}), refused));
  }
  for (const uint64_t length :
       {uint64_t{1}, uint64_t{4096}, kMiB - 1, kMiB + 4096, 64 * kMiB, 4095 * kMiB}) {
    cases.push_back(Refused(
        "header/log of " + std::to_string(length),
        Patched({PatchValue(kSecond + kLogLength, le32(static_cast<uint32_t>(length)))}), refused));
  }
  cases.push_back(
      Opens("header/log of nothing", Patched({PatchValue(kSecond + kLogLength, le32(0))}),
            {At(rules::kHeaderLogEmpty, kSecond + kLogLength), At(rules::kSpaceFree, kMiB)}));
  cases.push_back(
      Opens("header/log of nothing at nowhere",
            Patched({PatchValue(kSecond + kLogLength, le32(0)),
                     PatchValue(kSecond + kLogOffset, le64(0))}),
            {At(rules::kHeaderLogEmpty, kSecond + kLogLength), At(rules::kSpaceFree, kMiB)}));
  ImageSpec missing = Dirty();
  missing.patches = {PatchValue(kSecond + kLogLength, le32(0))};
  cases.push_back(Refused("header/log of nothing that is needed", missing,
                          At(rules::kHeaderLogMissing, kSecond + kLogLength)));
  ImageSpec large = TwinImage();
  large.log.length_bytes = kGiB;
  cases.push_back(Opens("header/log of 1 GiB", large));
  large.log.length_bytes = kGiB + kMiB;
  cases.push_back(Refused("header/log of more than 1 GiB", large,
                          At(rules::kHeaderLogLimit, kSecond + kLogLength)));
  ImageSpec last = TwinImage();
  last.log.file_offset = 9 * kMiB;
  last.first_block_offset = 3 * kMiB;
  cases.push_back(Opens("header/log behind everything", last, {At(rules::kSpaceFree, 6 * kMiB)}));
}

void AddReserved(std::vector<BrokenCase>& cases) {
  for (const uint64_t byte : {kReserved, uint64_t{2000}, uint64_t{4095}}) {
    cases.push_back(Opens("header/reserved byte " + std::to_string(byte),
                          Patched({PatchFill(kSecond + byte, 1, std::byte{1})}),
                          {At(rules::kHeaderReserved, kSecond + kReserved)}));
  }
  cases.push_back(Opens("header/reserved bytes of both",
                        Patched({PatchFill(kFirst + kReserved, 4016, std::byte{0xEE}),
                                 PatchFill(kSecond + kReserved, 4016, std::byte{0xEE})}),
                        {At(rules::kHeaderReserved, kFirst + kReserved),
                         At(rules::kHeaderReserved, kSecond + kReserved)}));
}

}  // namespace

std::vector<BrokenCase> Cases() {
  std::vector<BrokenCase> cases;
  AddValidity(cases);
  AddNumbers(cases);
  AddVersions(cases);
  AddLogPlaces(cases);
  AddReserved(cases);
  return cases;
}

}  // namespace vhdx::testing::broken_header
