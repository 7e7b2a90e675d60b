# What `cmake --install` puts in place: headers, libvhdxkit.a, the CMake package, the pkg-config
# file, the command and the manual pages that there are.

include(CMakePackageConfigHelpers)

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/vhdxkit"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
install(TARGETS vhdxkit EXPORT vhdxkitTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/vhdxkit")
install(EXPORT vhdxkitTargets NAMESPACE vhdxkit:: DESTINATION "${package_dir}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/vhdxkitConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/vhdxkitConfig.cmake" INSTALL_DESTINATION "${package_dir}")
# Before 1.0 every minor version may change the API.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/vhdxkitConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/vhdxkitConfig.cmake" "${PROJECT_BINARY_DIR}/vhdxkitConfigVersion.cmake"
  DESTINATION "${package_dir}")

# Relative to the file itself, so that an installed tree can be moved; absolute where the user
# gave absolute folders.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(pc_prefix "${CMAKE_INSTALL_PREFIX}")
  set(pc_libdir "${CMAKE_INSTALL_FULL_LIBDIR}")
  set(pc_includedir "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
  file(RELATIVE_PATH pc_up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  string(REGEX REPLACE "/$" "" pc_up "${pc_up}")
  set(pc_prefix "\${pcfiledir}/${pc_up}")
  set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/vhdxkit.pc.in" "${PROJECT_BINARY_DIR}/vhdxkit.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/vhdxkit.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

if(TARGET vhdx)
  install(TARGETS vhdx RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
# Where nbdkit looks for plugins, and the command too.
if(TARGET nbdkit-vhdx-plugin)
  install(TARGETS nbdkit-vhdx-plugin LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/nbdkit/plugins")
endif()
foreach(section 1 3 5 7)
  file(GLOB pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/man/*.${section}")
  if(pages)
    install(FILES ${pages} DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}")
  endif()
endforeach()
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" "${PROJECT_SOURCE_DIR}/README.md"
  "${PROJECT_SOURCE_DIR}/CHANGELOG.md" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
