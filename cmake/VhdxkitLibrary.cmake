# The library that is installed, static (vhdxkit::vhdxkit) and shared (vhdxkit::vhdxkit_shared): the
# objects of all layers, compiled once for both. The layers themselves exist to hold the
# architecture, and to link each layer's tests against nothing but what stands below; users see one
# library, which links only the C++ runtime.

get_property(layers GLOBAL PROPERTY VHDXKIT_LAYERS)
set(objects)
foreach(layer IN LISTS layers)
  list(APPEND objects "$<TARGET_OBJECTS:${layer}>")
endforeach()

# vhdxkit_add_library(TARGET TYPE): TYPE is STATIC or SHARED.
function(vhdxkit_add_library target type)
  add_library(${target} ${type} ${objects})
  add_library(vhdxkit::${target} ALIAS ${target})
  set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX OUTPUT_NAME vhdxkit)
  target_include_directories(${target} PUBLIC
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  target_link_libraries(${target} PUBLIC Threads::Threads)
  target_compile_features(${target} PUBLIC cxx_std_23)
endfunction()

vhdxkit_add_library(vhdxkit STATIC)
if(VHDXKIT_BUILD_SHARED)
  vhdxkit_add_library(vhdxkit_shared SHARED)
  set(exports "${PROJECT_SOURCE_DIR}/cmake/vhdxkit.map")
  set_target_properties(vhdxkit_shared PROPERTIES
    VERSION "${PROJECT_VERSION}" SOVERSION "${VHDXKIT_ABI_VERSION}" LINK_DEPENDS "${exports}")
  target_link_options(vhdxkit_shared PRIVATE "LINKER:--version-script=${exports}")
  if(NOT VHDXKIT_SANITIZE AND NOT VHDXKIT_LIBFUZZER)  # their runtimes are in the programs
    target_link_options(vhdxkit_shared PRIVATE "LINKER:--no-undefined")
  endif()
endif()
