/* storms.h - what was counted and not kept one by one (docs/storms.md), for `towbar status`. */
#ifndef TB_CLI_STORMS_H
#define TB_CLI_STORMS_H

#include "base/json.h"
#include "store/store.h"

enum { TB_STORMS_SHOWN = 5, TB_STORMS_TEXT = 128 };

struct tb_storms {
    struct tb_store_storm_counts counts; /* items: of the last hour */
    struct {
        int64_t item, collapsed, last_ms;
        char title[TB_STORMS_TEXT], service[TB_STORMS_TEXT];
    } lately[TB_STORMS_SHOWN];
    unsigned n;
};

/* Those of the last hour, the latest first. 0 or a negative errno. */
int tb_storms_read(struct tb_store *store, int64_t now_ms, struct tb_storms *out);
/* As members of the object that is open. */
void tb_storms_put(const struct tb_storms *storms, struct tb_json *j);
/* Nothing where there never was one. */
void tb_storms_print(const struct tb_storms *storms, int64_t now_ms);

#endif
