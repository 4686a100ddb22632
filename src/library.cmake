# libtowbar: the folders that a host links, as one shared library that names libc alone, and as an
# archive. cJSON and the other dependencies of the agent are not among them.
set(LIBRARY_FOLDERS base spool trace record unwind capture)
set(library_sources)
foreach(folder ${LIBRARY_FOLDERS})
  file(GLOB found CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.c)
  list(APPEND library_sources ${found})
endforeach()
list(APPEND library_sources ${CMAKE_CURRENT_SOURCE_DIR}/item/write.c)

include(CheckCCompilerFlag)
check_c_compiler_flag(-mtls-dialect=gnu2 TOWBAR_HAS_TLSDESC)
if(TOWBAR_HAS_TLSDESC)
  # The thread context of OpenTelemetry is read from outside through a TLS descriptor.
  set_source_files_properties(capture/context.c PROPERTIES COMPILE_OPTIONS -mtls-dialect=gnu2)
endif()

add_library(towbar_objects OBJECT ${library_sources})
target_link_libraries(towbar_objects PRIVATE tb_flags)
foreach(kind SHARED STATIC)
  string(TOLOWER towbar_${kind} target)
  add_library(${target} ${kind} $<TARGET_OBJECTS:towbar_objects>)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME towbar EXPORT_NAME towbar)
  target_include_directories(${target} INTERFACE
    $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
endforeach()
set_target_properties(towbar_shared PROPERTIES VERSION 0.1.0 SOVERSION 0
  LINK_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/capture/libtowbar.map)
target_link_libraries(towbar_shared PRIVATE $<BUILD_INTERFACE:tb_flags>)
target_link_options(towbar_shared PRIVATE
  -Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/capture/libtowbar.map -Wl,--no-undefined)
target_link_libraries(towbar_static INTERFACE ${CMAKE_DL_LIBS})

# For find_package(towbar) inside this tree and for the samples.
add_library(towbar::towbar ALIAS towbar_shared)

install(TARGETS towbar_shared EXPORT towbar LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS towbar_static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/towbar DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT towbar NAMESPACE towbar:: FILE towbarConfig.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/towbar)
include(CMakePackageConfigHelpers)
write_basic_package_version_file(towbarConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_file(dist/towbar.pc.in towbar.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/towbarConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/towbar)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/towbar.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
