/* demo_check.c - holds what the demo's agent stored against what the demo did.
 *
 * Every request that met a bug must have left exactly one occurrence of feedd, with its own trace,
 * the right stack and the right source, and where it went through Flask one of Flask; and nothing
 * else may be there. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/agent.h"
#include "cli/demo_verify.h"
#include "cli/print.h"

enum { LINE_BYTES = 512, N_METHODS = 5 };

/* What each bug looks like: how the stack ends and what the faulting line says. */
static const struct bug {
    const char *user, *class_, *level;
    const char *says[2];            /* both are in the exception's message or meaning */
    const char *methods[N_METHODS]; /* the program's own, outermost first; NULL: no more */
    const char *file, *code;
    int total;
} bugs[] = {
    {"missing",
     "ENOENT",
     "error",
     {"cannot read the feed", "No such file"},
     {"worker_loop", "worker_handle", "feed_read"},
     "samples/cruddur/feed.c",
     "towbar_perror(\"cannot read the feed",
     TB_DEMO_N_ERRORS},
    {"crash",
     "SIGSEGV",
     "critical",
     {"ear-NULL", "0x18"},
     {"worker_loop", "worker_handle", "feed_read", "feed_line", "queue_push"},
     "samples/cruddur/queue.c",
     "q->tail->next",
     1},
    {"abort",
     NULL,
     "critical",
     {"length <= MESSAGE_MAX", "ssert"},
     {"worker_loop", "worker_handle", "feed_read", "feed_line"},
     "samples/cruddur/feed.c",
     "assert(length <= MESSAGE_MAX)",
     1},
};

