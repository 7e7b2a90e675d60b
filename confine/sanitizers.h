// Whether this build has sanitizers, which need more of the host than the program: terabytes of
// addresses, and pipes, with which they look whether memory can be read.

#ifndef VHDXKIT_CONFINE_SANITIZERS_H_
#define VHDXKIT_CONFINE_SANITIZERS_H_

namespace vhdx::confine {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kIsSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kIsSanitized =
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool kIsSanitized = false;
#endif

}  // namespace vhdx::confine

#endif  // VHDXKIT_CONFINE_SANITIZERS_H_
