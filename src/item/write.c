/* write.c - see write.h.
 *
 * What may be long is given a share of the memory, so that one long text cannot crowd out the
 * rest: small facts first, then the message, the innermost frames, the newest notes. Whatever
 * was cut makes the result -ENOSPC. */
#include "item/write.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/utf8.h"
#include "item/write_trace.h"
#include "towbar/towbar.h"

enum {
    NAME_BYTES = 128,  /* class, thread and errno names */
    PLACE_BYTES = 512, /* format, file, function */
    FRAME_ROOM = 33,   /* {"address":"0xffffffffffffffff"}, */
    NOTE_ROOM = 128,   /* what surrounds the text of a note */
    SCOPE_MAX = 64,    /* tags */
    OCCURRED_AT_TEXT = 31,
    SAFE_BITS = 53, /* integers that every JSON reader keeps */
};

struct writer {
    struct tb_json json;
    bool is_cut;
};

const char *tb_level_name(int level)
{
    static const char *const names[] = {"debug", "info", "warning", "error", "critical"};
    if (level < TOWBAR_DEBUG || level > TOWBAR_CRITICAL)
        return "error";
    return names[level];
}

/* Bytes that are left for values, what closes the brackets held back. */
static size_t room(const struct writer *w)
{
    size_t used = w->json.len + w->json.depth + 2;
    return used < w->json.cap ? w->json.cap - used : 0;
}

/* The most bytes that c takes in a JSON string. */
static size_t byte_room(unsigned char c)
{
    if (c < 0x20 || c == 0x7f)
        return 6;
    if (c >= 0x80)
        return 3; /* becomes U+FFFD when it is no UTF-8 */
    return c == '"' || c == '\\' ? 2 : 1;
}

static size_t text_room(const char *text, size_t len)
{
    size_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += byte_room((unsigned char)text[i]);
    return sum;
}

/* How much of text fits into max bytes of JSON. */
static size_t fitting(const char *text, size_t len, size_t max)
{
    size_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum += byte_room((unsigned char)text[i]);
        if (sum > max)
            return tb_utf8_cut(text, len, i);
    }
    return len;
}

/* A string of at most max bytes in JSON; NULL is "". */
static void put_text(struct writer *w, const char *key, const char *text, size_t max)
{
    size_t len = text ? strlen(text) : 0;
    size_t fit = fitting(text ? text : "", len, max);
    if (fit < len)
        w->is_cut = true;
    tb_json_key(&w->json, key);
    tb_json_strn(&w->json, text ? text : "", fit);
}

static void put_optional(struct writer *w, const char *key, const char *text, size_t max)
{
    if (text && text[0])
        put_text(w, key, text, max);
}

/* A count that a reader of doubles still sees exactly. */
static void put_count(struct writer *w, const char *key, uint64_t count)
{
    uint64_t most = ((uint64_t)1 << SAFE_BITS) - 1;
    tb_json_kint(&w->json, key, (int64_t)(count < most ? count : most));
}

static char *put_digits(char *at, uint64_t value, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + width;
}

/* RFC 3339 in UTC. The C library's functions take locks; the calendar repeats every 400 years of
 * 146097 days, and years that begin in March have their leap day last. */
static void occurred_at_text(uint64_t wall_ns, char out[OCCURRED_AT_TEXT])
{
    uint64_t seconds = wall_ns / TB_NS_PER_S;
    uint64_t days = seconds / 86400 + 719468; /* since 0000-03-01 */
    uint64_t era = days / 146097;
    uint64_t day = days % 146097;
    uint64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    uint64_t march_month = (5 * day + 2) / 153;
    uint64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
    char *at = put_digits(out, era * 400 + year + (month <= 2 ? 1 : 0), 4);
    *at++ = '-';
    at = put_digits(at, month, 2);
    *at++ = '-';
    at = put_digits(at, day - (153 * march_month + 2) / 5 + 1, 2);
    *at++ = 'T';
    at = put_digits(at, seconds / 3600 % 24, 2);
    *at++ = ':';
    at = put_digits(at, seconds / 60 % 60, 2);
    *at++ = ':';
    at = put_digits(at, seconds % 60, 2);
    *at++ = '.';
    at = put_digits(at, wall_ns % TB_NS_PER_S, 9);
    *at++ = 'Z';
    *at = '\0';
}