void tb_demo_wrong(struct tb_demo_verifier *v, const char *format, ...)
{
    va_list args;
    v->n_wrong++;
    fflush(stdout);
    fprintf(stderr, "demo: %s: ", v->subject);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void tb_demo_want(struct tb_demo_verifier *v, const cJSON *data, const char *path, const char *want)
{
    const char *is = tb_json_text(data, path);
    if (strcmp(is, want) != 0)
        tb_demo_wrong(v, "data.%s is \"%s\", not \"%s\"", path, is, want);
}

const char *tb_demo_attribute(const cJSON *data, const char *key)
{
    const cJSON *pair;
    cJSON_ArrayForEach(pair, tb_json_at(data, "attributes"))
    {
        if (strcmp(tb_json_text(pair, "key"), key) == 0)
            return tb_json_text(pair, "value");
    }
    return "";
}

static void verify_trace(struct tb_demo_verifier *v, const cJSON *data,
                         const struct tb_demo_request *request)
{
    tb_demo_want(v, data, "custom.trace_id", request->trace_id);
    /* Flask, the real one, asks feedd in a span of its own. */
    const char *span = tb_json_text(data, "custom.span_id");
    if (request->is_web && v->demo->web_port != 0) {
        if (strlen(span) != TB_SPAN_ID_TEXT - 1 || strcmp(span, request->span_id) == 0)
            tb_demo_wrong(v, "custom.span_id is \"%s\", not one of Flask's own", span);
    } else {
        tb_demo_want(v, data, "custom.span_id", request->span_id);
    }
    if (strcmp(tb_demo_attribute(data, "trace_id"), request->trace_id) != 0)
        tb_demo_wrong(v, "attributes.trace_id is \"%s\", not \"%s\"",
                      tb_demo_attribute(data, "trace_id"), request->trace_id);
    if (strcmp(tb_demo_attribute(data, "span_id"), span) != 0)
        tb_demo_wrong(v, "attributes.span_id is \"%s\", not \"%s\"",
                      tb_demo_attribute(data, "span_id"), span);
}

/* The text of one line of a source file, as the agent should have found it. */
static int read_line(const char *root, const char *file, int number, char out[LINE_BYTES])
{
    char path[2 * TB_DEMO_PATH];
    int len = snprintf(path, sizeof(path), "%s/%s", root, file);
    FILE *source = len > 0 && len < (int)sizeof(path) ? fopen(path, "re") : NULL;
    int found = 0;
    if (source == NULL)
        return -ENOENT;
    while (found < number && fgets(out, LINE_BYTES, source) != NULL)
        found++;
    fclose(source);
    out[strcspn(out, "\r\n")] = '\0';
    return found == number && number > 0 ? 0 : -ENOENT;
}

/* The blamed frame: file, line and source say the same as the file itself. */
static void verify_place(struct tb_demo_verifier *v, const cJSON *data, const cJSON *frame,
                         const struct bug *bug)
{
    char line[LINE_BYTES] = "";
    const char *code = tb_json_text(frame, "code");
    const cJSON *number = tb_json_at(frame, "lineno");
    const cJSON *context = tb_json_at(frame, "context");
    tb_demo_want(v, frame, "filename", bug->file);
    if (strstr(code, bug->code) == NULL)
        tb_demo_wrong(v, "the source line is \"%s\" and should hold \"%s\"", code, bug->code);
    if (!cJSON_IsNumber(number) ||
        read_line(tb_json_text(data, "server.root"), bug->file, number->valueint, line) < 0)
        tb_demo_wrong(v, "there is no such line in %s/%s", tb_json_text(data, "server.root"),
                      bug->file);
    else if (strstr(line, bug->code) == NULL)
        tb_demo_wrong(v, "line %d of %s is \"%s\"", number->valueint, bug->file, line);
    if (cJSON_GetArraySize(tb_json_at(context, "pre")) == 0 ||
        cJSON_GetArraySize(tb_json_at(context, "post")) == 0)
        tb_demo_wrong(v, "there are no lines around the source line");
}

/* The functions must be among the frames in this order, outermost first. */
static void verify_stack(struct tb_demo_verifier *v, const cJSON *data, const struct bug *bug)
{
    const cJSON *frames = tb_print_frames(data);
    const cJSON *last = NULL;
    int n = 0;
    const cJSON *frame;
    cJSON_ArrayForEach(frame, frames)
    {
        if (n == N_METHODS || bug->methods[n] == NULL)
            break;
        if (strcmp(tb_json_text(frame, "method"), bug->methods[n]) == 0) {
            last = frame;
            n++;
        }
    }
    if (n < N_METHODS && bug->methods[n] != NULL) {
        tb_demo_wrong(v, "%s() is not where it should be in the stack", bug->methods[n]);
        return;
    }
    const cJSON *blamed = tb_print_blamed(frames, tb_json_text(data, "server.root"));
    if (blamed != last)
        tb_demo_wrong(v, "%s() should be blamed, %s() is", bug->methods[n - 1],
                      tb_json_text(blamed, "method"));
    verify_place(v, data, last, bug);
}

static void verify_words(struct tb_demo_verifier *v, const cJSON *data, const struct bug *bug)
{
    const char *message = tb_json_text(data, "body.trace.exception.message");
    const char *meaning = tb_print_meaning(data);
    for (size_t i = 0; i < sizeof(bug->says) / sizeof(bug->says[0]); i++)
        if (strstr(message, bug->says[i]) == NULL && strstr(meaning, bug->says[i]) == NULL)
            tb_demo_wrong(v, "\"%s\" is in neither \"%s\" nor \"%s\"", bug->says[i], message,
                          meaning);
    if (bug->class_ != NULL && strcmp(tb_print_class(data), bug->class_) != 0)
        tb_demo_wrong(v, "its class is %s, not %s", tb_print_class(data), bug->class_);
    tb_demo_want(v, data, "level", bug->level);
    tb_demo_want(v, data, "environment", "demo");
    tb_demo_want(v, data, "code_version", "demo");
    tb_demo_want(v, data, "platform", "linux");
    tb_demo_want(v, data, "custom.scope.user", bug->user);
}

static const struct bug *bug_of(const char *user)
{
    for (size_t i = 0; i < sizeof(bugs) / sizeof(bugs[0]); i++)
        if (strcmp(bugs[i].user, user) == 0)
            return &bugs[i];
    return &bugs[0];
}

static int verify_occurrence(void *arg, const struct tb_occurrence_row *row)
{
    struct tb_demo_verifier *v = arg;
    struct tb_demo *demo = v->demo;
    size_t i = 0;
    while (i < demo->n_requests && strcmp(demo->requests[i].trace_id, row->trace_id) != 0)
        i++;
    v->n_seen++;
    v->subject = row->uuid;
    cJSON *data = cJSON_ParseWithLength(row->data, row->data_len);
    if (i == demo->n_requests) {
        tb_demo_wrong(v, "trace \"%s\" is that of no request: %s", row->trace_id, row->title);
    } else if (data == NULL) {
        tb_demo_wrong(v, "its data are not JSON");
    } else if (tb_demo_is_web(data) && demo->requests[i].is_web) {
        v->web_ns = row->occurred_ns;
        tb_demo_verify_web(v, data, &demo->requests[i]);
    } else {
        const struct bug *bug = bug_of(demo->requests[i].user);
        if (demo->requests[i].is_web)
            v->crash_ns = row->occurred_ns;
        v->n_of_request[i]++;
        v->subject = bug->user;
        tb_demo_want(v, data, "uuid", row->uuid);
        verify_trace(v, data, &demo->requests[i]);
        verify_words(v, data, bug);
        verify_stack(v, data, bug);
    }
    cJSON_Delete(data);
    return 0;
}

struct totals {
    int64_t n_items;
    int n_of[TB_DEMO_N_REQUESTS + 1]; /* items with so many occurrences */
};

static int add_item(void *arg, const struct tb_item_row *item)
{
    struct totals *totals = arg;
    totals->n_items++;
    if (item->total >= 0 && item->total <= TB_DEMO_N_REQUESTS)
        totals->n_of[item->total]++;
    return 0;
}

/* Five occurrences of one bug make one item; each other bug makes one. */
static void verify_items(struct tb_demo_verifier *v, struct tb_store *store)
{
    struct totals totals = {0};
    v->subject = "items";
    if (tb_store_items(store, 100, add_item, &totals) < 0)
        tb_demo_wrong(v, "%s", tb_store_error(store));
    else if (totals.n_items != TB_DEMO_N_ITEMS || totals.n_of[TB_DEMO_N_ERRORS] != 1 ||
             totals.n_of[1] != TB_DEMO_N_ITEMS - 1)
        tb_demo_wrong(v, "there are %" PRId64 " and should be one of %d occurrences and %d of one",
                      totals.n_items, TB_DEMO_N_ERRORS, TB_DEMO_N_ITEMS - 1);
}

static void verify_requests(struct tb_demo_verifier *v)
{
    v->subject = "nothing lost";
    for (size_t i = 0; i < v->demo->n_requests; i++)
        if (v->n_of_request[i] != 1)
            tb_demo_wrong(v, "the request for \"%s\" with trace %s left %d occurrences",
                          v->demo->requests[i].user, v->demo->requests[i].trace_id,
                          v->n_of_request[i]);
    if (v->n_of_web != 1)
        tb_demo_wrong(v, "Flask left %d occurrences", v->n_of_web);
}

static void verify_counts(struct tb_demo_verifier *v, struct tb_store *store)
{
    struct tb_store_counts c;
    v->subject = "counts";
    if (tb_store_counts(store, &c) < 0) {
        tb_demo_wrong(v, "%s", tb_store_error(store));
        return;
    }
    if (c.occurrences != v->n_seen || c.items != TB_DEMO_N_ITEMS)
        tb_demo_wrong(v, "%" PRId64 " items and %" PRId64 " occurrences are counted", c.items,
                      c.occurrences);
    if (c.received != c.sent + c.dropped + c.quarantined + c.queued)
        tb_demo_wrong(v,
                      "received %" PRId64 " is not sent %" PRId64 " + dropped %" PRId64
                      " + quarantined %" PRId64 " + queued %" PRId64,
                      c.received, c.sent, c.dropped, c.quarantined, c.queued);
    if (v->demo->sends && c.sent != TB_DEMO_N_REPORTS)
        tb_demo_wrong(v, "%" PRId64 " of %d were sent; the last reason: %s", c.sent,
                      TB_DEMO_N_REPORTS, c.last_reason);
}

static double agent_count(const cJSON *status, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(tb_json_at(status, "counts"), name);
    return cJSON_IsNumber(value) ? value->valuedouble : -1;
}

/* What the agent says is as of a moment ago: it has seen everything when its count says so. */
static int agent_knows_all(struct tb_demo *demo)
{
    struct tb_agent_answer answer;
    tb_agent_ask(&demo->config, &answer);
    int knows = answer.is_up && agent_count(answer.json, "occurrences") >= TB_DEMO_N_REPORTS;
    tb_agent_answer_done(&answer);
    return knows;
}

/* The agent's own numbers add up, and nothing was damaged or lost on the way. */
static void verify_agent(struct tb_demo_verifier *v)
{
    static const char *const nothing[] = {"spool.damaged", "spool.lost", "spool.quarantined",
                                          "spool.refused"};
    struct tb_agent_answer answer;
    v->subject = "towbard's /status";
    if (tb_demo_wait(v->demo, agent_knows_all) < 0)
        tb_demo_wrong(v, "it does not know of all %d occurrences", TB_DEMO_N_REPORTS);
    tb_agent_ask(&v->demo->config, &answer);
    const cJSON *status = answer.json;
    if (agent_count(status, "occurrences") != TB_DEMO_N_REPORTS ||
        agent_count(status, "items") != TB_DEMO_N_ITEMS)
        tb_demo_wrong(v, "%.0f items and %.0f occurrences", agent_count(status, "items"),
                      agent_count(status, "occurrences"));
    if (agent_count(status, "received") !=
        agent_count(status, "sent") + agent_count(status, "dropped") +
            agent_count(status, "quarantined") + agent_count(status, "queued"))
        tb_demo_wrong(v, "received %.0f is not sent + dropped + quarantined + queued",
                      agent_count(status, "received"));
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        const cJSON *value = tb_json_at(status, nothing[i]);
        if (!cJSON_IsNumber(value) || value->valuedouble != 0)
            tb_demo_wrong(v, "%s is not 0", nothing[i]);
    }
    tb_agent_answer_done(&answer);
}

int tb_demo_verify(struct tb_demo *demo)
{
    const struct tb_occurrence_filter all = {.max = 1000};
    struct tb_store *store = NULL;
    struct tb_demo_verifier v = {.demo = demo, .subject = "occurrences"};
    if (tb_cli_store(&demo->config, &store) < 0) {
        tb_demo_wrong(&v, "there is no database in %s", demo->config.state_dir);
        return v.n_wrong;
    }
    if (tb_store_occurrences(store, &all, verify_occurrence, &v) < 0)
        tb_demo_wrong(&v, "%s", tb_store_error(store));
    verify_requests(&v);
    verify_items(&v, store);
    verify_counts(&v, store);
    verify_agent(&v);
    tb_demo_verify_pages(&v);
    tb_store_close(store);
    return v.n_wrong;
}
