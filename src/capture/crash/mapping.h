/* mapping.h - what is mapped at an address of this process, and next to it. Signal-safe.
 *
 * Asked of /proc/self/maps: by ioctl (Linux 6.11), else by reading it, MAPS_BYTES_MAX of it at
 * most. Opens a descriptor, and closes it. */
#ifndef TB_CAPTURE_MAPPING_H
#define TB_CAPTURE_MAPPING_H

#include <stddef.h>
#include <stdint.h>

#include "record/crash.h"

enum { TB_MAPPING_PATH = 512 };

struct tb_mapping {
    struct tb_crash_mapping about; /* its path is that below */
    char path[TB_MAPPING_PATH];
};

/* The nearest below, the one at the address and the nearest above. */
struct tb_mappings {
    size_t n; /* by address */
    struct tb_mapping mappings[TB_CRASH_MAPPINGS_MAX];
};

/* 0, or a negative errno: then there are none. until_ns: monotonic, when to give up. */
int tb_mapping_find(uint64_t address, uint64_t until_ns, struct tb_mappings *out);

/* The two ways, with fd open on such a file. */
int tb_mapping_ask(int fd, uint64_t address, struct tb_mappings *out);
int tb_mapping_read(int fd, uint64_t address, uint64_t until_ns, struct tb_mappings *out);
/* One line, without its end: 1, or 0 when it is none. */
int tb_mapping_parse(const char *line, size_t len, struct tb_mapping *out);

#endif
