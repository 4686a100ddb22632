# The answers of the symbolizer are read with cJSON here, as the agent reads them.
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
target_link_libraries(${target} PRIVATE PkgConfig::CJSON)
if(target MATCHES "symbol_test_(indexer|module_index|debug_owner)")
  # They decide how a build of an index ends.
  target_link_options(${target} PRIVATE -Wl,--wrap=tb_symbol_index_build)
endif()
# Indexes are compared with what libdw says of each address.
if(NOT TARGET tb_symbol_lookup)
  add_library(tb_symbol_lookup STATIC ${CMAKE_CURRENT_SOURCE_DIR}/symbol/lookup/dwarf.c
    ${CMAKE_CURRENT_SOURCE_DIR}/symbol/lookup/scopes.c)
  target_include_directories(tb_symbol_lookup PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/symbol)
  target_link_libraries(tb_symbol_lookup PRIVATE tb_symbol)
endif()
target_link_libraries(${target} PRIVATE tb_symbol_lookup)
