// The two headers and the choice between them. Input: a HeaderInput.

#include <algorithm>
#include <limits>
#include <optional>

#include "bytes/crc32c.h"
#include "format/header.h"
#include "format/layout.h"
#include "fuzz/expect.h"
#include "fuzz/header_input.h"
#include "fuzz/input.h"
#include "fuzz/mutation.h"

namespace vhdx::fuzz {
namespace {

constexpr size_t kChecksumOffset = offsetof(format::Header, checksum);

using HeaderBytes = std::array<std::byte, sizeof(format::Header)>;

HeaderBytes Extended(const std::array<std::byte, HeaderInput::kHeaderBytes>& start) {
  HeaderBytes bytes{};
  std::ranges::copy(start, bytes.begin());
  return bytes;
}

Place PlaceOf(size_t slot) { return {"fuzz.vhdx", format::kHeaderOffsets[slot]}; }

void TryEncode(const HeaderInfo& info, bool valid_in_some_file) {
  const auto encoded = format::EncodeHeader(info);
  Expect(encoded.has_value() == valid_in_some_file, "what can be read, and no more, is written");
  if (!encoded) return ExpectHonest(encoded.error());
  Findings findings;
  const auto again =
      format::ParseHeader(std::as_bytes(std::span(&*encoded, 1)), PlaceOf(0), findings);
  Expect(again.has_value() && findings.kept().empty(), "a header that was written is clean");
  HeaderInfo expected = info;
  expected.checksum = again->checksum;
  Expect(*again == expected, "it comes back as it was written");
}

Result<void> Check(const HeaderInfo& header, uint64_t file_size, size_t slot) {
  Problems problems;
  StructureVerdict verdict;
  format::CheckCurrentHeader(header, file_size, PlaceOf(slot), verdict, problems);
  Expect(verdict.error.has_value() == problems.refusal().has_value(), "a refusal is a verdict");
  if (verdict.error) ExpectHonest(*verdict.error);
  return problems.result();
}

void TryHeaders(const HeaderInput& input) {
  const std::array<HeaderBytes, 2> bytes = {Extended(input.headers[0]), Extended(input.headers[1])};
  Findings findings;
  std::array<std::optional<HeaderInfo>, 2> headers;
  for (size_t slot = 0; slot < 2; ++slot) {
    headers[slot] = format::ParseHeader(bytes[slot], PlaceOf(slot), findings);
    const bool right = LoadFrom<format::Header>(bytes[slot]).checksum ==
                       Crc32cWithoutField(bytes[slot], kChecksumOffset);
    Expect(!headers[slot] || right, "a header with a wrong checksum is invalid");
  }
  const auto current =
      format::ChooseCurrentHeader(headers, bytes[0] == bytes[1], PlaceOf(0), findings);
  if (!current) return ExpectHonest(current.error());
  Expect(*current < 2 && headers[*current].has_value(),
         "a header that is not valid is not current");
  const auto& other = headers[1 - *current];
  Expect(!other || other->sequence_number <= headers[*current]->sequence_number,
         "the current header has the greatest number");

  for (size_t slot = 0; slot < 2; ++slot) {
    if (!headers[slot]) continue;
    const auto checked = Check(*headers[slot], input.file_size, slot);
    const auto anywhere = Check(*headers[slot], std::numeric_limits<uint64_t>::max(), slot);
    Expect(anywhere || !checked, "a larger file makes no header worse");
    const auto log = format::UsableLog(*headers[slot], input.file_size);
    Expect(!checked || log.has_value() == (headers[slot]->log_length_bytes != 0),
           "a header that was accepted has no log, or one that can be read");
    TryEncode(*headers[slot], anywhere.has_value());
  }
}

}  // namespace
}  // namespace vhdx::fuzz

using vhdx::fuzz::HeaderInput;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vhdx::fuzz::TryHeaders(vhdx::fuzz::Input(data, size).Take<HeaderInput>());
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  if (max_size < sizeof(HeaderInput)) return LLVMFuzzerMutate(data, size, max_size);
  vhdx::fuzz::Choices choices(seed);
  std::vector<std::byte> bytes = vhdx::fuzz::Input(data, size).Take(sizeof(HeaderInput));
  vhdx::fuzz::Mutate(bytes, sizeof(HeaderInput));
  bytes.resize(sizeof(HeaderInput));
  auto input = vhdx::LoadFrom<HeaderInput>(bytes);
  if (choices.OneIn(8)) input.headers[1] = input.headers[0];
  if (!choices.LeavesChecksums()) {
    for (auto& header : input.headers) {
      const auto extended = vhdx::fuzz::Extended(header);
      vhdx::StoreTo(std::span(header).subspan(vhdx::fuzz::kChecksumOffset),
                    vhdx::le32(vhdx::Crc32cWithoutField(extended, vhdx::fuzz::kChecksumOffset)));
    }
  }
  std::memcpy(data, &input, sizeof(input));
  return sizeof(input);
}
