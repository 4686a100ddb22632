# libtowbar: the folders that a host links, as one shared library that names libc alone, and as an
# archive. cJSON and the other dependencies of the agent are not among them.
set(LIBRARY_FOLDERS base spool trace record unwind capture)
set(library_sources)
foreach(folder ${LIBRARY_FOLDERS})
  file(GLOB_RECURSE found CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.c)
  list(APPEND library_sources ${found})
endforeach()
list(APPEND library_sources ${CMAKE_CURRENT_SOURCE_DIR}/item/write.c
  ${CMAKE_CURRENT_SOURCE_DIR}/item/write_trace.c)
# What stands in front of the C library's own functions: in the shared library alone.
set(INTERPOSING_SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/capture/hooks/interpose.c
  ${CMAKE_CURRENT_SOURCE_DIR}/capture/hooks/interpose_exit.c
  ${CMAKE_CURRENT_SOURCE_DIR}/capture/hooks/interpose_prctl.c)
list(REMOVE_ITEM library_sources ${INTERPOSING_SOURCES})

include(CheckCCompilerFlag)
check_c_compiler_flag(-mtls-dialect=gnu2 TOWBAR_HAS_TLSDESC)
if(TOWBAR_HAS_TLSDESC)
  # The thread context of OpenTelemetry is read from outside through a TLS descriptor.
  set(tls_model -mtls-dialect=gnu2)
else()
  # Not the default, whose accesses call the loader, which may allocate: handlers read it too.
  set(tls_model -ftls-model=initial-exec)
endif()
set_source_files_properties(capture/report/context.c PROPERTIES COMPILE_OPTIONS ${tls_model})

# What runs once, or seldom: smaller rather than faster.
set_source_files_properties(capture/init.c capture/spool.c capture/resource.c
  capture/report/outgoing.c item/write_trace.c trace/baggage.c trace/propagators.c
  trace/environ.c
  PROPERTIES COMPILE_OPTIONS -Os)

add_library(towbar_objects OBJECT ${library_sources})
target_link_libraries(towbar_objects PRIVATE tb_flags)
# The agent's side of the shared folders is not reachable from the API: the linker leaves it out.
target_compile_options(towbar_objects PRIVATE -ffunction-sections -fdata-sections)

add_library(towbar_shared SHARED $<TARGET_OBJECTS:towbar_objects> ${INTERPOSING_SOURCES})
add_library(towbar_static STATIC $<TARGET_OBJECTS:towbar_objects>)
foreach(target towbar_shared towbar_static)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME towbar)
  target_include_directories(${target} INTERFACE
    $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()
set_target_properties(towbar_shared PROPERTIES EXPORT_NAME towbar VERSION ${PROJECT_VERSION}
  SOVERSION 0 LINK_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/capture/libtowbar.map)
set_target_properties(towbar_static PROPERTIES EXPORT_NAME static)
target_link_libraries(towbar_shared PRIVATE $<BUILD_INTERFACE:tb_flags>)
# nodelete: signal handlers, atfork handlers and thread ends lead into the library for good.
target_link_options(towbar_shared PRIVATE
  -Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/capture/libtowbar.map
  -Wl,--gc-sections -Wl,-z,nodelete)
include(CheckLinkerFlag)
check_linker_flag(C -Wl,-z,pack-relative-relocs TOWBAR_HAS_RELR) # 3 KB less; glibc 2.36 knows it
if(TOWBAR_HAS_RELR)
  target_link_options(towbar_shared PRIVATE -Wl,-z,pack-relative-relocs)
endif()
if(NOT TOWBAR_SANITIZE)
  # Sanitizers leave their runtime to the program.
  target_link_options(towbar_shared PRIVATE -Wl,--no-undefined)
endif()
# Others find the thread context by its name among the dynamic symbols, in a program too.
target_link_options(towbar_static INTERFACE -Wl,--export-dynamic-symbol=otel_thread_ctx_v1)
target_link_libraries(towbar_static INTERFACE ${CMAKE_DL_LIBS})

# For find_package(towbar) inside this tree and for the samples.
add_library(towbar::towbar ALIAS towbar_shared)
add_library(towbar::static ALIAS towbar_static)

install(TARGETS towbar_shared towbar_static EXPORT towbar
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/towbar DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT towbar NAMESPACE towbar:: FILE towbarConfig.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/towbar)
include(CMakePackageConfigHelpers)
write_basic_package_version_file(towbarConfigVersion.cmake COMPATIBILITY SameMinorVersion)
# The paths in towbar.pc are found from where it lies, so that cmake --install --prefix may move it.
file(RELATIVE_PATH PC_TO_LIB ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH PC_TO_INCLUDE ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
  ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(dist/towbar.pc.in towbar.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/towbarConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/towbar)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/towbar.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
