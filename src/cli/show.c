/* show.c - see show.h. */
#include "cli/show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/print.h"
#include "trace/trace.h"

void tb_show_empty(const struct tb_cli *cli, const struct tb_config *config)
{
    char command[TB_CLI_COMMAND];
    printf("No items yet%s%s.\n\n", config != NULL ? " in " : "",
           config != NULL ? config->state_dir : "");
    printf("  %s demo\n      shows what a crash and an error look like, in a temporary folder\n",
           cli->self);
    printf("  %s\n      sends one item through the agent\n", tb_cli_command(cli, "test", command));
    printf("  %s\n      says whether this host is ready\n\n",
           tb_cli_command(cli, "check", command));
    printf("In a daemon:  #include <towbar/towbar.h>      towbar_init(NULL);\n"
           "              towbar_error(\"what went wrong: %%s\", why);\n"
           "Build it:     cc -g daemon.c $(pkg-config --cflags --libs towbar)\n");
}

int tb_show_trace_id(const char *typed, char out[TB_SHOW_ID_TEXT])
{
    struct tb_trace trace;
    memset(&trace, 0, sizeof(trace));
    /* A whole header, as it stands in a log, is as good as the id in it. */
    if (tb_trace_parse_id(typed, trace.trace_id) < 0 &&
        tb_trace_parse(typed, strlen(typed), &trace) < 0) {
        fprintf(stderr,
                "towbar: '%s' is no trace id: 32 hex digits, X-Ray's form 1-5759e988-bd862e3fe1be4"
                "6a994272793, or the value of a traceparent or X-Amzn-Trace-Id header\n",
                typed);
        return -EINVAL;
    }
    tb_trace_id_text(trace.trace_id, out);
    return 0;
}

void tb_show_trace(const char *indent, const char *trace_id, const char *xray_trace_id)
{
    uint8_t id[16];
    char text[TB_TRACE_ID_TEXT];
    char xray[TB_XRAY_ID_TEXT];
    if (tb_trace_parse_id(trace_id, id) == 0) {
        tb_trace_id_text(id, text);
        tb_xray_id_text(id, xray);
        printf("%s%s   in X-Ray's form %s\n", indent, text, xray);
    }
    if (*xray_trace_id == '\0' || strcmp(trace_id, xray_trace_id) == 0 ||
        tb_trace_parse_id(xray_trace_id, id) < 0)
        return;
    tb_trace_id_text(id, text);
    tb_xray_id_text(id, xray);
    printf("%*sX-Ray's own: %s   as 32 digits %s\n", (int)strlen(indent), "", xray, text);
}

/* A JSON value of any shape on lines of its own: lists in one line, objects by key. */
static void print_inputs(const cJSON *value, int depth)
{
    const cJSON *member;
    if (cJSON_IsObject(value) && depth < 3) {
        cJSON_ArrayForEach(member, value)
        {
            printf("\n%*s", 14 + 2 * depth, "");
            tb_print_text(member->string);
            printf(": ");
            print_inputs(member, depth + 1);
        }
    } else if (cJSON_IsArray(value) && depth < 3) {
        cJSON_ArrayForEach(member, value)
        {
            print_inputs(member, depth + 1);
            printf("%s", member->next != NULL ? " < " : "");
        }
    } else if (cJSON_IsString(value)) {
        tb_print_text(value->valuestring);
    } else {
        char *text = cJSON_PrintUnformatted(value);
        tb_print_text(text);
        cJSON_free(text);
    }
}

/* Why its occurrences are one item: in words, then the fingerprint and all that it was made from.
 */
static void print_why(const struct tb_item_row *item)
{
    cJSON *inputs = cJSON_Parse(item->group_inputs);
    const cJSON *why = cJSON_GetObjectItemCaseSensitive(inputs, "why");
    if (cJSON_IsString(why)) {
        tb_print_text(why->valuestring);
        printf("\n%*s", 14, "");
    }
    printf("fingerprint ");
    tb_print_text(item->fingerprint);
    cJSON_DeleteItemFromObjectCaseSensitive(inputs, "why");
    if (inputs != NULL)
        print_inputs(inputs, 0);
    cJSON_Delete(inputs);
}

void tb_show_item(const struct tb_item_row *item, int64_t now_ms)
{
    char age[TB_AGE_TEXT];
    char stamp[TB_STAMP_TEXT];
    printf("%s", tb_ink(tb_ink_of(item->level)));
    tb_print_text(item->level);
    printf("%s  %s", tb_ink(TB_INK_NONE), tb_ink(TB_INK_BOLD));
    tb_print_text(item->title);
    printf("%s   item %" PRId64 "\n\n", tb_ink(TB_INK_NONE), item->number);
    tb_print_stamp(item->first_ms, stamp);
    tb_print_age(now_ms, item->last_ms, age);
    if (item->total == 1)
        printf("  Seen        once, %s, %s\n", stamp, age);
    else
        printf("  Seen        %" PRId64 " times, first %s, last %s\n", item->total, stamp, age);
    printf("  Status      ");
    tb_print_text(item->status);
    printf("\n  Where       service ");
    tb_print_text(*item->service != '\0' ? item->service : "-");
    printf(", environment ");
    tb_print_text(*item->environment != '\0' ? item->environment : "-");
    printf("\n  Grouped by  ");
    print_why(item);
    printf("\n");
}

