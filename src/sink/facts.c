/* facts.c - see facts.h. The exceptions and their frames are in facts_stack.c, numbers and times in
 * facts_time.c. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "sink/facts_impl.h"

enum { OMIT_NOTHING, OMIT_REQUEST, OMIT_PERSON };
enum { HTTP_FIRST = 100, HTTP_LAST = 599 };

struct member {
    const char *key;
    size_t offset;
};

#define AT(key, field)                                                                             \
    {                                                                                              \
        key, offsetof(struct tb_sink_facts, field)                                                 \
    }
static const struct member notifier[] = {AT("name", notifier), AT("version", notifier_version)};
static const struct member custom[] = {AT("service", service)};
static const struct member trace[] = {
    AT("state", trace_state),
    AT("source", trace_source),
    AT("xray_sampled", xray_sampled),
    AT("xray_lineage", xray_lineage),
};
static const struct member native[] = {
    AT("kind", native_kind),      AT("signal", signal),   AT("code", signal_code),
    AT("address", fault_address), AT("meaning", meaning), AT("abort_message", abort_message),
    AT("executable", executable), AT("thread", thread),
};
static const struct member native_thread[] = {AT("name", thread)};
static const struct member native_errno[] = {AT("name", errno_name)};
static const struct member request[] = {AT("method", method), AT("url", url),
                                        AT("user_ip", client_ip)};
static const struct member person[] = {AT("id", person_id), AT("username", person_name),
                                       AT("email", person_email)};
#undef AT

static const struct {
    const char *path;
    const struct member *members;
    size_t n;
    int omit;
} groups[] = {
#define GROUP(path, list, omit)                                                                    \
    {                                                                                              \
        path, list, sizeof(list) / sizeof((list)[0]), omit                                         \
    }
    GROUP("notifier", notifier, OMIT_NOTHING),
    GROUP("custom", custom, OMIT_NOTHING),
    GROUP("custom.trace", trace, OMIT_NOTHING),
    GROUP("custom.native", native, OMIT_NOTHING),
    GROUP("custom.native.thread", native_thread, OMIT_NOTHING),
    GROUP("custom.native.errno", native_errno, OMIT_NOTHING),
    GROUP("request", request, OMIT_REQUEST),
    GROUP("person", person, OMIT_PERSON),
#undef GROUP
};

const char *tb_facts_text(struct tb_facts_memory *memory, const struct tb_doc *doc, int node)
{
    const struct tb_doc_node *n = node >= 0 ? tb_doc_at(doc, node) : NULL;
    size_t room = (size_t)(memory->end - memory->at);
    char *text = memory->at;
    if (!n || n->len >= room)
        return "";
    if (n->type == TB_DOC_NUMBER) {
        memcpy(text, memory->doc_text + n->at, n->len);
        text[n->len] = '\0';
        memory->at += n->len + 1;
    } else if (tb_doc_copy(doc, node, text, room)) {
        memory->at += strlen(text) + 1;
    } else {
        return "";
    }
    return text;
}

bool tb_facts_is_true(const struct tb_doc *doc, int node)
{
    const struct tb_doc_node *n = node >= 0 ? tb_doc_at(doc, node) : NULL;
    return n && n->type == TB_DOC_BOOL && n->len == strlen("true");
}

static int object_at(const struct tb_doc *doc, const char *path)
{
    int node = tb_doc_find(doc, 0, path);
    return node >= 0 && tb_doc_at(doc, node)->type == TB_DOC_OBJECT ? node : -1;
}

static bool is_omitted(const struct tb_sink_omit *omit, int what)
{
    return (what == OMIT_REQUEST && omit->request) || (what == OMIT_PERSON && omit->person);
}

/* ---- texts by their names ---- */

static void read_groups(struct tb_sink_facts *out, struct tb_facts_memory *memory,
                        const struct tb_sink_omit *omit)
{
    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
        int object = is_omitted(omit, groups[g].omit) ? -1 : object_at(out->doc, groups[g].path);
        if (object < 0)
            continue;
        for (size_t m = 0; m < groups[g].n; m++) {
            const char *text = tb_facts_text(
                memory, out->doc, tb_doc_member(out->doc, object, groups[g].members[m].key));
            /* The thread is a text in reports, and an object in crashes. */
            if (text[0] != '\0')
                memcpy((char *)out + groups[g].members[m].offset, &text, sizeof(text));
        }
    }
}

static void clear_texts(struct tb_sink_facts *out)
{
    static const char *const none = "";
    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
        for (size_t m = 0; m < groups[g].n; m++)
            memcpy((char *)out + groups[g].members[m].offset, &none, sizeof(none));
    }
    out->error_class = out->message = out->xray_parent_id = out->xray_cause_id = "";
    out->user_agent = out->request_host = "";
}

