#include <vhdxkit/version.h>

namespace vhdx {

std::string_view Version() noexcept { return VHDXKIT_VERSION; }

}  // namespace vhdx
