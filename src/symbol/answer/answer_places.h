/* answer_places.h - the answer to TB_SYMBOL_PLACES (see places.h). */
#ifndef TB_SYMBOL_ANSWER_PLACES_H
#define TB_SYMBOL_ANSWER_PLACES_H

#include "base/json.h"
#include "symbol/files/cache.h"
#include "symbol/worker.h"

/* 0; -EBADMSG when body makes no sense; -ENOSPC when the answer is too long: ask for less at a
 * time; -ENOMEM. */
int tb_symbol_answer_places(struct tb_symbol_cache *cache, const struct tb_symbol_config *config,
                            const struct tb_process *process, const uint8_t *body, size_t body_len,
                            struct tb_json *out);

#endif
