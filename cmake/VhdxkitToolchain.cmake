# How everything is compiled: the language, the warnings, the sanitizers, the linker.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# The objects of the library go into the shared one, too, and the static one into plugins and
# modules, which are shared objects.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# Nobody replaces a function of ours at run time, so what stands in one source may be inlined there,
# as clang does anyway.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-fno-semantic-interposition)
endif()

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
endif()

if(VHDXKIT_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(VHDXKIT_CCACHE_PROGRAM ccache)
  if(VHDXKIT_CCACHE_PROGRAM)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${VHDXKIT_CCACHE_PROGRAM}")
  endif()
endif()

# Warnings are for our own sources; the headers of libraries come in as SYSTEM and are left alone.
# That they are errors is for CI to say: cmake -D CMAKE_COMPILE_WARNING_AS_ERROR=ON.
set(VHDXKIT_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  list(APPEND VHDXKIT_WARNINGS -Wthread-safety)
elseif(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # g++ 12 sees std::string copy 2^63 bytes in plain concatenations, once it optimises enough.
  list(APPEND VHDXKIT_WARNINGS -Wno-restrict)
endif()

if(VHDXKIT_SANITIZE)
  # Everything is instrumented, the kit and the tests included, and the first report ends the
  # process, so that a test cannot pass over one.
  set(VHDXKIT_SANITIZE_FLAGS
    "-fsanitize=${VHDXKIT_SANITIZE}" -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_compile_options(${VHDXKIT_SANITIZE_FLAGS})
  add_link_options(${VHDXKIT_SANITIZE_FLAGS})
endif()
if(VHDXKIT_LIBFUZZER)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Dozens of test programs are linked: lld takes half the time of the GNU linker.
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  include(CheckLinkerFlag)
  check_linker_flag(CXX -fuse-ld=lld VHDXKIT_HAVE_LLD)
  if(VHDXKIT_HAVE_LLD)
    add_link_options(-fuse-ld=lld)
  endif()
endif()
