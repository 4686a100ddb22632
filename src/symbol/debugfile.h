/* debugfile.h - finding the separate debug file of a module: by build id under the folders of debug
 * files, else by the name in .gnu_debuglink beside the module and under those folders. */
#ifndef TB_SYMBOL_DEBUGFILE_H
#define TB_SYMBOL_DEBUGFILE_H

#include <stdint.h>

#include "symbol/elf.h"
#include "symbol/worker.h"

/* Opens the debug file that belongs to module, whose path is absolute and which uid has named. It
 * is only taken when the build ids are the same, or, where there are none, the checksum in the link
 * is right. 0, or -ENOENT. */
int tb_symbol_debugfile_open(const struct tb_symbol_config *config,
                             const struct tb_symbol_elf *module, const char *path, uint32_t uid,
                             struct tb_symbol_elf *out);

#endif