static void read_item(struct tb_sink_facts *out, struct tb_facts_memory *memory,
                      const struct tb_sink_settings *settings)
{
    static const char *const levels[] = {"debug", "info", "warning", "error", "critical"};
    struct tb_item *item = &memory->item;
    tb_item_read(out->doc, 0, item);
    out->uuid = item->uuid;
    out->level_name = item->level;
    while (strcmp(levels[out->level], item->level) != 0)
        out->level++;
    out->body = item->body;
    out->title = item->title;
    out->environment = item->environment;
    out->context = item->context;
    out->fingerprint = item->fingerprint;
    out->framework = item->framework;
    out->language = item->language;
    out->platform = item->platform;
    out->host = item->host[0] == '\0' && settings && settings->host ? settings->host : item->host;
    out->root = item->root;
    out->code_version = item->code_version;
    out->trace_id = item->trace_id;
    out->span_id = item->span_id;
    out->xray_trace_id = item->xray_trace_id;
}

/* ---- what is no plain text ---- */

/* 16 hex digits in lower case, not all zero; else "". */
static const char *read_id(struct tb_facts_memory *memory, const struct tb_doc *doc, int node)
{
    static const uint8_t none[8];
    uint8_t id[8];
    const char *text = tb_facts_text(memory, doc, node);
    if (strlen(text) != 2 * sizeof(id) || tb_unhex(text, id, sizeof(id)) < 0 ||
        memcmp(id, none, sizeof(id)) == 0)
        return "";
    tb_hex(id, sizeof(id), memory->at - TB_SPAN_ID_TEXT);
    return text;
}

static int read_flags(const struct tb_doc *doc, int node)
{
    char text[TB_ITEM_SHORT];
    uint8_t flags;
    return tb_doc_copy(doc, node, text, sizeof(text)) && strlen(text) == 2 &&
                   tb_unhex(text, &flags, sizeof(flags)) == 0
               ? flags
               : -1;
}

static void read_trace(struct tb_sink_facts *out, struct tb_facts_memory *memory)
{
    const struct tb_doc *doc = out->doc;
    int node = object_at(doc, "custom.trace");
    out->trace_flags = -1;
    if (node < 0)
        return;
    out->trace_flags = read_flags(doc, tb_doc_member(doc, node, "flags"));
    out->xray_parent_id = read_id(memory, doc, tb_doc_member(doc, node, "xray_parent_id"));
    out->xray_cause_id = read_id(memory, doc, tb_doc_member(doc, node, "xray_cause_id"));
    out->is_xray_local = tb_facts_is_true(doc, tb_doc_member(doc, node, "xray_is_local"));
    out->started_ns =
        tb_facts_seconds(tb_facts_text(memory, doc, tb_doc_member(doc, node, "started_at")));
}

static bool same_letters(const char *a, const char *b)
{
    while (*a != '\0' && (*a | 0x20) == (*b | 0x20)) {
        a++;
        b++;
    }
    return *a == *b;
}

/* Names of headers are written in any case. */
static void read_headers(struct tb_sink_facts *out, struct tb_facts_memory *memory, int headers)
{
    const struct tb_doc *doc = out->doc;
    for (int h = tb_doc_at(doc, headers)->first; h >= 0; h = tb_doc_at(doc, h)->next) {
        const struct tb_doc_node *node = tb_doc_at(doc, h);
        char key[16];
        if (node->key_len >= sizeof(key))
            continue;
        memcpy(key, memory->doc_text + node->key_at, node->key_len);
        key[node->key_len] = '\0';
        if (same_letters(key, "user-agent"))
            out->user_agent = tb_facts_text(memory, doc, h);
        else if (same_letters(key, "host"))
            out->request_host = tb_facts_text(memory, doc, h);
    }
}

/* No SDK of Rollbar sends the status; programs put it among their custom data. */
static int64_t read_status(const struct tb_doc *doc)
{
    static const char *const paths[] = {"custom.http_status", "custom.status_code",
                                        "custom.response.status_code", "custom.scope.http_status",
                                        "response.status_code"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char text[TB_ITEM_SHORT];
        int node = tb_doc_find(doc, 0, paths[i]);
        int64_t status = tb_doc_int(doc, node, 0);
        if (tb_doc_copy(doc, node, text, sizeof(text)) && strspn(text, "0123456789") == 3 &&
            text[3] == '\0')
            status = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
        if (status >= HTTP_FIRST && status <= HTTP_LAST)
            return status;
    }
    return 0;
}

static void read_request(struct tb_sink_facts *out, struct tb_facts_memory *memory)
{
    int node = object_at(out->doc, "request.headers");
    if (node >= 0)
        read_headers(out, memory, node);
}

