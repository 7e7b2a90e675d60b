#include <vhdxkit/image_info.h>

namespace vhdx {

std::string_view SubformatName(Subformat subformat) {
  switch (subformat) {
    case Subformat::kFixed:
      return "fixed";
    case Subformat::kDynamic:
      return "dynamic";
    case Subformat::kDifferencing:
      return "differencing";
  }
  return "";
}

}  // namespace vhdx
