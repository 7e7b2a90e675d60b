#include "tools/free_space/found.h"

#include <utility>

#include "bytes/formatting.h"
#include "bytes/try.h"

namespace vhdx::free_space {

Found<std::vector<std::byte>> ReadPart(guest::RangeReader& volume, uint64_t offset, size_t length,
                                       std::string_view what) {
  auto bytes = volume.Read(offset, length);
  if (!bytes) return LeaveAlone(Format("{} ends past the end of the volume", what));
  return *std::move(bytes);
}

Result<Answer> Conclude(guest::RangeReader& volume, Found<FreeSpace> found) {
  VHDX_TRY(volume.Finish());
  if (!found) return Answer(std::move(found.error()));
  return Answer(*std::move(found));
}

}  // namespace vhdx::free_space
