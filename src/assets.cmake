# What src/web/assets holds becomes a C table in the program (src/tools/embed.c).
file(GLOB assets CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/web/assets/*)
add_executable(embed tools/embed.c)
target_link_libraries(embed PRIVATE tb_flags)
set_target_properties(embed PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tools)
add_custom_command(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/assets.c
  COMMAND embed ${CMAKE_CURRENT_BINARY_DIR}/assets.c ${assets}
  DEPENDS embed ${assets} VERBATIM)
target_sources(tb_web PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/assets.c)
