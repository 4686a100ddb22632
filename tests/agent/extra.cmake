# What the tests count: what their subject asks of the kernel, and of the spool.
if(name STREQUAL "test_deaths")
  target_link_options(${target} PRIVATE -Wl,--wrap=tb_pidfd_open)
elseif(name STREQUAL "test_debuginfod") # an hour goes by
  target_link_options(${target} PRIVATE -Wl,--wrap=tb_clock_mono_ns)
elseif(name STREQUAL "test_trace_ids") # reads vectors
  target_link_libraries(${target} PRIVATE PkgConfig::CJSON)
elseif(name STREQUAL "test_deliver_batch") # credentials come and go
  target_link_options(${target} PRIVATE -Wl,--wrap=tb_aws_credentials)
elseif(name STREQUAL "test_deliver_clock") # years go by
  target_link_options(${target} PRIVATE -Wl,--wrap=tb_clock_wall_ns)
elseif(name STREQUAL "test_aws_time") # hours go by
  target_link_options(${target} PRIVATE -Wl,--wrap=tb_clock_wall_ns,--wrap=tb_clock_mono_ns)
elseif(name STREQUAL "test_sampler") # decides while a file is read
  target_link_options(${target} PRIVATE -Wl,--wrap=tb_fd_slurp)
elseif(name STREQUAL "test_upkeep")
  target_link_options(${target} PRIVATE
    -Wl,--wrap=tb_spool_evict,--wrap=tb_spool_room,--wrap=tb_spool_sync)
endif()
