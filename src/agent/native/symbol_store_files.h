/* symbol_store_files.h - the files of the folder of indexes (symbol_store.h). */
#ifndef TB_AGENT_SYMBOL_STORE_FILES_H
#define TB_AGENT_SYMBOL_STORE_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum { TB_SYMBOL_FILES_LISTED = 65536, TB_SYMBOL_FILE_PATH = 128 };

/* Of the disk: a small file takes a block, and one with holes is not trusted to keep them. */
uint64_t tb_symbol_file_bytes(const struct stat *st);

struct tb_symbol_file {
    char *path; /* from the folder */
    uint64_t bytes;
    int64_t used_ns;
};

struct tb_symbol_files {
    struct tb_symbol_file *items; /* those used longest ago first */
    size_t n_listed, cap;
    size_t n;       /* that are there, listed or not */
    uint64_t bytes; /* of those */
};

/* The indexes two levels down; whatever else is there is left alone. All are counted, and
 * TB_SYMBOL_FILES_LISTED are listed. 0, -ENOMEM, or why the folder cannot be read. */
int tb_symbol_files_list(int folder_fd, struct tb_symbol_files *out);
void tb_symbol_files_done(struct tb_symbol_files *files);
/* Removes item i from the disk. */
void tb_symbol_files_remove(int folder_fd, struct tb_symbol_files *files, size_t i);

#endif
