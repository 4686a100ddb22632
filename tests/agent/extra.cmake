# What the tests count: what their subject asks of the kernel.
if(name STREQUAL "test_deaths")
  target_link_options(${target} PRIVATE -Wl,--wrap=tb_pidfd_open)
endif()
