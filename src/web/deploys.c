/* deploys.c - see deploys.h. */
#include "web/deploys.h"

#include <stdio.h>
#include <string.h>

#include "store/deploys.h"
#include "web/emit.h"
#include "web/words.h"

enum { MS_PER_HOUR = 3600 * 1000, MS_PER_DAY = 24 * MS_PER_HOUR, LIKELY_BYTES = 7 };

static int put_last(void *arg, const struct tb_deploy *d)
{
    struct tb_view *view = arg;
    const char *who = *d->local_username != '\0' ? d->local_username : d->rollbar_username;
    tb_emit(view->out, "<p class=\"mute\">Last deploy: <b class=\"mono\">%.60h</b> to %.60h, ",
            d->revision, d->environment);
    tb_words_time(view->out, view->now_ms, d->start_ms, " ago");
    if (*who != '\0')
        tb_emit(view->out, " by %.60h", who);
    if (strcmp(d->status, "succeeded") != 0)
        tb_emit(view->out, " (%.20h)", d->status);
    tb_emit(view->out, "</p>\n");
    return 1;
}

int tb_deploys_put_last(struct tb_view *view)
{
    const struct tb_deploy_filter filter = {.max = 1};
    return tb_store_deploys(view->store, &filter, put_last, view);
}

static int add_mark(void *arg, const struct tb_deploy *d)
{
    struct tb_deploy_marks *marks = arg;
    if (marks->n == TB_DEPLOY_MARKS)
        return 1;
    snprintf(marks->texts[marks->n], sizeof(marks->texts[0]), "deploy of %.100s%s%.20s",
             d->revision, strcmp(d->status, "succeeded") != 0 ? ", " : "",
             strcmp(d->status, "succeeded") != 0 ? d->status : "");
    marks->marks[marks->n] =
        (struct tb_chart_mark){.at_ms = d->start_ms, .text = marks->texts[marks->n]};
    marks->n++;
    return 0;
}

int tb_deploys_marks(struct tb_view *view, const char *environment, int64_t since_ms,
                     struct tb_deploy_marks *out)
{
    const struct tb_deploy_filter filter = {
        .environment = environment, .from_ms = since_ms, .max = TB_DEPLOY_MARKS};
    out->n = 0;
    return tb_store_deploys(view->store, &filter, add_mark, out);
}

/* The same commit, one of them cut short, or the same version. */
static int is_same(const char *a, const char *b)
{
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    size_t n = a_len < b_len ? a_len : b_len;
    return strcmp(a, b) == 0 || (n >= LIKELY_BYTES && memcmp(a, b, n) == 0);
}

static int put_suspect(void *arg, const struct tb_deploy *d)
{
    struct tb_item_view *item = arg;
    int64_t after_ms = item->first_ms - d->start_ms;
    char age[TB_WORDS];
    const char *version = tb_event_at(&item->event, 0, "code_version");
    if (*version == '\0')
        version = tb_event_at(&item->event, 0, "server.code_version");
    int fits = *version != '\0' && is_same(version, d->revision);
    /* A version that is another one speaks against it. */
    if (!fits && (after_ms > MS_PER_HOUR || *version != '\0'))
        return 1;
    tb_emit(item->view->out, "<dt>Deploy</dt><dd>first seen %h after <b class=\"mono\">%.60h</b>",
            tb_words_age(item->first_ms, d->start_ms, age), d->revision);
    if (*d->local_username != '\0')
        tb_emit(item->view->out, " by %.60h", d->local_username);
    tb_emit(item->view->out, "</dd>");
    return 1;
}

int tb_deploys_put_suspect(struct tb_item_view *item)
{
    const struct tb_deploy_filter filter = {.environment = item->environment,
                                            .from_ms = item->first_ms - MS_PER_DAY,
                                            .to_ms = item->first_ms,
                                            .max = 1};
    return tb_store_deploys(item->view->store, &filter, put_suspect, item);
}
