#include "format/layout.h"

#include <gtest/gtest.h>

#include <set>

#include "testing/hex.h"

namespace vhdx::format::layout_test {
namespace {

// docs/format.md, section 18.1: the bytes as they are in files.
TEST(Layout, GuidsStandInFilesAsTheReferenceHasThem) {
  struct Row {
    Guid guid;
    const char* bytes;
    const char* text;
  };
  const Row rows[] = {
      {kBatRegionGuid, "6677C22D23F600429D64115E9BFD4A08", "2dc27766-f623-4200-9d64-115e9bfd4a08"},
      {kMetadataRegionGuid, "06A27C8B90479A4BB8FE575F050F886E",
       "8b7ca206-4790-4b9a-b8fe-575f050f886e"},
      {kFileParametersGuid, "3767A1CA36FA434DB3B633F0AA44E76B",
       "caa16737-fa36-4d43-b3b6-33f0aa44e76b"},
      {kVirtualDiskSizeGuid, "2442A52F1BCD7648B2115DBED83BF4B8",
       "2fa54224-cd1b-4876-b211-5dbed83bf4b8"},
      {kVirtualDiskIdGuid, "AB12CABEE6B2234593EFC309E000C746",
       "beca12ab-b2e6-4523-93ef-c309e000c746"},
      {kLogicalSectorSizeGuid, "1DBF41816FA90947BA47F233A8FAAB5F",
       "8141bf1d-a96f-4709-ba47-f233a8faab5f"},
      {kPhysicalSectorSizeGuid, "C748A3CD5D4471449CC9E9885251C556",
       "cda348c7-445d-4471-9cc9-e9885251c556"},
      {kParentLocatorGuid, "2D5FD3A80BB34D45ABF7D3D84834AB0C",
       "a8d35f2d-b30b-454d-abf7-d3d84834ab0c"},
      {kVhdxLocatorTypeGuid, "B7EF4AB09ED1814AB78925B8E9445913",
       "b04aefb7-d19e-4a81-b789-25b8e9445913"},
      {kChsParametersGuid, "BCD702DA3A3D3C42AC882A36AB21479B",
       "da02d7bc-3d3a-423c-ac88-2a36ab21479b"},
      {kIncompleteFileGuid, "F085CC71691B284E9558C3BF83AE75D3",
       "71cc85f0-1b69-4e28-9558-c3bf83ae75d3"},
      {kPmemLabelGuid, "8AAEE1107E4B6941A40FCD70DE928393", "10e1ae8a-4b7e-4169-a40f-cd70de928393"},
  };
  std::set<Guid> distinct;
  for (const Row& row : rows) {
    EXPECT_EQ(testing::HexFromBytes(std::as_bytes(std::span(row.guid.bytes))),
              testing::HexFromBytes(testing::BytesFromHex(row.bytes)))
        << row.text;
    EXPECT_EQ(row.guid.ToString(), row.text);
    distinct.insert(row.guid);
  }
  EXPECT_EQ(distinct.size(), std::size(rows));
}

TEST(Layout, HeaderSectionHoldsItsStructuresApart) {
  EXPECT_EQ(kHeaderOffsets, (std::array<uint64_t, 2>{64 * kKiB, 128 * kKiB}));
  EXPECT_EQ(kRegionTableOffsets, (std::array<uint64_t, 2>{192 * kKiB, 256 * kKiB}));
  EXPECT_EQ(kFirstLoggableOffset, kRegionTableOffsets[0]);
}

}  // namespace
}  // namespace vhdx::format::layout_test
