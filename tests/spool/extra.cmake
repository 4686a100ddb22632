# What the reader makes of a process that died unseen is read with the reader of crash records.
if(name STREQUAL "test_unseen" OR name STREQUAL "test_slot" OR name STREQUAL "test_more_read")
  target_link_libraries(${target} PRIVATE tb_record)
endif()
# They count how often a file is opened.
if(name STREQUAL "test_evict" OR name STREQUAL "test_urgent" OR name STREQUAL "test_poll")
  target_link_options(${target} PRIVATE -Wl,--wrap=tb_source_enter)
endif()