static int signal_number(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } signals[] = {
        {"SIGSEGV", SIGSEGV}, {"SIGABRT", SIGABRT},     {"SIGBUS", SIGBUS},   {"SIGFPE", SIGFPE},
        {"SIGILL", SIGILL},   {"SIGTRAP", SIGTRAP},     {"SIGSYS", SIGSYS},   {"SIGKILL", SIGKILL},
        {"SIGQUIT", SIGQUIT}, {"SIGXCPU", SIGXCPU},     {"SIGXFSZ", SIGXFSZ}, {"SIGPIPE", SIGPIPE},
        {"SIGALRM", SIGALRM}, {"SIGUSR1", SIGUSR1},     {"SIGUSR2", SIGUSR2}, {"SIGPROF", SIGPROF},
        {"SIGTERM", SIGTERM}, {"SIGVTALRM", SIGVTALRM}, {"SIGINT", SIGINT},   {"SIGHUP", SIGHUP},
    };
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        if (strcmp(signals[i].name, name) == 0)
            return signals[i].number;
    }
    return 0;
}

static bool says_uncaught(const struct tb_doc *doc)
{
    int list = tb_doc_member(doc, 0, "attributes");
    if (list < 0 || tb_doc_at(doc, list)->type != TB_DOC_ARRAY)
        return false;
    for (int a = tb_doc_at(doc, list)->first; a >= 0; a = tb_doc_at(doc, a)->next) {
        char text[TB_ITEM_SHORT];
        if (!tb_doc_copy(doc, tb_doc_member(doc, a, "key"), text, sizeof(text)) ||
            strcmp(text, "is_uncaught") != 0)
            continue;
        int value = tb_doc_member(doc, a, "value");
        return tb_facts_is_true(doc, value) ||
               (tb_doc_copy(doc, value, text, sizeof(text)) && strcmp(text, "true") == 0);
    }
    return false;
}

static void read_native(struct tb_sink_facts *out)
{
    const struct tb_doc *doc = out->doc;
    int node = object_at(doc, "custom.native");
    out->pid = tb_doc_int(doc, tb_doc_find(doc, 0, "server.pid"), 0);
    if (node >= 0) {
        int tid = tb_doc_find(doc, node, "thread.tid");
        out->tid = tb_doc_int(doc, tid >= 0 ? tid : tb_doc_member(doc, node, "tid"), 0);
        out->pid = tb_doc_int(doc, tb_doc_member(doc, node, "pid"), out->pid);
        out->signal_number = signal_number(out->signal);
    }
    out->is_crash = strcmp(out->native_kind, "crash") == 0 ||
                    strcmp(out->native_kind, "vanished") == 0 || out->body == TB_BODY_CRASH_REPORT;
    out->is_uncaught = out->is_crash || says_uncaught(doc);
}

static void read_time(struct tb_sink_facts *out)
{
    char text[TB_ITEM_SHORT];
    const struct tb_doc *doc = out->doc;
    int custom_node = object_at(doc, "custom");
    if (custom_node >= 0 &&
        tb_doc_copy(doc, tb_doc_member(doc, custom_node, "occurred_at"), text, sizeof(text)))
        out->time_ns = tb_facts_date(text);
    const struct tb_facts_memory *memory = out->memory;
    int node = tb_doc_member(doc, 0, "timestamp");
    const struct tb_doc_node *n = node >= 0 ? tb_doc_at(doc, node) : NULL;
    if (out->time_ns == 0 && n && n->type == TB_DOC_NUMBER && n->len < sizeof(text)) {
        memcpy(text, memory->doc_text + n->at, n->len);
        text[n->len] = '\0';
        out->time_ns = tb_facts_seconds(text);
    }
}

int tb_sink_facts_read(const struct tb_sink_item *item, const struct tb_sink_settings *settings,
                       struct tb_sink_facts *out)
{
    static const struct tb_sink_omit nothing;
    char why[TB_DOC_WHY];
    struct tb_doc *doc = NULL;
    const struct tb_sink_omit *omit = settings ? &settings->omit : &nothing;
    memset(out, 0, sizeof(*out));
    int err = tb_doc_new_large(item->data, item->len, &doc, why);
    if (err < 0)
        return err == -ENOMEM ? err : -EINVAL;
    out->doc = doc;
    if (tb_doc_at(doc, 0)->type != TB_DOC_OBJECT)
        return -EINVAL;
    struct tb_facts_memory *memory = tb_facts_memory_new(doc, item);
    out->memory = memory;
    if (!memory)
        return -ENOMEM;
    clear_texts(out);
    out->omit = *omit;
    read_item(out, memory, settings);
    read_groups(out, memory, omit);
    read_trace(out, memory);
    if (!omit->request)
        read_request(out, memory);
    out->http_status = read_status(doc);
    out->custom = object_at(doc, "custom");
    out->scope = object_at(doc, "custom.scope");
    read_native(out);
    read_time(out);
    tb_facts_stack(out, memory, omit->source);
    return 0;
}

void tb_sink_facts_done(struct tb_sink_facts *facts)
{
    if (!facts)
        return;
    tb_doc_free(facts->doc);
    free(facts->memory);
    memset(facts, 0, sizeof(*facts));
}
