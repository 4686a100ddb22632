/* image.h - one file on disk that a module or its debug data are in, opened, with all that was
 * worked out from it: it answers any number of questions.
 *
 * Nothing in it depends on who asks. Whether a reporter may have it is asked anew each time (see
 * cache.h). */
#ifndef TB_SYMBOL_IMAGE_H
#define TB_SYMBOL_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "symbol/files/elf.h"
#include "symbol/files/mini.h"
#include "symbol/files/table.h"
#include "symbol/index/index.h"

enum tb_symbol_table_kind {
    TB_SYMBOL_SYMTAB,
    TB_SYMBOL_DYNSYM, /* exported names */
    TB_SYMBOL_MINI,   /* those of MiniDebugInfo, and exported names, which it leaves out */
    TB_SYMBOL_N_TABLES
};

/* Why there is no index of it (index/indexer.h), so that it is not tried at each question. */
struct tb_symbol_failure {
    int err; /* 0: none */
    struct tb_symbol_index_origin origin;
};

struct tb_symbol_image {
    struct tb_symbol_image *next; /* in the cache: used longer ago */
    size_t n_users;               /* modules of the question at hand */
    char *path;
    char *real_path;  /* without links, as of the last time; NULL: not known */
    struct stat stat; /* when it was opened */
    bool is_public;   /* everybody may read it: asked anew each time */
    bool is_foreign;  /* on a file system that an ordinary user may have made */
    struct tb_symbol_failure failure;
    bool is_indexed; /* an index was built from it, with whatever it gave */
    struct tb_symbol_elf elf;
    struct {
        bool is_read;
        struct tb_symbol_table table;
    } tables[TB_SYMBOL_N_TABLES];
    struct tb_symbol_mini mini; /* inflated when its table is first asked for */
    bool has_crc;
    uint32_t crc;
};

/* Consumes fd; st is what fstat said of it. 0; -EBADMSG when it is no ELF file; -ENOMEM. */
int tb_symbol_image_open(int fd, const char *path, const struct stat *st,
                         struct tb_symbol_image **out);
void tb_symbol_image_close(struct tb_symbol_image *image);
/* The same path, and a file that has not changed since it was opened: the same inode, size and
 * times. */
bool tb_symbol_image_is(const struct tb_symbol_image *image, const char *path,
                        const struct stat *st);
/* The names of a table, or NULL when the file has none. */
const struct tb_symbol_table *tb_symbol_image_table(struct tb_symbol_image *image,
                                                    enum tb_symbol_table_kind kind);
/* CRC-32 of the whole file, as .gnu_debuglink has it. */
uint32_t tb_symbol_image_crc(struct tb_symbol_image *image);

#endif
