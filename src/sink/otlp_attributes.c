/* otlp_attributes.c - see otlp.h: what is said of an item and of its program. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "item/doc.h"
#include "sink/otlp.h"

enum { KEY_BYTES = 128, SCOPE_BYTES = 1024 };

#if defined(__x86_64__)
static const char arch[] = "amd64";
#elif defined(__aarch64__)
static const char arch[] = "arm64";
#else
static const char arch[] = "";
#endif

/* ---- the resource ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The identifier of the program's own file, as far as the stack goes through it. */
static const char *build_id(const struct tb_sink_facts *facts)
{
    const char *program = base_name(facts->executable);
    for (size_t e = 0; e < facts->n_exceptions && program[0] != '\0'; e++) {
        const struct tb_sink_exception *exception = &facts->exceptions[e];
        for (size_t i = 0; i < exception->n_frames; i++) {
            const struct tb_sink_frame *frame = &exception->frames[i];
            if (frame->build_id[0] != '\0' && strcmp(frame->module, program) == 0)
                return frame->build_id;
        }
    }
    return "";
}

/* OpenTelemetry's word for a service without a name; Honeycomb then goes by the header with the
 * dataset. */
static void put_service(struct tb_otlp_list *list, const struct tb_sink_facts *facts)
{
    char unknown[KEY_BYTES];
    const char *program = base_name(facts->executable);
    if (facts->service[0] != '\0') {
        tb_otlp_put(list, "service.name", facts->service, TB_OTLP_TEXT_BYTES);
        return;
    }
    (void)snprintf(unknown, sizeof(unknown), "unknown_service%s%.64s",
                   program[0] != '\0' ? ":" : "", program);
    tb_otlp_put(list, "service.name", unknown, TB_OTLP_TEXT_BYTES);
}

static void put_log_group(struct tb_otlp_list *list, const struct tb_sink_target *target)
{
    const char *group = target->settings ? target->settings->log_group : NULL;
    if (!group || group[0] == '\0')
        return;
    tb_otlp_put_key(list, "aws.log.group.names");
    tb_buf_adds(list->out, "{\"arrayValue\":{\"values\":[{\"stringValue\":");
    tb_otlp_string(list->out, group, TB_OTLP_TEXT_BYTES);
    tb_buf_adds(list->out, "}]}}}");
}

void tb_otlp_resource(const struct tb_sink_facts *facts, const struct tb_sink_target *target,
                      struct tb_buf *out)
{
    struct tb_otlp_list list;
    bool is_native = facts->native_kind[0] != '\0';
    bool is_linux = is_native || strcmp(facts->platform, "linux") == 0;
    const size_t max = TB_OTLP_TEXT_BYTES;
    tb_otlp_list_open(&list, out);
    put_service(&list, facts);
    tb_otlp_put(&list, "service.version", facts->code_version, max);
    tb_otlp_put(&list, "deployment.environment.name", facts->environment, max);
    tb_otlp_put(&list, "host.name", facts->host, max);
    tb_otlp_put(&list, "host.arch", is_native ? arch : "", max);
    tb_otlp_put(&list, "os.type", is_linux ? "linux" : "", max);
    if (facts->pid > 0)
        tb_otlp_put_int(&list, "process.pid", facts->pid);
    tb_otlp_put(&list, "process.executable.name", base_name(facts->executable), max);
    if (facts->executable[0] == '/')
        tb_otlp_put(&list, "process.executable.path", facts->executable, max);
    tb_otlp_put(&list, "process.executable.build_id.gnu", build_id(facts), max);
    tb_otlp_put(&list, "telemetry.sdk.name", "towbar", max);
    tb_otlp_put(&list, "telemetry.sdk.language", "cpp", max); /* there is no word for C */
    tb_otlp_put(&list, "telemetry.sdk.version", TOWBAR_VERSION, max);
    put_log_group(&list, target);
    tb_otlp_list_close(&list);
}

