# nbdkit's header, if it is installed, and where nbdkit looks for plugins, by its own word (empty if it
# is not installed).

find_path(NBDKIT_INCLUDE_DIR nbdkit-plugin.h)
find_package(PkgConfig QUIET)
set(VHDXKIT_NBDKIT_OWN_PLUGIN_DIR "")
if(PKG_CONFIG_FOUND)
  pkg_get_variable(VHDXKIT_NBDKIT_OWN_PLUGIN_DIR nbdkit plugindir)
endif()
