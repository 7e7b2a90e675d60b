// An Error as JSON, and back.

#ifndef VHDXKIT_JSON_ERROR_JSON_H_
#define VHDXKIT_JSON_ERROR_JSON_H_

#include <vhdxkit/error.h>

#include <string_view>

#include "json/json.h"

namespace vhdx {

/// {"error": {"code": …, "rule": …, "file": …, "offset": …, "found": …, "expected": …,
/// "sentence": …}}; what is not known is null.
Json ErrorToJson(const Error& error);

/// The same for a failure that has no ErrorCode, such as "usage".
Json ErrorToJson(std::string_view code, const Error& error);

/// The Error of {"code": …, …}, the value of the member "error". A member that is missing or has
/// another type is left empty; an unknown code becomes kInternal.
Error ErrorFromJson(const Json& members);

}  // namespace vhdx

#endif  // VHDXKIT_JSON_ERROR_JSON_H_
