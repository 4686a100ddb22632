# What the reader makes of a process that died unseen is read with the reader of crash records.
if(name STREQUAL "test_unseen" OR name STREQUAL "test_slot" OR name STREQUAL "test_more_read")
  target_link_libraries(${target} PRIVATE tb_record)
endif()
