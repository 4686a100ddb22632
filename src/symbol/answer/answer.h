/* answer.h - the answers of the symbolizer, from modules that may stay open between them. */
#ifndef TB_SYMBOL_ANSWER_H
#define TB_SYMBOL_ANSWER_H

#include "symbol/files/cache.h"
#include "symbol/worker.h"

/* As tb_symbol_addresses and tb_symbol_crash, with a cache that the caller keeps. It is trimmed
 * afterwards. */
int tb_symbol_answer_addresses(struct tb_symbol_cache *cache, const struct tb_symbol_config *config,
                               const struct tb_process *process, const uint64_t *addresses,
                               size_t n, struct tb_json *out);
int tb_symbol_answer_crash(struct tb_symbol_cache *cache, const struct tb_symbol_config *config,
                           const struct tb_process *process, const struct tb_crash *crash,
                           struct tb_json *out);

#endif
