# vhdxkit::vhdxkit, the one library that is installed: the objects of all layers in one archive.
# The layers themselves exist to hold the architecture, and to link each layer's tests against
# nothing but what stands below; users see one library, which links only the C++ runtime.

get_property(layers GLOBAL PROPERTY VHDXKIT_LAYERS)
if(layers)
  set(objects)
  foreach(layer IN LISTS layers)
    list(APPEND objects "$<TARGET_OBJECTS:${layer}>")
  endforeach()
  add_library(vhdxkit STATIC ${objects})
  set_target_properties(vhdxkit PROPERTIES LINKER_LANGUAGE CXX)
  set(scope PUBLIC)
else()
  add_library(vhdxkit INTERFACE)
  set(scope INTERFACE)
endif()
add_library(vhdxkit::vhdxkit ALIAS vhdxkit)
target_include_directories(vhdxkit ${scope}
  "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
  "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
target_link_libraries(vhdxkit ${scope} Threads::Threads)
target_compile_features(vhdxkit ${scope} cxx_std_23)
