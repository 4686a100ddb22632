/* native_report.c - see native.h: what the library wrote, completed with what it leaves to us. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/native/native.h"
#include "agent/native/native_common.h"
#include "base/id.h"

enum { ADDRESSES_MAX = 1024, FACTS_BYTES = 1 << 20, SMALL_BYTES = 16 << 10 };

static int parse_hex(const char *text, uint64_t *out)
{
    char *end = NULL;
    if (strncmp(text, "0x", 2) != 0 || text[2] == '\0')
        return -EINVAL;
    errno = 0;
    unsigned long long value = strtoull(text + 2, &end, 16);
    if (errno != 0 || *end != '\0')
        return -EINVAL;
    *out = value;
    return 0;
}

size_t tb_native_addresses(const struct tb_doc *data, uint64_t *out, size_t max)
{
    size_t n = 0;
    int frames = tb_doc_find(data, 0, "body.trace.frames");
    if (frames < 0 || tb_doc_at(data, frames)->type != TB_DOC_ARRAY)
        return 0;
    for (int f = tb_doc_at(data, frames)->first; f >= 0; f = tb_doc_at(data, f)->next) {
        char text[32];
        uint64_t address;
        if (!tb_doc_copy(data, tb_doc_member(data, f, "address"), text, sizeof(text)) ||
            parse_hex(text, &address))
            continue;
        if (n == max) { /* the oldest go first */
            memmove(out, out + 1, (max - 1) * sizeof(*out));
            n--;
        }
        out[n++] = address;
    }
    for (size_t i = 0; i < n / 2; i++) {
        uint64_t other = out[i];
        out[i] = out[n - 1 - i];
        out[n - 1 - i] = other;
    }
    return n;
}

static int get_frames(const struct tb_doc *data, struct tb_native_context *context,
                      struct tb_native_frames *out)
{
    memset(out, 0, sizeof(*out));
    int err = context->symbols != NULL
                  ? tb_native_frames_read(context->symbols, context->symbols_len, out)
                  : -EBADMSG;
    if (err != -EBADMSG)
        return err;
    if (context->symbols != NULL)
        context->symbols_note = "the symbolizer's answer made no sense";
    context->symbols = NULL;
    tb_native_frames_done(out);
    uint64_t addresses[ADDRESSES_MAX];
    size_t n = tb_native_addresses(data, addresses, ADDRESSES_MAX);
    return tb_native_frames_make(context, addresses, NULL, n, out);
}

/* What a report must have, whoever wrote it. */
static int check(const struct tb_doc *data, char why[TB_DOC_WHY])
{
    static const struct {
        const char *path;
        int type;
    } needs[] = {{"body.trace.frames", TB_DOC_ARRAY},
                 {"body.trace.exception.class", TB_DOC_STRING},
                 {"level", TB_DOC_STRING},
                 {"custom.native", TB_DOC_OBJECT}};
    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
        int node = tb_doc_find(data, 0, needs[i].path);
        if (node < 0 || tb_doc_at(data, node)->type != needs[i].type) {
            snprintf(why, TB_DOC_WHY, "the report has no %s of the right type", needs[i].path);
            return -EBADMSG;
        }
    }
    return 0;
}

static int set_string(struct tb_doc *data, int object, const char *key, const char *text)
{
    char json[SMALL_BYTES];
    if (text[0] == '\0')
        return 0;
    size_t len = tb_native_string(text, json, sizeof(json));
    return tb_doc_set(data, object, key, json, len);
}

static int add_string(struct tb_doc *data, int object, const char *key, const char *text)
{
    return tb_doc_member(data, object, key) >= 0 ? 0 : set_string(data, object, key, text);
}

static int complete_process(struct tb_doc *data, const struct tb_native_context *context)
{
    const struct tb_process *p = context->process;
    char json[SMALL_BYTES];
    char uuid[TB_UUID_TEXT];
    struct tb_json j;
    int64_t pid = tb_doc_int(data, tb_doc_find(data, 0, "custom.native.pid"), 0);
    tb_id_uuid_text(context->uuid, uuid);
    tb_json_init(&j, json, sizeof(json));
    tb_native_server(&j, context, pid > 0 && pid <= UINT32_MAX ? (uint32_t)pid : 0);
    int err = tb_json_finish(&j);
    if (!err && tb_doc_member(data, 0, "server") < 0)
        err = tb_doc_add(data, 0, "server", json, j.len);
    if (!err)
        err = set_string(data, 0, "uuid", uuid);
    if (!err)
        err = add_string(data, 0, "environment", tb_native_environment(context));
    if (!err && p != NULL)
        err = add_string(data, 0, "code_version", p->version);
    if (!err && p != NULL)
        err = add_string(data, tb_doc_member(data, 0, "custom"), "service", p->service);
    return err;
}

