# VHDXKIT_VERSION and VHDXKIT_ABI_VERSION, from the one place where they are written: version.h.

set(header "${CMAKE_CURRENT_LIST_DIR}/../include/vhdxkit/version.h")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${header}")
file(READ "${header}" text)
foreach(name VERSION_MAJOR VERSION_MINOR VERSION_PATCH ABI_VERSION)
  if(NOT text MATCHES "\n#define VHDXKIT_${name} ([0-9]+)\n")
    message(FATAL_ERROR "${header} does not define VHDXKIT_${name} as a number")
  endif()
  set(VHDXKIT_${name} "${CMAKE_MATCH_1}")
endforeach()
set(VHDXKIT_VERSION "${VHDXKIT_VERSION_MAJOR}.${VHDXKIT_VERSION_MINOR}.${VHDXKIT_VERSION_PATCH}")
