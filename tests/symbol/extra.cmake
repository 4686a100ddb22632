# The answers of the symbolizer are read with cJSON here, as the agent reads them.
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
target_link_libraries(${target} PRIVATE PkgConfig::CJSON)
if(target MATCHES "symbol_test_(indexer|module_index|debug_owner)")
  # They decide how a build of an index ends.
  target_link_options(${target} PRIVATE -Wl,--wrap=tb_symbol_index_build)
endif()