/* ---- what records and spans have in common ---- */

bool tb_otlp_is_exception(const struct tb_sink_facts *facts)
{
    return facts->n_exceptions > 0 || facts->is_crash;
}

const char *tb_otlp_type(const struct tb_sink_facts *facts)
{
    return facts->error_class[0] != '\0' ? facts->error_class : "_OTHER";
}

void tb_otlp_put_exception(struct tb_otlp_list *list, const struct tb_sink_facts *facts)
{
    struct tb_otlp_text stack;
    tb_otlp_put(list, "exception.type", tb_otlp_type(facts), TB_OTLP_TEXT_BYTES);
    tb_otlp_put(list, "exception.message", facts->message, TB_OTLP_LONG_BYTES);
    if (facts->n_exceptions == 0)
        return;
    tb_otlp_put_key(list, "exception.stacktrace");
    tb_buf_adds(list->out, "{\"stringValue\":");
    tb_otlp_text_open(&stack, list->out, TB_OTLP_LONG_BYTES);
    tb_otlp_stack(facts, &stack);
    tb_otlp_text_close(&stack);
    tb_buf_adds(list->out, "}}");
}

static void put_code(struct tb_otlp_list *list, const struct tb_sink_frame *frame)
{
    if (!frame)
        return;
    if (strcmp(frame->function, "<unknown>") != 0)
        tb_otlp_put(list, "code.function.name", frame->function, TB_OTLP_TEXT_BYTES);
    if (frame->line <= 0)
        return;
    tb_otlp_put(list, "code.file.path", frame->file, TB_OTLP_TEXT_BYTES);
    tb_otlp_put_int(list, "code.line.number", frame->line);
    if (frame->column > 0)
        tb_otlp_put_int(list, "code.column.number", frame->column);
}

static void put_native(struct tb_otlp_list *list, const struct tb_sink_facts *facts)
{
    const size_t max = TB_OTLP_TEXT_BYTES;
    if (facts->tid > 0)
        tb_otlp_put_int(list, "thread.id", facts->tid);
    tb_otlp_put(list, "thread.name", facts->thread, max);
    if (facts->signal_number > 0)
        tb_otlp_put_int(list, "rollbar.signal.number", facts->signal_number);
    tb_otlp_put(list, "rollbar.signal.name", facts->signal, max);
    tb_otlp_put(list, "rollbar.signal.code", facts->signal_code, max);
    tb_otlp_put(list, "rollbar.signal.address", facts->fault_address, max);
    tb_otlp_put(list, "rollbar.meaning", facts->meaning, max);
}

static void put_request(struct tb_otlp_list *list, const struct tb_sink_facts *facts)
{
    const size_t max = TB_OTLP_TEXT_BYTES;
    tb_otlp_put(list, "http.request.method", facts->method, max);
    tb_otlp_put(list, "url.full", facts->url, max);
    if (facts->http_status > 0 && !facts->omit.request)
        tb_otlp_put_int(list, "http.response.status_code", facts->http_status);
    tb_otlp_put(list, "client.address", facts->client_ip, max);
    tb_otlp_put(list, "user_agent.original", facts->user_agent, max);
    tb_otlp_put(list, "user.id", facts->person_id, max);
    tb_otlp_put(list, "user.name", facts->person_name, max);
    tb_otlp_put(list, "user.email", facts->person_email, max);
}

/* Whose it was; rollbar.js and pyrollbar put it beside the trace. */
static void put_session(struct tb_otlp_list *list, const struct tb_sink_facts *facts)
{
    const struct tb_doc *doc = facts->doc;
    int attributes = tb_doc_member(doc, 0, "attributes");
    if (facts->omit.person || attributes < 0 || tb_doc_at(doc, attributes)->type != TB_DOC_ARRAY)
        return;
    for (int a = tb_doc_at(doc, attributes)->first; a >= 0; a = tb_doc_at(doc, a)->next) {
        char text[SCOPE_BYTES];
        if (!tb_doc_copy(doc, tb_doc_member(doc, a, "key"), text, sizeof(text)) ||
            strcmp(text, "session_id") != 0 ||
            !tb_doc_copy(doc, tb_doc_member(doc, a, "value"), text, sizeof(text)))
            continue;
        tb_otlp_put(list, "session.id", text, TB_OTLP_TEXT_BYTES);
        return;
    }
}

