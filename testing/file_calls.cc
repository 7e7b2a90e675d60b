#include "testing/file_calls.h"

#include <array>

namespace vhdx::testing {

std::string_view FileCallName(FileCall call) {
  static constexpr std::array<std::string_view, kFileCalls> kNames = {
      "read",  "write",  "sync",      "resize",     "zero range", "punch hole",
      "clone", "size",   "next data", "next hole",  "lock",       "random",
      "open",  "rename", "remove",    "sync folder"};
  return kNames[static_cast<size_t>(call)];
}

}  // namespace vhdx::testing
