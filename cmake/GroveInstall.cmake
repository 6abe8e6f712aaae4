# SPDX-License-Identifier: Apache-2.0
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
get_property(targets GLOBAL PROPERTY GROVE_TARGETS)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/grove")
install(TARGETS ${targets} EXPORT groveTargets FILE_SET HEADERS)
install(TARGETS grove_cli RUNTIME)
install(EXPORT groveTargets NAMESPACE grove:: DESTINATION ${package_dir})
configure_package_config_file(cmake/groveConfig.cmake.in groveConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(groveConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/groveConfig.cmake
  ${PROJECT_BINARY_DIR}/groveConfigVersion.cmake
  cmake/GroveDependencies.cmake DESTINATION ${package_dir})
