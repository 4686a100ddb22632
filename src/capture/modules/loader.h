/* loader.h - what the loader has at an address, by its own lock-free index (_dl_find_object).
 *
 * Another thread may unload it at any moment, and the loader's link_map with it: so nothing of that
 * is loaded. It is copied by memory.h, and counts only when the index says the same afterwards. */
#ifndef TB_CAPTURE_LOADER_H
#define TB_CAPTURE_LOADER_H

#include <stddef.h>
#include <stdint.h>

enum { TB_LOADER_NAME = 512 };

struct tb_loaded {
    uint64_t lo, hi, eh_frame_hdr;
    const void *map; /* to be compared, never followed: another may get the same later */
};

struct tb_loaded_name {
    uint64_t bias;
    char name[TB_LOADER_NAME]; /* as the loader has it; one that is longer is cut */
};

/* 0, or -ENOENT when no module has the address. Makes no system call. Signal-safe. */
int tb_loader_find(uint64_t address, struct tb_loaded *out);
/* The same with its name: -EAGAIN when it changes all the time, or cannot be read. Signal-safe. */
int tb_loader_read(uint64_t address, struct tb_loaded *out, struct tb_loaded_name *name);

#endif
