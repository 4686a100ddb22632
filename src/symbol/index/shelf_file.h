/* shelf_file.h - one index in the folder that keeps them (docs/symbols.md 3): its name, and reading
 * it. The one who writes is agent/native/symbol_store.h. */
#ifndef TB_SYMBOL_SHELF_FILE_H
#define TB_SYMBOL_SHELF_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "symbol/index/indexer.h"
#include "symbol/index/shelf.h"

enum { TB_SYMBOL_SHELF_NAME = 2 * TB_BUILD_ID_BYTES + 24, TB_SYMBOL_SHELF_SUBFOLDER = 3 };

/* The first two digits, and "REST-UID.tbx". 0; -EINVAL when the build ID is shorter than two bytes
 * or longer than TB_BUILD_ID_BYTES. */
int tb_symbol_shelf_file_name(const uint8_t *build_id, size_t build_id_len, uint32_t uid,
                              char subfolder[TB_SYMBOL_SHELF_SUBFOLDER],
                              char name[TB_SYMBOL_SHELF_NAME]);
/* Maps the file of key. Only a regular file of our own user, with one name and no link on the way
 * from folder to it, is taken. out has no fd. 0; -ENOENT; -EPERM; -EFBIG; or another reason. */
int tb_symbol_shelf_file_map(const char *folder, const struct tb_symbol_key *key,
                             struct tb_symbol_indexed *out);

#endif
