// JSON as every program of this tree makes and reads it.

#ifndef VHDXKIT_JSON_JSON_H_
#define VHDXKIT_JSON_JSON_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

// Its members are compiled once, in json.cc.
extern template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace vhdx {

using Json = nlohmann::ordered_json;

/// On one line. Bytes of a string that are not UTF-8 become U+FFFD.
std::string ToLine(const Json& json);

/// Indented, with a line feed at the end.
std::string ToDocument(const Json& json);

inline constexpr int kJsonIndent = 4;  ///< of ToDocument

/// The text, or null if it is empty.
Json TextOrNull(std::string_view text);

template <typename T>
Json NumberOrNull(const std::optional<T>& number) {
  return number ? Json(*number) : Json(nullptr);
}

}  // namespace vhdx

#endif  // VHDXKIT_JSON_JSON_H_
