/* list_filter.c - see list_filter.h. */
#include "web/list_filter.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "web/emit.h"

static const char PREFIX[] = "filter:";
static const char WORDS[] = "text:";
enum { PREFIX_LEN = sizeof(PREFIX) - 1, WORDS_LEN = sizeof(WORDS) - 1 };

const char *tb_list_filter_words(const char *q)
{
    return strncasecmp(q, WORDS, WORDS_LEN) == 0 ? q + WORDS_LEN : q;
}

const char *tb_list_filter_text(const char *q)
{
    static const char *const SIGNS[] = {"service(",   "edge(",      "annotation.", "annotation[",
                                        "rootcause.", "group.name", "group.arn"};
    q += strspn(q, " ");
    if (strncasecmp(q, WORDS, WORDS_LEN) == 0)
        return NULL;
    if (strncasecmp(q, PREFIX, PREFIX_LEN) == 0)
        return q + PREFIX_LEN + strspn(q + PREFIX_LEN, " ");
    for (size_t i = 0; i < sizeof(SIGNS) / sizeof(SIGNS[0]); i++) {
        if (strcasestr(q, SIGNS[i]) != NULL)
            return q;
    }
    return NULL;
}

bool tb_list_filter_could_be(const char *words, const struct tb_search_settings *settings)
{
    static const struct tb_search_limits none;
    struct tb_search *search = NULL;
    char why[TB_FILTER_WHY];
    bool could = tb_search_new(words, settings, &none, &search, why) == 0;
    tb_search_free(search);
    return could;
}

int tb_list_filter_init(struct tb_list_filter *filter, const char *q,
                        const struct tb_search_settings *settings)
{
    static const struct tb_search_limits limits = {.occurrences = TB_STORE_RECENT,
                                                   .bytes = TB_LIST_BYTES};
    memset(filter, 0, sizeof(*filter));
    filter->text = tb_list_filter_text(q);
    if (filter->text == NULL)
        return 0;
    int err = tb_search_new(filter->text, settings, &limits, &filter->search, filter->why);
    return err == -EINVAL ? 0 : err;
}

void tb_list_filter_done(struct tb_list_filter *filter)
{
    tb_search_free(filter->search);
    filter->search = NULL;
}

int tb_list_filter_takes(struct tb_list_filter *filter, struct tb_store *store,
                         const struct tb_store_entry *entry, size_t n_skip)
{
    const struct tb_search_row row = {.uuid = entry->uuid,
                                      .trace_id = entry->trace_id,
                                      .xray_trace_id = entry->xray_trace_id,
                                      .data = entry->data,
                                      .len = entry->data_len};
    if (filter->search == NULL)
        return 0;
    int result = tb_search_match(filter->search, store, &row);
    if (result <= 0)
        return result;
    filter->n_matched++;
    return filter->n_matched > n_skip;
}

/* The byte at which that column is. */
static size_t byte_of(const char *text, size_t column)
{
    size_t len = strlen(text);
    size_t at = 0;
    for (; column > 1 && at < len; column--) {
        size_t n = tb_utf8_len(text + at, len - at);
        at += n > 0 ? n : 1;
    }
    return at;
}

static void put_mistake(const struct tb_list_filter *filter, struct tb_buf *out)
{
    const char *text = filter->text;
    size_t len = strlen(text);
    size_t column = tb_filter_column(filter->why);
    tb_emit(out,
            "<div class=\"panel\" role=\"alert\"><p class=\"bd\">This is no filter expression: "
            "%h</p>",
            filter->why);
    if (column > 0) {
        size_t at = byte_of(text, column);
        size_t n = at < len ? tb_utf8_len(text + at, len - at) : 0;
        tb_emit(out, "<pre class=\"bd\">");
        tb_emit_text(out, text, at);
        tb_emit(out, "<mark>");
        tb_emit_text(out, n > 0 ? text + at : " ", n > 0 ? n : 1);
        tb_emit(out, "</mark>");
        tb_emit_text(out, text + at + n, len - at - n);
        tb_emit(out, "</pre>");
    }
    tb_emit(out,
            "<p class=\"bd mute\"><a href=\"/?q=%u%u\">Search for these words</a> instead</p>"
            "</div>\n",
            WORDS, text);
}

void tb_list_filter_put(const struct tb_list_filter *filter, struct tb_buf *out)
{
    if (filter->text == NULL)
        return;
    if (filter->search == NULL) {
        put_mistake(filter, out);
        return;
    }
    tb_emit(out,
            "<p class=\"mute\">Read as a filter expression: items whose latest trace matches.");
    if (tb_search_is_full(filter->search))
        tb_emit(out, " The first %n items in this order were looked at, not all.",
                (int64_t)tb_search_asked(filter->search));
    tb_emit(out, "</p>\n");
}
