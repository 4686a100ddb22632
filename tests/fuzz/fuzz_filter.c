/* fuzz_filter.c - filter expressions: what is refused is so at a column of the text, what is taken
 * can be asked of a trace and about itself. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "filter/filter.h"
#include "filter/view.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[TB_FILTER_WHY] = "";
    struct tb_filter *filter = NULL;
    int err = tb_filter_parse((const char *)data, size, &filter, why);
    if (err == 0) {
        ask(filter);
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
