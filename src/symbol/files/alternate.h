/* alternate.h - finding the file that dwz has moved common debug data to, which .gnu_debugaltlink
 * names.
 *
 * The link is a stranger's: nothing is opened but what lies below the folders of debug files, and
 * only what has the build id of the link is taken. */
#ifndef TB_SYMBOL_ALTERNATE_H
#define TB_SYMBOL_ALTERNATE_H

#include <libelf.h>
#include <stddef.h>
#include <stdint.h>

#include "symbol/files/cache.h"
#include "symbol/worker.h"

/* Borrowed from the Elf. */
struct tb_symbol_altlink {
    const char *name; /* a path, never to be opened as it is */
    const uint8_t *build_id;
    uint32_t build_id_len; /* 2 to TB_BUILD_ID_BYTES */
};

/* 0; -ENOENT when elf has no link; -EBADMSG when that makes no sense. */
int tb_symbol_altlink_read(Elf *elf, struct tb_symbol_altlink *out);
/* Where a link's file may be below a folder's .dwz: what follows the last "/.dwz/" in its name, or
 * its last part. NULL when that could lead out of the folder. Pure. */
const char *tb_symbol_altlink_below(const char *name);
/* The file that belongs to link: by build id, then by name below .dwz, in each of the folders of
 * debug files. 0, or -ENOENT. Give it back to the cache. */
int tb_symbol_alternate_get(struct tb_symbol_cache *cache, const struct tb_symbol_config *config,
                            const struct tb_symbol_altlink *link, struct tb_symbol_image **out);

#endif