/* The string at *at of the scope, which is advanced behind its NUL; NULL at the end. */
static const char *next_string(const char *scope, size_t len, size_t *at)
{
    const char *text = scope + *at;
    const char *nul = *at < len ? memchr(text, '\0', len - *at) : NULL;
    if (!nul)
        return NULL;
    *at += (size_t)(nul - text) + 1;
    return text;
}

/* The tags that count: of those with the same key the last one. */
static size_t scope_tags(const struct tb_item_facts *facts, const char *tags[SCOPE_MAX][2])
{
    size_t n_tags = 0;
    size_t at = 0;
    const char *key;
    const char *value;
    while (facts->scope && (key = next_string(facts->scope, facts->scope_len, &at)) != NULL &&
           (value = next_string(facts->scope, facts->scope_len, &at)) != NULL) {
        size_t i = 0;
        while (i < n_tags && strcmp(tags[i][0], key) != 0)
            i++;
        if (i == SCOPE_MAX)
            break;
        tags[i][0] = key;
        tags[i][1] = value;
        n_tags += i == n_tags ? 1 : 0;
    }
    return n_tags;
}

static void put_scope(struct writer *w, const struct tb_item_facts *facts)
{
    const char *tags[SCOPE_MAX][2];
    size_t n_tags = scope_tags(facts, tags);
    if (n_tags == 0)
        return;
    /* A quarter of the memory for all tags, and no tag more than its part of it. */
    size_t share = w->json.cap / 4 / n_tags;
    tb_json_key(&w->json, "scope");
    tb_json_object(&w->json);
    for (size_t i = 0; i < n_tags; i++) {
        if (text_room(tags[i][0], strlen(tags[i][0])) > share / 2) {
            w->is_cut = true;
            continue;
        }
        put_text(w, tags[i][0], tags[i][1], share / 2);
    }
    tb_json_end(&w->json);
}

static void put_native(struct writer *w, const struct tb_item_facts *facts)
{
    struct tb_json *j = &w->json;
    tb_json_key(j, "native");
    tb_json_object(j);
    tb_json_kstr(j, "kind", "report");
    tb_json_khex(j, "generation", facts->generation);
    tb_json_kint(j, "pid", facts->pid);
    tb_json_kint(j, "tid", facts->tid);
    put_optional(w, "thread", facts->thread, NAME_BYTES);
    if (facts->error_number != 0) {
        tb_json_key(j, "errno");
        tb_json_object(j);
        tb_json_kint(j, "number", facts->error_number);
        put_optional(w, "name", facts->error_name, NAME_BYTES);
        tb_json_end(j);
    }
    if (facts->n_suppressed > 0)
        put_count(w, "suppressed", facts->n_suppressed);
    put_optional(w, "format", facts->format, PLACE_BYTES);
    if (facts->file || facts->function) {
        tb_json_key(j, "site");
        tb_json_object(j);
        put_optional(w, "file", facts->file, PLACE_BYTES);
        if (facts->line > 0)
            tb_json_kint(j, "line", facts->line);
        put_optional(w, "function", facts->function, PLACE_BYTES);
        tb_json_end(j);
    }
    tb_json_end(j);
}

/* Its texts are good whole or not at all. */
static void put_trace(struct writer *w, const struct tb_item_facts *facts)
{
    bool has_room = tb_item_trace_room(facts->trace) <= room(w) / 4;
    tb_item_trace_ids(&w->json, &facts->trace->trace);
    tb_item_trace_more(&w->json, facts->trace, facts->trace_started_ns, has_room);
    if (!has_room)
        w->is_cut = true;
}

static void put_custom(struct writer *w, const struct tb_item_facts *facts)
{
    char text[OCCURRED_AT_TEXT];
    tb_json_key(&w->json, "custom");
    tb_json_object(&w->json);
    if (facts->trace)
        put_trace(w, facts);
    occurred_at_text(facts->wall_ns, text);
    tb_json_kstr(&w->json, "occurred_at", text);
    put_native(w, facts);
    put_scope(w, facts);
    tb_json_end(&w->json);
}

static void put_exception(struct writer *w, const struct tb_item_facts *facts)
{
    const char *class_ = facts->class_ && facts->class_[0] ? facts->class_ : "error";
    tb_json_key(&w->json, "exception");
    tb_json_object(&w->json);
    put_text(w, "class", class_, NAME_BYTES);
    put_text(w, "message", facts->message, room(w) / 2);
    tb_json_end(&w->json);
}

