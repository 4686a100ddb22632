# A second reader of JSON, to compare with.
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
target_link_libraries(${target} PRIVATE PkgConfig::CJSON)
