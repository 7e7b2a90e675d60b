# What vhdx-free-space links, if it is installed: libext2fs, libntfs-3g and libseccomp. Sets
# VHDXKIT_FREE_SPACE_MISSING to the names of what is not (empty: it can be built).

set(VHDXKIT_FREE_SPACE_MISSING)
find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(SECCOMP QUIET IMPORTED_TARGET libseccomp)
  pkg_check_modules(EXT2FS QUIET IMPORTED_TARGET ext2fs)
  pkg_check_modules(NTFS3G QUIET IMPORTED_TARGET libntfs-3g)
endif()
foreach(library SECCOMP:libseccomp EXT2FS:libext2fs NTFS3G:libntfs-3g)
  string(REPLACE ":" ";" parts "${library}")
  list(GET parts 0 target)
  list(GET parts 1 name)
  if(NOT TARGET PkgConfig::${target})
    list(APPEND VHDXKIT_FREE_SPACE_MISSING ${name})
  endif()
endforeach()
