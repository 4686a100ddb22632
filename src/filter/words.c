/* words.c - see words.h. Source: AWS X-Ray developer guide, "Using filter expressions". */
#include "filter/words.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/suggest.h"

#define FIELD(name, type, field)                                                                   \
    {                                                                                              \
        name, type, TB_AT_FIELD, offsetof(struct tb_filter_subject, field), 0                      \
    }
#define LIST(name, field)                                                                          \
    {                                                                                              \
        name, TB_WORD_STRING, TB_AT_LIST, offsetof(struct tb_filter_subject, field),               \
            offsetof(struct tb_filter_subject, n_##field)                                          \
    }

const struct tb_word tb_words[] = {
    {"ok", TB_WORD_BOOL, TB_AT_FLAG, TB_FILTER_OK, 0},
    {"error", TB_WORD_BOOL, TB_AT_FLAG, TB_FILTER_ERROR, 0},
    {"throttle", TB_WORD_BOOL, TB_AT_FLAG, TB_FILTER_THROTTLE, 0},
    {"fault", TB_WORD_BOOL, TB_AT_FLAG, TB_FILTER_FAULT, 0},
    {"partial", TB_WORD_BOOL, TB_AT_FLAG, TB_FILTER_PARTIAL, 0},
    {"inferred", TB_WORD_BOOL, TB_AT_FLAG, TB_FILTER_INFERRED, 0},
    {"first", TB_WORD_BOOL, TB_AT_FIRST, 0, 0},
    {"last", TB_WORD_BOOL, TB_AT_LAST, 0, 0},
    {"remote", TB_WORD_BOOL, TB_AT_FLAG, TB_FILTER_REMOTE, 0},
    {"root", TB_WORD_BOOL, TB_AT_FLAG, TB_FILTER_ROOT, 0},
    FIELD("responsetime", TB_WORD_NUMBER, responsetime),
    FIELD("duration", TB_WORD_NUMBER, duration),
    FIELD("http.status", TB_WORD_NUMBER, status),
    {"index", TB_WORD_NUMBER, TB_AT_INDEX, 0, 0},
    FIELD("coverage", TB_WORD_NUMBER, coverage),
    FIELD("http.url", TB_WORD_STRING, url),
    FIELD("http.method", TB_WORD_STRING, method),
    FIELD("http.useragent", TB_WORD_STRING, useragent),
    FIELD("http.clientip", TB_WORD_STRING, clientip),
    LIST("user", users),
    FIELD("name", TB_WORD_STRING, name),
    FIELD("type", TB_WORD_STRING, type),
    FIELD("message", TB_WORD_STRING, message),
    LIST("availabilityzone", zones),
    LIST("instance.id", instances),
    LIST("resource.arn", arns),
};
const size_t tb_n_words = sizeof(tb_words) / sizeof(tb_words[0]);

const char *const tb_op_names[TB_OPS] = {
    [TB_OP_IS] = "=",
    [TB_OP_IS_NOT] = "!=",
    [TB_OP_LESS] = "<",
    [TB_OP_LESS_OR_IS] = "<=",
    [TB_OP_MORE] = ">",
    [TB_OP_MORE_OR_IS] = ">=",
    [TB_OP_CONTAINS] = "CONTAINS",
    [TB_OP_BEGINS] = "BEGINSWITH",
    [TB_OP_ENDS] = "ENDSWITH",
};
const char *const tb_cause_names[TB_CAUSES] = {"fault", "error", "responsetime"};
const char *const tb_part_names[TB_PARTS] = {"service", "entity", "exception"};

/* What begins a term and is no keyword. */
static const char *const MORE[] = {"service(",
                                   "edge(",
                                   "annotation.",
                                   "group.name",
                                   "group.arn",
                                   "rootcause.fault.service",
                                   "rootcause.fault.entity",
                                   "rootcause.fault.exception"};
enum {
    N_MORE = sizeof(MORE) / sizeof(MORE[0]),
    NAME_BYTES = 32,
    WORDS_MAX = 64,
    LEAST_LETTERS = 3
};

const struct tb_word *tb_word_find(const char *name, size_t len)
{
    for (size_t i = 0; i < tb_n_words; i++) {
        if (strlen(tb_words[i].name) == len && strncasecmp(tb_words[i].name, name, len) == 0)
            return &tb_words[i];
    }
    return NULL;
}

const char *tb_word_near(const char *name, size_t len)
{
    const char *names[WORDS_MAX];
    char typed[NAME_BYTES] = "";
    size_t n = 0;
    if (len < LEAST_LETTERS || len >= sizeof(typed))
        return NULL;
    for (size_t i = 0; i < len; i++)
        typed[i] = (char)tolower((unsigned char)name[i]);
    for (size_t i = 0; i < tb_n_words; i++)
        names[n++] = tb_words[i].name;
    for (size_t i = 0; i < N_MORE; i++)
        names[n++] = MORE[i];
    return tb_suggest(typed, names, n);
}
