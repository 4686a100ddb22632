/* debugfile.h - finding the separate debug file of a module: by build id under the folders of debug
 * files, else by the name in .gnu_debuglink beside the module and under those folders. */
#ifndef TB_SYMBOL_DEBUGFILE_H
#define TB_SYMBOL_DEBUGFILE_H

#include <stdint.h>

#include "symbol/files/cache.h"
#include "symbol/worker.h"

/* The debug file that belongs to module, which uid has named. It is only taken when the build ids
 * are the same, or, where there are none, the checksum in the link is right. 0, or -ENOENT. Give it
 * back to the cache. */
int tb_symbol_debugfile_get(struct tb_symbol_cache *cache, const struct tb_symbol_config *config,
                            const struct tb_symbol_image *module, uint32_t uid,
                            struct tb_symbol_image **out);

#endif
