# cmake --install: the library, the program, the public headers, and what find_package(Tenon) reads.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
install(TARGETS tenon EXPORT TenonTargets)
file(GLOB api CONFIGURE_DEPENDS runtime/tenon*.h)
install(FILES ${api} DESTINATION include/tenon)
install(DIRECTORY runtime/base DESTINATION include/tenon FILES_MATCHING PATTERN "*.h")
install(EXPORT TenonTargets NAMESPACE Tenon:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Tenon)
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/TenonConfig.cmake @ONLY CONTENT
"include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(ZLIB)
find_dependency(OpenSSL 3)
include(\${CMAKE_CURRENT_LIST_DIR}/TenonTargets.cmake)
")
write_basic_package_version_file(${PROJECT_BINARY_DIR}/TenonConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/TenonConfig.cmake ${PROJECT_BINARY_DIR}/TenonConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Tenon)
