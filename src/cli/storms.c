/* storms.c - see storms.h. */
#include "cli/storms.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/print.h"

enum { HOUR_MS = 3600 * 1000 };

static int take(void *arg, const struct tb_storm_row *row)
{
    struct tb_storms *storms = arg;
    unsigned i = storms->n++;
    storms->lately[i].item = row->item;
    storms->lately[i].collapsed = row->collapsed;
    storms->lately[i].last_ms = row->last_ms;
    snprintf(storms->lately[i].title, TB_STORMS_TEXT, "%.120s", row->title);
    snprintf(storms->lately[i].service, TB_STORMS_TEXT, "%.120s", row->service);
    return storms->n == TB_STORMS_SHOWN;
}

int tb_storms_read(struct tb_store *store, int64_t now_ms, struct tb_storms *out)
{
    memset(out, 0, sizeof(*out));
    int err = tb_store_storm_counts(store, now_ms - HOUR_MS, &out->counts);
    return err ? err : tb_store_storms(store, now_ms - HOUR_MS, TB_STORMS_SHOWN, take, out);
}

void tb_storms_put(const struct tb_storms *storms, struct tb_json *j)
{
    tb_json_kint(j, "collapsed", storms->counts.collapsed);
    tb_json_kint(j, "collapsing_items", storms->counts.items);
    tb_json_key(j, "collapsed_lately");
    tb_json_array(j);
    for (unsigned i = 0; i < storms->n; i++) {
        tb_json_object(j);
        tb_json_kint(j, "item", storms->lately[i].item);
        tb_json_kstr(j, "title", storms->lately[i].title);
        tb_json_kopt(j, "service", storms->lately[i].service);
        tb_json_kint(j, "collapsed", storms->lately[i].collapsed);
        tb_json_kint(j, "last_ms", storms->lately[i].last_ms);
        tb_json_end(j);
    }
    tb_json_end(j);
}

void tb_storms_print(const struct tb_storms *storms, int64_t now_ms)
{
    if (storms->counts.collapsed == 0)
        return;
    printf("  storms    %" PRId64 " events were counted, not kept one by one (limits)\n",
           storms->counts.collapsed);
    for (unsigned i = 0; i < storms->n; i++) {
        char age[TB_AGE_TEXT];
        printf("            item %" PRId64 ", ", storms->lately[i].item);
        tb_print_text(storms->lately[i].title);
        printf(": %" PRId64 ", the last %s\n", storms->lately[i].collapsed,
               tb_print_age(now_ms, storms->lately[i].last_ms, age));
    }
    if (storms->counts.items > (int64_t)storms->n)
        printf("            and %" PRId64 " items more in the last hour\n",
               storms->counts.items - (int64_t)storms->n);
}
