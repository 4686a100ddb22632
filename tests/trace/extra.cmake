# The vectors are JSON. towbar's own reader of it is in a folder above this one.
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
target_link_libraries(${target} PRIVATE PkgConfig::CJSON)
