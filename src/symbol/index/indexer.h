/* indexer.h - has an index built by a process of its own, so that data which crash, hang or fill
 * libdw cost the names of one module and nothing else.
 *
 * 1. The child is a fork of the worker: it has the worker's limits and no way out but the memory
 *    that it shares with it. It gets a deadline, and is killed at it.
 * 2. What comes back is checked by tb_symbol_index_open like any other bytes.
 * 3. No child is left behind.
 * 4. What is packed, the child inflates: MiniDebugInfo, where input names none, and sections that
 *    zstd has compressed. */
#ifndef TB_SYMBOL_INDEX_INDEXER_H
#define TB_SYMBOL_INDEX_INDEXER_H

#include "symbol/index/build.h"

enum {
    TB_SYMBOL_INDEX_MS = 5000,             /* for one module */
    TB_SYMBOL_INDEX_BYTES_MAX = 256 << 20, /* of an index */
};

/* The bytes of an index in a file that only memory holds: fd, mapped. */
struct tb_symbol_indexed {
    int fd;
    uint8_t *bytes;
    size_t len;
};

/* 0; -ENOENT when there is no name; -ETIMEDOUT; -ECHILD when the child died of what it read;
 * -ENOSPC, -ENOMEM. */
int tb_symbol_indexer_run(const struct tb_symbol_index_input *input, int deadline_ms,
                          struct tb_symbol_indexed *out);
void tb_symbol_indexed_done(struct tb_symbol_indexed *indexed);

#endif
