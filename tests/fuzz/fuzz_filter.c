/* fuzz_filter.c - filter expressions: what is refused is so at a column of the text, what is taken
 * can be asked of a trace and about itself. Behind a NUL may stand the items of a trace, each
 * behind another. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "filter/filter.h"
#include "filter/view_item.h"

static const char *const USERS[] = {"alice", ""};

static void ask(const struct tb_filter *filter)
{
    struct tb_filter_subject services[] = {tb_filter_subject(), tb_filter_subject()};
    services[0].name = "backend-flask";
    services[0].known = services[0].set = 1U << TB_FILTER_FAULT | 1U << TB_FILTER_ROOT;
    services[1].status = 404;
    const struct tb_filter_annotation annotations[] = {{"pid", TB_FILTER_NUMBER, 42, NULL},
                                                       {"crash", TB_FILTER_BOOL, 1, NULL},
                                                       {"signal", TB_FILTER_STRING, 0, "SIGSEGV"}};
    struct tb_filter_view view = {.trace = tb_filter_subject(),
                                  .services = services,
                                  .n_services = 2,
                                  .annotations = annotations,
                                  .n_annotations = 3};
    view.trace.users = USERS;
    view.trace.n_users = 2;
    view.trace.url = "http://127.0.0.1/";
    view.causes[TB_CAUSE_FAULT][TB_PART_EXCEPTION] = (struct tb_filter_list){services, 2};
    /* It names itself. */
    const struct tb_filter_group groups[] = {{"Cruddur", filter}, {"a", filter}};
    (void)tb_filter_match(filter, groups, 2, &view);
    const char *names[4];
    if (tb_filter_services(filter, groups, 2, names, 4) > 0 &&
        !tb_filter_can_match_error(filter, groups, 2))
        abort();
}

enum { ITEMS = 4 };

static void ask_items(const struct tb_filter *filter, const char *text, size_t len)
{
    static const struct tb_sink_settings settings = {
        .name = "", .name_pattern = "*.local*", .origin = "AWS::EC2::Instance"};
    struct tb_filter_item items[ITEMS];
    struct tb_filter_trace *trace = NULL;
    size_t n = 0;
    while (len > 0 && n < ITEMS) {
        const char *end = memchr(text, '\0', len);
        size_t item_len = end ? (size_t)(end - text) : len;
        items[n++] = (struct tb_filter_item){.uuid = "u", .data = text, .len = item_len};
        text += item_len + (end ? 1 : 0);
        len -= item_len + (end ? 1 : 0);
    }
    if (tb_filter_trace_new(items, n, &settings, &trace) == 0)
        (void)tb_filter_match(filter, NULL, 0, tb_filter_trace_view(trace));
    tb_filter_trace_free(trace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[TB_FILTER_WHY] = "";
    struct tb_filter *filter = NULL;
    const char *text = (const char *)data;
    const char *end = size > 0 ? memchr(text, '\0', size) : NULL;
    size_t rest = end ? size - (size_t)(end + 1 - text) : 0;
    size = end ? (size_t)(end - text) : size;
    int err = tb_filter_parse(text, size, &filter, why);
    if (err == 0) {
        ask(filter);
        if (rest > 0)
            ask_items(filter, end + 1, rest);
        tb_filter_free(filter);
        return 0;
    }
    size_t column = tb_filter_column(why);
    if (why[0] == '\0' || column > size + 1 || (column == 0 && size <= TB_FILTER_MAX_BYTES))
        abort();
    size_t len = strlen(why);
    if (tb_utf8_cut(why, len, len) != len)
        abort();
    return 0;
}
