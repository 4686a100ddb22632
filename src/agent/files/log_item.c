/* log_item.c - see log_item.h. */
#include "agent/files/log_item.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

enum { OTHER_BYTES = 64 << 10, ESCAPED = 6, MS_PER_S = 1000 };

void tb_log_message_init(struct tb_log_message *message)
{
    *message = (struct tb_log_message){.is_open = false};
    tb_buf_init(&message->text, TB_LOG_MESSAGE_BYTES);
}

void tb_log_message_done(struct tb_log_message *message)
{
    tb_buf_done(&message->text);
    message->is_open = false;
}

/* As much of it as there is room for. */
static void add(struct tb_log_message *message, const char *text, size_t len)
{
    size_t left = message->text.max - 1 - message->text.len;
    tb_buf_add(&message->text, text, tb_utf8_cut(text, len, len < left ? len : left));
}

void tb_log_message_begin(struct tb_log_message *message, uint64_t at,
                          const struct tb_log_match *match)
{
    tb_buf_reset(&message->text);
    message->is_open = true;
    message->at = at;
    message->level = match->level;
    message->time_ms = match->time_ms;
    message->n_lines = 1;
    add(message, match->message, match->message_len);
    message->title_len = tb_utf8_cut(
        tb_buf_str(&message->text), message->text.len,
        message->text.len < TB_LOG_TITLE_BYTES ? message->text.len : (size_t)TB_LOG_TITLE_BYTES);
}

bool tb_log_message_add(struct tb_log_message *message, const char *line, size_t len)
{
    if (len > 0 && line[len - 1] == '\r')
        len--;
    if (message->n_lines >= TB_LOG_MESSAGE_LINES ||
        message->text.len + len + 2 > message->text.max || message->text.err != 0)
        return false;
    tb_buf_add(&message->text, "\n", 1);
    add(message, line, len);
    message->n_lines++;
    return true;
}

static void write_body(const struct tb_log_message *message, struct tb_json *j)
{
    const char *text = tb_buf_str(&message->text);
    tb_json_key(j, "title");
    tb_json_strn(j, text, message->title_len);
    tb_json_key(j, "body");
    tb_json_object(j);
    tb_json_key(j, "message");
    tb_json_object(j);
    tb_json_key(j, "body");
    tb_json_strn(j, text, message->text.len);
    tb_json_end(j);
    tb_json_end(j);
}

static void write_origin(const struct tb_log_origin *origin, struct tb_json *j)
{
    tb_json_kopt(j, "environment", origin->environment);
    tb_json_kopt(j, "framework", origin->framework);
    tb_json_key(j, "server");
    tb_json_object(j);
    tb_json_kopt(j, "host", origin->host);
    tb_json_kstr(j, "log_file", origin->path);
    tb_json_end(j);
    if (origin->service[0] != '\0') {
        tb_json_key(j, "custom");
        tb_json_object(j);
        tb_json_kstr(j, "service", origin->service);
        tb_json_end(j);
    }
    tb_json_key(j, "notifier");
    tb_json_object(j);
    tb_json_kstr(j, "name", "towbard");
    tb_json_kstr(j, "version", TOWBAR_VERSION);
    tb_json_end(j);
}

char *tb_log_item(const struct tb_log_message *message, const struct tb_log_origin *origin,
                  int64_t now_ms, size_t *len)
{
    struct tb_json j;
    char uuid[TB_UUID_TEXT];
    size_t cap = message->text.len * ESCAPED + OTHER_BYTES;
    char *mem = malloc(cap);
    if (mem == NULL)
        return NULL;
    tb_id_uuid_text(message->uuid, uuid);
    tb_json_init(&j, mem, cap);
    tb_json_object(&j);
    tb_json_key(&j, "data");
    tb_json_object(&j);
    tb_json_kstr(&j, "uuid", uuid);
    tb_json_kstr(&j, "level", tb_log_severity_name(message->level));
    /* Rollbar takes whole seconds. */
    tb_json_kint(&j, "timestamp", (message->time_ms >= 0 ? message->time_ms : now_ms) / MS_PER_S);
    write_body(message, &j);
    write_origin(origin, &j);
    (void)tb_json_finish(&j); /* there is room for all: the settings are bounded */
    *len = j.len;
    return mem;
}