/* {"address":"0x1234"} in one piece: most of a record is these. */
static void put_frame(struct writer *w, uint64_t address)
{
    static const char head[] = "{\"address\":\"0x";
    enum { HEAD = sizeof(head) - 1, DIGITS_MAX = 16, TAIL = 2 };
    char text[HEAD + DIGITS_MAX + TAIL];
    size_t n = 1;
    for (uint64_t rest = address >> 4; rest > 0; rest >>= 4)
        n++;
    memcpy(text, head, HEAD);
    for (size_t i = n; i-- > 0; address >>= 4)
        text[HEAD + i] = "0123456789abcdef"[address & 15];
    memcpy(text + HEAD + n, "\"}", TAIL);
    tb_json_raw(&w->json, text, HEAD + n + TAIL);
}

static void put_frames(struct writer *w, const struct tb_item_facts *facts)
{
    tb_json_key(&w->json, "frames");
    tb_json_array(&w->json);
    size_t n_fitting = room(w) / FRAME_ROOM;
    size_t n = facts->n_addresses < n_fitting ? facts->n_addresses : n_fitting;
    if (n < facts->n_addresses)
        w->is_cut = true;
    for (size_t i = n; i-- > 0;)
        put_frame(w, facts->addresses[i]);
    tb_json_end(&w->json);
}

static void put_note(struct writer *w, const struct tb_item_note *note)
{
    struct tb_json *j = &w->json;
    tb_json_object(j);
    tb_json_kstr(j, "level", tb_level_name(note->level));
    tb_json_kstr(j, "type", "log");
    tb_json_kstr(j, "source", "server");
    tb_json_kint(j, "timestamp_ms", (int64_t)(note->wall_ns / TB_NS_PER_MS));
    tb_json_key(j, "body");
    tb_json_object(j);
    tb_json_kstr(j, "message", note->text ? note->text : "");
    tb_json_end(j);
    tb_json_end(j);
}

static void put_telemetry(struct writer *w, const struct tb_item_facts *facts)
{
    size_t left = room(w);
    size_t first = facts->n_notes;
    size_t need = NOTE_ROOM; /* the key and the brackets */
    while (first > 0) {
        const char *text = facts->notes[first - 1].text;
        need += NOTE_ROOM + (text ? text_room(text, strlen(text)) : 0);
        if (need > left)
            break;
        first--;
    }
    if (first > 0)
        w->is_cut = true;
    if (first == facts->n_notes)
        return;
    tb_json_key(&w->json, "telemetry");
    tb_json_array(&w->json);
    for (size_t i = first; i < facts->n_notes; i++)
        put_note(w, &facts->notes[i]);
    tb_json_end(&w->json);
}

static void put_body(struct writer *w, const struct tb_item_facts *facts)
{
    tb_json_key(&w->json, "body");
    tb_json_object(&w->json);
    tb_json_key(&w->json, "trace");
    tb_json_object(&w->json);
    put_exception(w, facts);
    put_frames(w, facts);
    tb_json_end(&w->json);
    put_telemetry(w, facts);
    tb_json_end(&w->json);
}

int tb_item_write(const struct tb_item_facts *facts, char *mem, size_t cap, size_t *len)
{
    struct writer w = {.is_cut = false};
    struct tb_json *j = &w.json;
    char uuid[TB_UUID_TEXT];
    tb_json_init(j, mem, cap);
    tb_id_uuid_text(facts->uuid, uuid);
    tb_json_object(j);
    tb_json_key(j, "data");
    tb_json_object(j);
    tb_json_kstr(j, "uuid", uuid);
    tb_json_kint(j, "timestamp", (int64_t)(facts->wall_ns / TB_NS_PER_S));
    tb_json_kstr(j, "level", tb_level_name(facts->level));
    tb_json_kstr(j, "platform", "linux");
    tb_json_kstr(j, "language", "c");
    tb_json_key(j, "notifier");
    tb_json_object(j);
    tb_json_kstr(j, "name", "towbar");
    tb_json_kstr(j, "version", TOWBAR_VERSION);
    tb_json_end(j);
    if (facts->trace)
        tb_item_trace_attributes(j, &facts->trace->trace);
    put_custom(&w, facts);
    put_body(&w, facts);
    tb_json_end(j);
    tb_json_end(j);
    int err = tb_json_finish(j);
    *len = j->len;
    return !err && w.is_cut ? -ENOSPC : err;
}
