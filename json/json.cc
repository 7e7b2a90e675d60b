#include "json/json.h"

template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace vhdx {
namespace {

std::string Dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string ToLine(const Json& json) { return Dump(json, -1); }

std::string ToDocument(const Json& json) { return Dump(json, kJsonIndent) + "\n"; }

Json TextOrNull(std::string_view text) { return text.empty() ? Json(nullptr) : Json(text); }

}  // namespace vhdx
