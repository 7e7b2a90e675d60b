#include "image/image_opener.h"

#include "bytes/try.h"
#include "format/findings.h"
#include "image/structures.h"

namespace vhdx {

Result<std::unique_ptr<Image>> ImageOpener::Read(std::optional<uint64_t> disk_size) {
  auto file = VHDX_TRY(open_file_());
  Structures structures = ReadStructures(std::move(file), LogUse::kReplay);
  if (disk_size && structures.bat_rules) {
    DiskParameters& parameters = structures.found.metadata.parameters;
    parameters.virtual_disk_size_bytes = *disk_size;
    structures.bat_rules = structures.bat_rules->WithGeometry(format::BatGeometry(parameters));
  }
  Findings findings;
  return Image::FromStructures(std::move(structures), findings);
}

Result<std::unique_ptr<Image>> ImageOpener::Begin(std::optional<uint64_t> disk_size) {
  auto image = VHDX_TRY(Read(disk_size));
  VHDX_TRY(image->EnableWriting(files_, limits_, identity_));
  VHDX_TRY(image->writer()->journal().Start());
  return image;
}

}  // namespace vhdx
