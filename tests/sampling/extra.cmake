# The tests read cases and vectors as JSON.
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
target_link_libraries(${target} PRIVATE PkgConfig::CJSON)
