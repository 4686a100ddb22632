/* empty_index.h - the shortest index there is: without a name. */
#ifndef TB_TESTS_SYMBOL_EMPTY_INDEX_H
#define TB_TESTS_SYMBOL_EMPTY_INDEX_H

#include <stdint.h>
#include <string.h>

#include "base/crc.h"
#include "base/pack.h"
#include "symbol/index/index.h"
#include "symbol/index/layout.h"

enum { EMPTY_STRINGS = 8, EMPTY_INDEX_BYTES = TB_SYMBOL_INDEX_HEADER_BYTES + EMPTY_STRINGS };

static inline void empty_index_write(const void *build_id, uint32_t build_id_len, uint32_t flags,
                                     uint8_t mem[EMPTY_INDEX_BYTES])
{
    memset(mem, 0, EMPTY_INDEX_BYTES);
    tb_put32(mem + TB_SYMBOL_AT_MAGIC, TB_SYMBOL_INDEX_MAGIC);
    tb_put32(mem + TB_SYMBOL_AT_VERSION, TB_SYMBOL_INDEX_VERSION);
    tb_put64(mem + TB_SYMBOL_AT_LEN, EMPTY_INDEX_BYTES);
    tb_put32(mem + TB_SYMBOL_AT_BUILD_ID_LEN, build_id_len);
    tb_put32(mem + TB_SYMBOL_AT_FLAGS, flags);
    memcpy(mem + TB_SYMBOL_AT_BUILD_ID, build_id, build_id_len);
    tb_put32(mem + TB_SYMBOL_AT_COUNTS + 4 * (size_t)TB_SYMBOL_STRINGS, EMPTY_STRINGS);
    tb_put32(mem + TB_SYMBOL_AT_CRC,
             tb_crc32c(0, mem + TB_SYMBOL_INDEX_HEADER_BYTES, EMPTY_STRINGS));
}

#endif
