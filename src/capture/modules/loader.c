/* loader.c - see loader.h. */
#include "capture/modules/loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#include "capture/crash/memory.h"

enum { TRIES_MAX = 4 };

int tb_loader_find(uint64_t address, struct tb_loaded *out)
{
    struct dl_find_object found;
    if (_dl_find_object((void *)(uintptr_t)address, &found) != 0 || !found.dlfo_link_map)
        return -ENOENT;
    *out = (struct tb_loaded){.lo = (uint64_t)(uintptr_t)found.dlfo_map_start,
                              .hi = (uint64_t)(uintptr_t)found.dlfo_map_end,
                              .eh_frame_hdr = (uint64_t)(uintptr_t)found.dlfo_eh_frame,
                              .map = found.dlfo_link_map};
    return 0;
}

/* The fields that are public come first. */
static int copy_name(const struct tb_loaded *loaded, struct tb_loaded_name *out)
{
    struct link_map map;
    size_t head = offsetof(struct link_map, l_ld);
    if (tb_memory_copy((uint64_t)(uintptr_t)loaded->map, &map, head) != head || !map.l_name)
        return 0;
    size_t n = tb_memory_copy((uint64_t)(uintptr_t)map.l_name, out->name, sizeof(out->name));
    int is_whole = memchr(out->name, '\0', n) != NULL || n == sizeof(out->name);
    out->name[sizeof(out->name) - 1] = '\0';
    out->bias = map.l_addr;
    return is_whole;
}

int tb_loader_read(uint64_t address, struct tb_loaded *out, struct tb_loaded_name *name)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        struct tb_loaded now;
        if (tb_loader_find(address, out) != 0)
            return -ENOENT;
        int is_whole = copy_name(out, name);
        if (is_whole && tb_loader_find(address, &now) == 0 && now.map == out->map &&
            now.lo == out->lo && now.hi == out->hi && now.eh_frame_hdr == out->eh_frame_hdr)
            return 0;
    }
    return -EAGAIN;
}
