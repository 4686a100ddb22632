/* fuzz.h - the entry point of every fuzz target, included into each by the build. */
#ifndef TB_TESTS_FUZZ_H
#define TB_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Feeds one input to the parser under test; anything but a return is a finding. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