/* The members of custom.native that are ours; what the library wrote there stays. */
static int complete_native(struct tb_doc *data, const struct tb_native_frames *frames,
                           const struct tb_native_context *context)
{
    char why[TB_DOC_WHY];
    struct tb_json j;
    struct tb_doc *facts = NULL;
    int native = tb_doc_find(data, 0, "custom.native");
    char *mem = malloc(FACTS_BYTES);
    if (mem == NULL)
        return -ENOMEM;
    tb_json_init(&j, mem, FACTS_BYTES);
    tb_json_object(&j);
    tb_native_facts(&j, frames, context);
    if (context->is_truncated)
        tb_json_kbool(&j, "truncated", true);
    tb_json_end(&j);
    int err = tb_json_finish(&j);
    if (!err)
        err = tb_doc_new(mem, j.len, &facts, why);
    for (int f = err ? -1 : tb_doc_at(facts, 0)->first; f >= 0 && !err;
         f = tb_doc_at(facts, f)->next) {
        struct tb_buf key;
        tb_buf_init(&key, SMALL_BYTES);
        tb_doc_key(facts, f, &key);
        err = tb_doc_set(data, native, tb_buf_str(&key), mem + tb_doc_at(facts, f)->at,
                         tb_doc_at(facts, f)->len);
        tb_buf_done(&key);
    }
    tb_doc_free(facts);
    free(mem);
    return err;
}

static int complete(struct tb_doc *data, struct tb_native_context *context, struct tb_buf *out)
{
    struct tb_native_frames frames;
    int err = get_frames(data, context, &frames);
    if (!err)
        err = tb_doc_replace(data, tb_doc_find(data, 0, "body.trace.frames"),
                             tb_buf_str(&frames.json), frames.json.len);
    if (!err)
        err = complete_native(data, &frames, context);
    if (!err)
        err = complete_process(data, context);
    if (!err)
        err = tb_doc_render(data, out);
    tb_native_frames_done(&frames);
    return err;
}

/* The language needs the frames that were put in: a second look. */
static int set_language(struct tb_buf *item, const struct tb_native_context *context)
{
    char why[TB_DOC_WHY];
    struct tb_doc *data = NULL;
    struct tb_buf out;
    tb_buf_init(&out, item->max);
    int err = tb_doc_new(item->data, item->len, &data, why);
    if (!err)
        err = set_string(data, 0, "language", tb_native_language(context->process, data));
    if (!err)
        err = tb_doc_render(data, &out);
    tb_doc_free(data);
    if (!err) {
        tb_buf_reset(item);
        tb_buf_add(item, out.data, out.len);
        err = item->err;
    }
    tb_buf_done(&out);
    return err;
}

int tb_native_report(const char *item, size_t len, const struct tb_native_context *context,
                     struct tb_buf *out, char why[TB_DOC_WHY])
{
    struct tb_doc *envelope = NULL;
    struct tb_doc *data = NULL;
    struct tb_native_context c = *context;
    int err = tb_doc_new(item, len, &envelope, why);
    if (err)
        return err == -ENOMEM ? err : -EBADMSG;
    int node = tb_doc_member(envelope, 0, "data");
    const struct tb_doc_node *at = node >= 0 ? tb_doc_at(envelope, node) : NULL;
    if (at == NULL || at->type != TB_DOC_OBJECT) {
        snprintf(why, TB_DOC_WHY, "the report has no data object");
        err = -EBADMSG;
    } else {
        err = tb_doc_new(item + at->at, at->len, &data, why);
    }
    tb_doc_free(envelope);
    if (!err)
        err = check(data, why);
    if (!err)
        err = complete(data, &c, out);
    tb_doc_free(data);
    return err ? err : set_language(out, &c);
}