static bool name_scope_member(const struct tb_doc *doc, int node, char key[KEY_BYTES])
{
    static const char prefix[] = "rollbar.scope.";
    struct tb_buf name;
    tb_buf_init(&name, KEY_BYTES - sizeof(prefix));
    tb_doc_key(doc, node, &name);
    bool is_named = name.err == 0 && name.len > 0 && strlen(tb_buf_str(&name)) == name.len;
    if (is_named)
        (void)snprintf(key, KEY_BYTES, "%s%s", prefix, tb_buf_str(&name));
    tb_buf_done(&name);
    return is_named;
}

/* Whether it is one of the first n: a request in which a key stands twice is refused whole. */
static bool is_among(char (*keys)[KEY_BYTES], unsigned n, const char *key)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

/* What the program said about where it was; texts alone. */
static void put_scope(struct tb_otlp_list *list, const struct tb_sink_facts *facts)
{
    char keys[TB_OTLP_SCOPE_MAX][KEY_BYTES];
    char text[SCOPE_BYTES];
    unsigned n = 0;
    unsigned n_seen = 0;
    if (facts->scope < 0)
        return;
    int node = tb_doc_at(facts->doc, facts->scope)->first;
    for (; node >= 0; node = tb_doc_at(facts->doc, node)->next) {
        if (n_seen++ < TB_OTLP_SCOPE_MAX && name_scope_member(facts->doc, node, keys[n]) &&
            !is_among(keys, n, keys[n]) && tb_doc_copy(facts->doc, node, text, sizeof(text)))
            tb_otlp_put(list, keys[n++], text, SCOPE_BYTES);
        else
            list->n_dropped++;
    }
}

static void put_xray(struct tb_otlp_list *list, const char *id)
{
    char text[TB_TRACE_ID_TEXT + 3];
    if (strlen(id) != TB_TRACE_ID_TEXT - 1)
        return;
    (void)snprintf(text, sizeof(text), "1-%.8s-%s", id, id + 8);
    tb_otlp_put(list, "aws.xray.trace_id", text, TB_OTLP_TEXT_BYTES);
}

static void put_rollbar(struct tb_otlp_list *list, const struct tb_sink_facts *facts,
                        const char *uuid)
{
    char url[KEY_BYTES];
    tb_otlp_put(list, "rollbar.occurrence.uuid", uuid, KEY_BYTES);
    (void)snprintf(url, sizeof(url), "https://rollbar.com/occurrence/uuid/?uuid=%.64s", uuid);
    tb_otlp_put(list, "rollbar.occurrence_url", url, KEY_BYTES);
    tb_otlp_put(list, "rollbar.level", facts->level_name, KEY_BYTES);
    tb_otlp_put(list, "rollbar.fingerprint", facts->fingerprint, TB_OTLP_TEXT_BYTES);
    tb_otlp_put(list, "rollbar.context", facts->context, TB_OTLP_TEXT_BYTES);
}

/* All but the exception itself. */
void tb_otlp_put_rest(struct tb_otlp_list *list, const struct tb_sink_facts *facts,
                      const char *uuid)
{
    if (tb_otlp_is_exception(facts))
        tb_otlp_put(list, "error.type", tb_otlp_type(facts), TB_OTLP_TEXT_BYTES);
    put_code(list, facts->blamed);
    put_native(list, facts);
    put_rollbar(list, facts, uuid);
    put_request(list, facts);
    put_session(list, facts);
    put_xray(list, facts->xray_trace_id);
    put_scope(list, facts);
}
