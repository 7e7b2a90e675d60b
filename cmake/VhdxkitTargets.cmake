# The few shapes that the targets of this tree have. A folder that is still empty yields an empty
# target, so that the tree configures at every commit.

# vhdxkit_sources(OUT [PATTERN ...]): the sources of this folder without its unit tests.
function(vhdxkit_sources out)
  set(patterns ${ARGN})
  if(NOT patterns)
    set(patterns "*.cc")
  endif()
  list(TRANSFORM patterns PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/")
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  set(${out} ${sources} PARENT_SCOPE)
endfunction()

# vhdxkit_settings(TARGET): the warnings, and the folders that every source may include from.
function(vhdxkit_settings target)
  target_compile_options(${target} PRIVATE ${VHDXKIT_WARNINGS})
  target_compile_definitions(${target} PRIVATE _FILE_OFFSET_BITS=64)
  target_include_directories(${target} PRIVATE
    "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src")
endfunction()

# vhdxkit_add_layer(FOLDER [LINKS LAYER ...]): the static library vhdxkit_FOLDER out of *.cc, and
# FOLDER_test out of *_test.cc. LINKS names the folders below; nothing else is visible to it.
function(vhdxkit_add_layer folder)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "LINKS")
  set(target vhdxkit_${folder})
  list(TRANSFORM ARG_LINKS PREPEND vhdxkit_)
  vhdxkit_sources(sources)
  if(sources)
    add_library(${target} STATIC ${sources})
    vhdxkit_settings(${target})
    target_link_libraries(${target} PUBLIC ${ARG_LINKS} Threads::Threads PRIVATE vhdxkit_fmt)
    # What is not marked VHDXKIT_EXPORT is for the library alone.
    set_target_properties(${target} PROPERTIES
      CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    set_property(GLOBAL APPEND PROPERTY VHDXKIT_LAYERS ${target})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${ARG_LINKS})
  endif()
  if(VHDXKIT_BUILD_TESTS)
    vhdxkit_add_unit_tests(${folder} ${target})
  endif()
endfunction()

# vhdxkit_add_unit_tests(FOLDER [LIBRARY ...]): FOLDER_test out of this folder's *_test.cc.
function(vhdxkit_add_unit_tests folder)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*_test.cc")
  if(sources)
    vhdxkit_add_gtest(${folder}_test QUICK_TO_COMPILE SOURCES ${sources} LINKS ${ARGN})
  endif()
endfunction()

# vhdxkit_precompile_gtest(TARGET QUICK): GoogleTest, which is more to read than any test, is read
# once for all programs that are compiled alike, by the first of them. Where each source is compiled
# alone it is not, so that a source that forgets an include is found.
function(vhdxkit_precompile_gtest target quick)
  get_property(owner GLOBAL PROPERTY "VHDXKIT_PRECOMPILED_GTEST_${quick}")
  if(owner)
    target_precompile_headers(${target} REUSE_FROM ${owner})
  else()
    target_precompile_headers(${target} PRIVATE <gtest/gtest.h> <algorithm> <random> <thread>)
    set_property(GLOBAL PROPERTY "VHDXKIT_PRECOMPILED_GTEST_${quick}" ${target})
  endif()
endfunction()

# vhdxkit_add_gtest(TARGET [QUICK_TO_COMPILE] SOURCES FILE ... LINKS LIBRARY ... COST NUMBER): one
# GoogleTest program; each of its tests becomes one of ctest's. Those of a higher cost (0) start
# earlier, lest the longest run on alone at the end. What a test may rely on:
#   VHDXKIT_SOURCE_DIR  the root of this tree
#   VHDXKIT_COMMAND     the built command vhdx (defined where it is built)
#   environment         VHDXKIT_SCALE divides random counts; VHDXKIT_CORPUS is the folder of real
#                       images; VHDXKIT_CORPUS_REPORT takes one line a corpus test (see run-tests)
function(vhdxkit_add_gtest target)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "QUICK_TO_COMPILE" "COST" "SOURCES;LINKS")
  if(NOT ARG_COST)
    set(ARG_COST 0)
  endif()
  add_executable(${target} ${ARG_SOURCES})
  vhdxkit_settings(${target})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE
    vhdxkit_testing ${ARG_LINKS} vhdxkit_fmt GTest::gtest_main)
  if(TARGET rapidcheck)
    target_link_libraries(${target} PRIVATE rapidcheck)
  endif()
  target_compile_definitions(${target} PRIVATE VHDXKIT_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  if(ARG_QUICK_TO_COMPILE)
    # Optimised they take twice as long to compile, and save less when they run.
    target_compile_options(${target} PRIVATE -O0)
  endif()
  if(CMAKE_UNITY_BUILD)
    vhdxkit_precompile_gtest(${target} "${ARG_QUICK_TO_COMPILE}")
  endif()

  # The tests are listed when ctest runs, not after every link: a broken test program then fails as
  # a test, and the build stays fast.
  include(GoogleTest)
  gtest_discover_tests(${target}
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    NO_PRETTY_VALUES
    PROPERTIES TIMEOUT 900 LABELS ${target} COST ${ARG_COST})
endfunction()
