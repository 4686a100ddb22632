/* process.h - the process record: who wrote the records after it, and what was mapped where. */
#ifndef TB_RECORD_PROCESS_H
#define TB_RECORD_PROCESS_H

#include <stddef.h>
#include <stdint.h>

enum {
    TB_BUILD_ID_BYTES = 32,
    TB_MODULES_MAX = 4096, /* the reader's cap */
    TB_PATH_MAX_BYTES = 4096,
};
enum { TB_MODULE_MAIN = 1 }; /* module flags */

struct tb_module {
    uint64_t lo, hi;       /* load range, hi exclusive */
    uint64_t bias;         /* address - bias = address in the file's own view */
    uint64_t eh_frame_hdr; /* address, or 0 */
    uint32_t flags;
    uint32_t build_id_len;
    uint8_t build_id[TB_BUILD_ID_BYTES];
    const char *path; /* never NULL */
};

struct tb_process {
    uint64_t generation;
    uint32_t pid, uid;
    uint64_t start_wall_ns;
    uint64_t start_ticks;
    const char *exe, *host, *service, *environment, *version, *root; /* "" when unknown */
    struct tb_module *modules;                                       /* sorted by lo */
    size_t n_modules;
    char *text; /* what unpack allocated for the strings; NULL in a packed-from struct */
};

/* Packs into mem; leaves out the modules that do not fit (the main program is kept first).
 * Returns the length. */
size_t tb_process_pack(const struct tb_process *process, uint8_t *mem, size_t cap);
/* Reads a record of any origin. 0, -EBADMSG, -ENOMEM. Free with tb_process_done. */
int tb_process_unpack(const uint8_t *data, size_t len, struct tb_process *out);
void tb_process_done(struct tb_process *process);
/* The module that holds address, or NULL. */
const struct tb_module *tb_process_module(const struct tb_process *process, uint64_t address);

#endif