static void show_notes(const cJSON *data, uint64_t occurred_ns)
{
    const cJSON *notes = tb_json_at(data, "body.telemetry");
    const cJSON *note;
    if (cJSON_GetArraySize(notes) == 0)
        return;
    printf("\nBefore it\n");
    cJSON_ArrayForEach(note, notes)
    {
        const cJSON *at = cJSON_GetObjectItemCaseSensitive(note, "timestamp_ms");
        const char *text = tb_json_text(note, "body.message");
        double ms = cJSON_IsNumber(at) ? at->valuedouble - (double)occurred_ns / 1e6 : 0;
        if (ms > -1000)
            printf("  %8.0f ms  ", ms);
        else
            printf("  %8.1f s   ", ms / 1e3);
        printf("%-8s ", tb_json_text(note, "level"));
        tb_print_text(*text != '\0' ? text : tb_json_text(note, "type"));
        printf("\n");
    }
}

static void show_pairs(const char *title, const cJSON *object)
{
    const cJSON *member;
    if (cJSON_GetArraySize(object) == 0)
        return;
    printf("\n%s\n", title);
    cJSON_ArrayForEach(member, object)
    {
        printf("  ");
        tb_print_text(member->string);
        printf(" = ");
        print_inputs(member, 3);
        printf("\n");
    }
}

static void show_one(int *n, const char *before, const char *text, const char *after)
{
    if (*text == '\0')
        return;
    printf("%s%s", (*n)++ == 0 ? "  " : ", ", before);
    tb_print_text(text);
    printf("%s", after);
}

/* "  pid 4242, thread 4251 "worker-2", host web-1, version 1.2" */
static void show_process(const cJSON *data)
{
    static const struct {
        const char *path, *before, *after;
    } parts[] = {{"server.pid", "pid ", ""},
                 {"custom.native.thread.tid", "thread ", ""},
                 {"custom.native.thread.name", "named \"", "\""},
                 {"server.host", "host ", ""},
                 {"code_version", "version ", ""}};
    int n = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        char digits[24] = "";
        const cJSON *value = tb_json_at(data, parts[i].path);
        if (cJSON_IsNumber(value) && value->valuedouble >= 0 && value->valuedouble <= UINT32_MAX)
            snprintf(digits, sizeof(digits), "%" PRIu32, (uint32_t)value->valuedouble);
        show_one(&n, parts[i].before,
                 digits[0] != '\0' ? digits : tb_json_text(data, parts[i].path), parts[i].after);
    }
    if (n > 0)
        printf("\n");
}

/* What it stands for: docs/storms.md. */
static void show_repeated(const cJSON *data)
{
    const cJSON *repeated = tb_json_at(data, "custom.towbar.repeated");
    const char *note = tb_json_text(data, "custom.towbar.note");
    if (!cJSON_IsNumber(repeated) || repeated->valuedouble < 1 || *note == '\0' ||
        tb_json_at(data, "custom.towbar.kinds") != NULL) /* the message says it */
        return;
    printf("  +");
    tb_print_text(note);
    printf("\n");
}

struct tb_shown tb_show_occurrence(const struct tb_cli *cli,
                                   const struct tb_occurrence_row *occurrence)
{
    struct tb_shown shown = {0};
    char stamp[TB_STAMP_TEXT];
    cJSON *data = cJSON_ParseWithLength(occurrence->data, occurrence->data_len);
    printf("\nThe latest one  %s, uuid ",
           tb_print_stamp((int64_t)(occurrence->occurred_ns / TB_NS_PER_MS), stamp));
    tb_print_text(occurrence->uuid);
    putchar('\n');
    if (data == NULL) {
        printf("  its body cannot be read as JSON\n");
        return shown;
    }
    printf("  ");
    tb_print_what(data);
    printf("\n");
    show_process(data);
    show_repeated(data);
    tb_print_evidence(data);
    printf("\nStack\n");
    shown.n_folded = tb_print_stack(data, "  ", cli->all_frames ? TB_STACK_WHOLE : TB_STACK_FOLDED);
    tb_print_modules(data, "  ");
    shown.n_stacks = tb_print_threads(data, "  ",
                                      cli->all_frames ? TB_THREADS_WHOLE
                                      : cli->all      ? TB_THREADS_FOLDED
                                                      : TB_THREADS_LINES,
                                      &shown.n_folded);
    if (*occurrence->trace_id != '\0' || *occurrence->xray_trace_id != '\0') {
        printf("\nTrace\n");
        tb_show_trace("  ", occurrence->trace_id, occurrence->xray_trace_id);
    }
    show_pairs("Tags", tb_json_at(data, "custom.scope"));
    show_notes(data, (uint64_t)occurrence->occurred_ns);
    cJSON_Delete(data);
    return shown;
}
