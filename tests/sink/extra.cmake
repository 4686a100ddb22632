# The tests read cases and requests as JSON.
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
target_link_libraries(${target} PRIVATE PkgConfig::CJSON)
if(name STREQUAL "test_sinks_memory") # which fails
  target_link_options(${target} PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc)
endif()
