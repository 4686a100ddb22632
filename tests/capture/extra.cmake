# The programs that the tests of capture run. Included once for each test program.
if(NOT TARGET capture_programs)
  add_custom_target(capture_programs)
  function(capture_program name)
    cmake_parse_arguments(PROGRAM "" "LIBRARY" "SOURCES" ${ARGN})
    add_executable(capture_${name} ${PROGRAM_SOURCES})
    target_link_libraries(capture_${name} PRIVATE ${PROGRAM_LIBRARY} ${CMAKE_DL_LIBS}
      Threads::Threads)
    target_compile_options(capture_${name} PRIVATE -Wall -Wextra -g -O1 -fno-omit-frame-pointer
      -Wno-infinite-recursion -UNDEBUG)
    target_compile_definitions(capture_${name} PRIVATE _GNU_SOURCE)
    # Lazy binding saves all registers on the stack it is called on: 2.7 KB with AVX-512, more than
    # the small stacks of some of these programs have left.
    target_link_options(capture_${name} PRIVATE -Wl,-z,now)
    if(TOWBAR_SANITIZE)
      # Its own faults must reach the signal handler: only the library is instrumented.
      target_link_options(capture_${name} PRIVATE -fsanitize=${TOWBAR_SANITIZE})
      target_compile_definitions(capture_${name} PRIVATE VICTIM_SANITIZED)
    endif()
    set_target_properties(capture_${name} PROPERTIES OUTPUT_NAME ${name}
      RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/programs)
    add_dependencies(capture_programs capture_${name})
  endfunction()
  set(programs ${CMAKE_CURRENT_SOURCE_DIR}/capture/programs)
  capture_program(victim LIBRARY towbar::towbar SOURCES ${programs}/victim.c)
  capture_program(victim_static LIBRARY towbar::static SOURCES ${programs}/victim.c)
  capture_program(interposed LIBRARY towbar::towbar SOURCES ${programs}/interposed.c
    ${programs}/interposed_room.c)
  capture_program(interposed_static LIBRARY towbar::static SOURCES ${programs}/interposed.c
    ${programs}/interposed_room.c)
  capture_program(goodbye LIBRARY towbar::towbar SOURCES ${programs}/goodbye.c)
  capture_program(goodbye_static LIBRARY towbar::static SOURCES ${programs}/goodbye.c)
  capture_program(crowd LIBRARY towbar::towbar SOURCES ${programs}/crowd.c
    ${programs}/supervisor.c)
  capture_program(boxed LIBRARY towbar::towbar SOURCES ${programs}/boxed.c)
  capture_program(plugin_host LIBRARY towbar::towbar SOURCES ${programs}/plugin_host.c)
  capture_program(traced LIBRARY towbar::towbar SOURCES ${programs}/traced.c)
  capture_program(traced_static LIBRARY towbar::static SOURCES ${programs}/traced.c)
  capture_program(reloader LIBRARY towbar::towbar SOURCES ${programs}/reloader.c)
  add_library(capture_plugin MODULE ${programs}/plugin.c)
  set_target_properties(capture_plugin PROPERTIES OUTPUT_NAME plugin PREFIX ""
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/programs)
  add_dependencies(capture_programs capture_plugin)
endif()
add_dependencies(${target} capture_programs)
target_compile_definitions(${target} PRIVATE TEST_SANITIZE="${TOWBAR_SANITIZE}")
