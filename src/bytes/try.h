// VHDX_TRY: the value of a Result (or of a std::expected with another error), or the end of the
// function that asked for it.

#ifndef VHDXKIT_BYTES_TRY_H_
#define VHDXKIT_BYTES_TRY_H_

#include <expected>
#include <type_traits>
#include <utility>

namespace vhdx {

/// The value of a result that has one.
template <typename T, typename E>
T TakeValue(std::expected<T, E>&& result) {
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

}  // namespace vhdx

/// The value of an expression that is a result. If it has an error, the function that this stands
/// in returns that error.
///
///   const uint64_t size = VHDX_TRY(file.Size());
///   VHDX_TRY(file.Sync());
#define VHDX_TRY(...) VHDX_TRY_AS(VHDX_TRY_NAME(vhdx_tried_, __COUNTER__), __VA_ARGS__)
// With a name of its own, so that what is tried may contain a function that tries.
#define VHDX_TRY_NAME(a, b) VHDX_TRY_JOINED(a, b)
#define VHDX_TRY_JOINED(a, b) a##b
#define VHDX_TRY_AS(name, ...)                         \
  (__extension__({                                     \
    auto name = (__VA_ARGS__);                         \
    if (!name) [[unlikely]]                            \
      return std::unexpected(std::move(name.error())); \
    ::vhdx::TakeValue(std::move(name));                \
  }))

#endif  // VHDXKIT_BYTES_TRY_H_
