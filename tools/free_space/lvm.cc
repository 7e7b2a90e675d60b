#include "tools/free_space/lvm.h"

#include <utility>

#include "bytes/try.h"
#include "guest/range_reader.h"
#include "tools/free_space/found.h"
#include "tools/free_space/lvm_group.h"
#include "tools/free_space/lvm_metadata.h"

namespace vhdx::free_space {
namespace {

Found<LvmPhysicalVolume> ReadLvm(guest::RangeReader& volume) {
  const LvmMetadata metadata = VHDX_TRY(ReadLvmMetadata(volume));
  const LvmGroup group = VHDX_TRY(LvmGroup::Of(metadata, volume.size_bytes()));
  return group.Describe();
}

}  // namespace

Result<LvmAnswer> ReadLvmPhysicalVolume(BlockDevice& volume) {
  guest::RangeReader reader(volume);
  auto found = ReadLvm(reader);
  VHDX_TRY(reader.Finish());
  if (!found) return LvmAnswer(std::move(found.error()));
  return LvmAnswer(*std::move(found));
}

}  // namespace vhdx::free_space
