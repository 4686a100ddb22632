# The agent as a service of the host: unit, user, folders. Below the prefix, where systemd looks for
# them with /usr and /usr/local.
file(READ ${CMAKE_SOURCE_DIR}/src/dist/towbard.service unit)
string(REPLACE "/usr/bin/towbard" "${CMAKE_INSTALL_FULL_BINDIR}/towbard" unit "${unit}")
string(REPLACE "/usr/share/doc/towbar" "${CMAKE_INSTALL_FULL_DOCDIR}" unit "${unit}")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/dist/towbard.service CONTENT "${unit}" @ONLY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  ${CMAKE_SOURCE_DIR}/src/dist/towbard.service)
install(FILES ${CMAKE_BINARY_DIR}/dist/towbard.service DESTINATION lib/systemd/system
  COMPONENT Service)
install(FILES src/dist/sysusers.conf DESTINATION lib/sysusers.d RENAME towbar.conf
  COMPONENT Service)
install(FILES src/dist/tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME towbar.conf
  COMPONENT Service)
install(FILES docs/operate.md docs/config.md docs/limits.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
