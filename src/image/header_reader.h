// Reads what comes before the log: the file type identifier and the two headers.

#ifndef VHDXKIT_IMAGE_HEADER_READER_H_
#define VHDXKIT_IMAGE_HEADER_READER_H_

#include <vhdxkit/image_info.h>

#include <array>
#include <optional>

#include "image/structure_reader.h"

namespace vhdx {

/// One step for each structure, in the order in which they are declared; a step needs those before
/// it.
class HeaderReader final : public StructureReader {
 public:
  using StructureReader::StructureReader;

  void ReadIdentifier();
  /// After ReadSize.
  void CheckNotTruncated();
  void ReadHeaders();
  void FindLog();

 private:
  void ChooseHeader(const std::array<std::optional<HeaderInfo>, 2>& valid, bool same_bytes);
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_HEADER_READER_H_
