# What `cmake --install` puts in place: headers, libvhdxkit.a, libvhdxkit.so, the CMake package, the
# pkg-config file, the command, its completions, the nbdkit plugin, the manual pages, the documents
# and the examples.

include(CMakePackageConfigHelpers)

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/vhdxkit"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
install(TARGETS vhdxkit EXPORT vhdxkitTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
if(TARGET vhdxkit_shared)
  install(TARGETS vhdxkit_shared EXPORT vhdxkitTargets
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
endif()

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

if(TARGET vhdx-free-space)
  # A package of its own, because of its license and of what it depends on.
  install(TARGETS vhdx-free-space RUNTIME
    DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT filesystems)
  install(FILES "${PROJECT_SOURCE_DIR}/docs/man/vhdx-free-space.1"
    DESTINATION "${CMAKE_INSTALL_MANDIR}/man1" COMPONENT filesystems)
endif()

# vhdxkit_install_at(FILE NAME VARIABLE SYSTEM_FOLDER PREFIX_FOLDER): installs FILE as NAME. The
# folder is the value of VARIABLE, if it is set; else SYSTEM_FOLDER, where programs of the system
# look for such files, if the prefix is /usr or /usr/local; else PREFIX_FOLDER below the prefix. The
# prefix is known when it is installed (cmake --install --prefix), and not before.
function(vhdxkit_install_at file name variable system_folder prefix_folder)
  install(CODE "
    set(folder \"${${variable}}\")
    if(folder STREQUAL \"\")
      set(folder \"${prefix_folder}\")
      if(CMAKE_INSTALL_PREFIX MATCHES \"^/usr(/local)?/?$\" AND NOT \"${system_folder}\" STREQUAL \"\")
        set(folder \"${system_folder}\")
      endif()
    endif()
    cmake_path(ABSOLUTE_PATH folder BASE_DIRECTORY \"\${CMAKE_INSTALL_PREFIX}\" NORMALIZE)
    file(INSTALL DESTINATION \"\${folder}\" TYPE FILE RENAME \"${name}\" FILES \"${file}\")")
endfunction()

if(TARGET nbdkit-vhdx-plugin)
  vhdxkit_install_at("$<TARGET_FILE:nbdkit-vhdx-plugin>" nbdkit-vhdx-plugin.so
    VHDXKIT_NBDKIT_PLUGIN_DIR "${VHDXKIT_NBDKIT_OWN_PLUGIN_DIR}" lib/nbdkit/plugins)
endif()
# bash and fish look below /usr/local by themselves, and so does Debian's zsh.
if(TARGET vhdx_completions)
  set(completions "${PROJECT_BINARY_DIR}/completions")
  vhdxkit_install_at("${completions}/vhdx.bash" vhdx
    VHDXKIT_BASH_COMPLETION_DIR "" share/bash-completion/completions)
  vhdxkit_install_at("${completions}/vhdx.zsh" _vhdx
    VHDXKIT_ZSH_COMPLETION_DIR "" share/zsh/site-functions)
  vhdxkit_install_at("${completions}/vhdx.fish" vhdx.fish
    VHDXKIT_FISH_COMPLETION_DIR "" share/fish/vendor_completions.d)
endif()
foreach(section 1 3 5 7)
  file(GLOB pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/man/*.${section}")
  list(FILTER pages EXCLUDE REGEX "/vhdx-free-space\\.1$")
  if(pages)
    install(FILES ${pages} DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}")
  endif()
endforeach()
# The README links to the documents and examples beside it, so they come along.
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" "${PROJECT_SOURCE_DIR}/README.md"
  "${PROJECT_SOURCE_DIR}/CHANGELOG.md" "${PROJECT_SOURCE_DIR}/CONTRIBUTING.md"
  DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/docs" "${PROJECT_SOURCE_DIR}/examples"
  DESTINATION "${CMAKE_INSTALL_DOCDIR}")
