/* xray_cause.c - see xray.h: the exceptions of a document, as the console shows them.
 *
 * The reported one is first, each names the next one as its cause; frames innermost first. A frame
 * without a source file is shown by its module and the offset in it. */
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "base/utf8.h"
#include "sink/xray.h"

enum { PATH_BYTES = TB_XRAY_TEXT_BYTES + 1, USE_BYTES = 32 };

void tb_xray_put_text(struct tb_json *j, const char *key, const char *text, size_t max)
{
    if (text[0] == '\0')
        return;
    tb_json_key(j, key);
    tb_json_strn(j, text, tb_utf8_cut(text, strlen(text), max));
}

/* Of a path the end is what tells. */
static void write_path(struct tb_json *j, const char *path)
{
    size_t len = strlen(path);
    const char *from = path + (len > TB_XRAY_TEXT_BYTES ? len - TB_XRAY_TEXT_BYTES : 0);
    while (((unsigned char)*from & 0xc0) == 0x80)
        from++;
    tb_xray_put_text(j, "path", from, TB_XRAY_TEXT_BYTES);
}

static void write_frame(struct tb_json *j, const struct tb_sink_frame *frame)
{
    char path[PATH_BYTES];
    tb_json_object(j);
    if (frame->line == 0 && frame->module[0] != '\0' && frame->module_offset[0] != '\0') {
        /* Cut anywhere, it is put right by the writer. */
        (void)snprintf(path, sizeof(path), "%.200s+%.40s", frame->module, frame->module_offset);
        write_path(j, path);
    } else {
        write_path(j, frame->file);
    }
    if (frame->line > 0)
        tb_json_kint(j, "line", frame->line);
    tb_xray_put_text(j, "label", frame->function, TB_XRAY_TEXT_BYTES);
    tb_json_end(j);
}

static void write_stack(struct tb_json *j, const struct tb_sink_exception *exception,
                        const struct tb_xray_size *size)
{
    size_t n = exception->n_frames < size->frames ? exception->n_frames : size->frames;
    size_t n_omitted = exception->n_omitted + (exception->n_frames - n);
    if (n_omitted > 0)
        tb_json_kint(j, "truncated", (int64_t)n_omitted);
    if (n == 0)
        return;
    tb_json_key(j, "stack");
    tb_json_array(j);
    for (size_t i = 0; i < n; i++)
        write_frame(j, &exception->frames[i]);
    tb_json_end(j);
}

static void exception_id(const char *uuid, size_t i, char out[TB_XRAY_ID_HEX])
{
    char use[USE_BYTES];
    uint8_t id[TB_FACTS_ID_BYTES];
    (void)snprintf(use, sizeof(use), "exception %zu", i);
    tb_sink_facts_id(uuid, use, id);
    tb_hex(id, sizeof(id), out);
}

static void write_exception(struct tb_json *j, const struct tb_sink_facts *facts, const char *uuid,
                            size_t i, const struct tb_xray_size *size)
{
    char id[TB_XRAY_ID_HEX];
    const struct tb_sink_exception *exception = &facts->exceptions[i];
    tb_json_object(j);
    exception_id(uuid, i, id);
    tb_json_kstr(j, "id", id);
    tb_xray_put_text(j, "type", exception->type, TB_XRAY_TEXT_BYTES);
    tb_xray_put_text(j, "message", exception->message, size->message);
    if (i + 1 < facts->n_exceptions && i + 1 < size->causes) {
        exception_id(uuid, i + 1, id);
        tb_json_kstr(j, "cause", id);
    }
    write_stack(j, exception, size);
    tb_json_end(j);
}

/* What is no exception is shown as one without a stack. */
static void write_message(struct tb_json *j, const struct tb_sink_facts *facts, const char *uuid,
                          const struct tb_xray_size *size)
{
    char id[TB_XRAY_ID_HEX];
    tb_json_object(j);
    exception_id(uuid, 0, id);
    tb_json_kstr(j, "id", id);
    tb_json_kstr(j, "type", facts->body == TB_BODY_CRASH_REPORT ? "crash report" : "message");
    tb_xray_put_text(j, "message", facts->message[0] != '\0' ? facts->message : facts->title,
                     size->message);
    tb_json_end(j);
}

void tb_xray_cause(struct tb_json *j, const struct tb_sink_facts *facts, const char *uuid,
                   const struct tb_xray_size *size)
{
    tb_json_key(j, "cause");
    if (tb_xray_is_subsegment(facts) && facts->xray_cause_id[0] != '\0') {
        tb_json_str(j, facts->xray_cause_id); /* the SDK of the process has sent it */
        return;
    }
    tb_json_object(j);
    tb_xray_put_text(j, "working_directory", facts->root, TB_XRAY_TEXT_BYTES);
    tb_json_key(j, "exceptions");
    tb_json_array(j);
    for (size_t i = 0; i < facts->n_exceptions && i < size->causes; i++)
        write_exception(j, facts, uuid, i, size);
    if (facts->n_exceptions == 0)
        write_message(j, facts, uuid, size);
    tb_json_end(j);
    tb_json_end(j);
}
