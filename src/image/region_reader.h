// Reads what comes after the log was replayed: the region tables and what they point to.

#ifndef VHDXKIT_IMAGE_REGION_READER_H_
#define VHDXKIT_IMAGE_REGION_READER_H_

#include <vhdxkit/guid.h>

#include <array>
#include <optional>

#include "image/bat_rules.h"
#include "image/structure_reader.h"

namespace vhdx {

/// One step for each structure, in the order in which they are declared; a step needs those before
/// it, and ReadSize.
class RegionReader final : public StructureReader {
 public:
  using StructureReader::StructureReader;

  void ReadRegionTables();
  void ReadMetadata();
  void ReadLocator();
  /// The rules of the BAT; empty if its geometry is not known.
  std::optional<BatRules> CheckBat();

 private:
  void ParseCopy(const Copy& bytes, RegionTableStructure& table, std::optional<Error>& refused);
  void ChooseTable(const std::array<Copy, 2>& bytes, const std::optional<Error>& refused);
  void GuessTable();
  /// The first region with this GUID in the current table, or null; `of` then says why.
  const RegionStructure* FindRegion(const Guid& guid, StructureVerdict& of) const;
  ReservedRanges MakeReservedRanges() const;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_REGION_READER_H_
