# The agent as a service of the host: unit, user, folders. Below the prefix, where systemd looks for
# them with /usr and /usr/local.

# The unit names the prefix of the install, which may be another than that of the configuration.
install(CODE "
  file(READ \"${CMAKE_SOURCE_DIR}/src/dist/towbard.service\" unit)
  string(REPLACE /usr/bin/ \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/\" unit \"\${unit}\")
  string(REPLACE /usr/share/doc/towbar \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DOCDIR}\" unit \"\${unit}\")
  file(WRITE \"${CMAKE_BINARY_DIR}/dist/towbard.service\" \"\${unit}\")" COMPONENT Service)
install(FILES ${CMAKE_BINARY_DIR}/dist/towbard.service DESTINATION lib/systemd/system
  COMPONENT Service)
install(FILES src/dist/sysusers.conf DESTINATION lib/sysusers.d RENAME towbar.conf
  COMPONENT Service)
install(FILES src/dist/tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME towbar.conf
  COMPONENT Service)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR})
