/* debuginfod_store.h - the debug files that were fetched, as a folder of debug files:
 * .build-id/xx/yyyy.debug.
 *
 * 1. A file is there whole or not at all, also after a loss of power.
 * 2. Only the agent writes there. When a file was last needed is its time of access; its time of
 *    change stays, as indexes go by it.
 * 3. Names are made of build ids that were checked (debuginfod_memory.h). */
#ifndef TB_AGENT_DEBUGINFOD_STORE_H
#define TB_AGENT_DEBUGINFOD_STORE_H

#include <stdint.h>
#include <sys/stat.h>

enum {
    TB_DEBUGINFOD_FILE_BYTES_MAX = 512 << 20,
    TB_DEBUGINFOD_KEEP_FREE_BYTES = 256 << 20 /* of the file system, for what counts more */
};

/* Opens the folder, making it with those above it: a descriptor, or a negative errno. */
int tb_debuginfod_store_open(const char *path);
int tb_debuginfod_store_has(int dirfd, const char *hex);
/* How large a file may be now: TB_DEBUGINFOD_FILE_BYTES_MAX, cache_bytes, or what the file system
 * has to spare. */
uint64_t tb_debuginfod_store_room(int dirfd, uint64_t cache_bytes);
/* A file to write to: a descriptor, or a negative errno. There is one at a time. */
int tb_debuginfod_store_begin(int dirfd);
/* Makes it the debug file of that build id, or (hex NULL) drops it. Consumes fd. 0, or why not. */
int tb_debuginfod_store_end(int dirfd, int fd, const char *hex);
void tb_debuginfod_store_remove(int dirfd, const char *hex);
/* Notes that it was needed, once an hour at most; nothing when it is not there. */
void tb_debuginfod_store_touch(int dirfd, const char *hex);

/* Calls visit for each debug file: folder_fd is that of its folder, name its name in it. */
typedef void tb_debuginfod_visit(void *arg, int folder_fd, const char *name, const struct stat *st);
void tb_debuginfod_store_each(int dirfd, tb_debuginfod_visit *visit, void *arg);
/* Removes those needed longest ago until the rest takes no more than max_bytes of the disk. Returns
 * how many that takes. */
uint64_t tb_debuginfod_store_trim(int dirfd, uint64_t max_bytes);

#endif
