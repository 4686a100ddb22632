/* symbolize_spool.c - towbar symbolize FILE of a spool: what the agent would make of the crashes
 * and reports in it, without taking them. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/native/native.h"
#include "base/clock.h"
#include "base/pack.h"
#include "cli/spool.h"
#include "cli/symbolize.h"
#include "record/crash.h"
#include "record/process.h"

enum { ADDRESSES_MAX = 1024, FIXED_BYTES = 64, ITEM_BYTES = 4 << 20 };

struct walk {
    struct tb_symbolize *s;
    struct tb_process process; /* of the records that follow */
    bool has_process;
    uint8_t *packed; /* the same, as the file's owner may ask */
    size_t packed_len;
    int n_shown, n_named;
};

static void forget_process(struct walk *w)
{
    if (w->has_process)
        tb_process_done(&w->process);
    free(w->packed);
    w->packed = NULL;
    w->has_process = false;
}

/* The symbolizer shows what the file's owner may read, whatever the record claims. */
static void take_process(struct walk *w, const struct tb_peek_file *file,
                         const struct tb_peek_part *part)
{
    forget_process(w);
    if (tb_process_unpack(part->data, part->len, &w->process) != 0)
        return;
    w->has_process = true;
    w->process.uid = file->uid;
    w->packed = malloc(part->len + FIXED_BYTES);
    if (w->packed != NULL)
        w->packed_len = tb_process_pack(&w->process, w->packed, part->len + FIXED_BYTES);
}

/* ---- making the item ---- */

/* Answer and why there is none. */
static void ask(struct walk *w, enum tb_symbol_op op, const void *body, size_t body_len,
                struct tb_buf *answer, struct tb_native_context *context)
{
    const struct tb_symbolizer_question q = {.op = op,
                                             .process = w->packed,
                                             .process_len = w->packed_len,
                                             .body = body,
                                             .body_len = body_len};
    context->symbols_note = "there is no process record before it";
    if (w->packed == NULL)
        return;
    int err = tb_symbolizer_ask(w->s->symbolizer, &q, answer);
    context->symbols_note = err == -ETIMEDOUT ? "the symbolizer did not answer in time"
                            : err == -EPIPE   ? "the symbolizer died over it"
                                              : strerror(-err);
    if (err)
        return;
    context->symbols = tb_buf_str(answer);
    context->symbols_len = answer->len;
}

static int make_crash(struct walk *w, const struct tb_peek_part *part,
                      struct tb_native_context *context, struct tb_buf *answer, struct tb_buf *item,
                      char why[TB_DOC_WHY])
{
    struct tb_crash crash;
    int err = tb_crash_unpack(part->data, part->len, &crash);
    if (err)
        return err;
    if (crash.fixed.signo == 0) {
        tb_crash_done(&crash);
        return -ENODATA;
    }
    ask(w, TB_SYMBOL_CRASH, part->data, part->len, answer, context);
    err = tb_native_crash(&crash, context, item, why);
    tb_crash_done(&crash);
    return err;
}

static int make_report(struct walk *w, const struct tb_peek_part *part,
                       struct tb_native_context *context, struct tb_buf *answer,
                       struct tb_buf *item, char why[TB_DOC_WHY])
{
    struct tb_doc *doc = NULL;
    struct tb_doc *data = NULL;
    uint64_t addresses[ADDRESSES_MAX];
    uint8_t body[8 * ADDRESSES_MAX];
    const char *json = (const char *)part->data;
    size_t n = 0;
    int err = tb_doc_new(json, part->len, &doc, why);
    int node = err ? -1 : tb_doc_member(doc, 0, "data");
    if (node >= 0 &&
        tb_doc_new(json + tb_doc_at(doc, node)->at, tb_doc_at(doc, node)->len, &data, why) == 0)
        n = tb_native_addresses(data, addresses, ADDRESSES_MAX);
    tb_doc_free(data);
    tb_doc_free(doc);
    if (err)
        return err;
    for (size_t i = 0; i < n; i++)
        tb_put64(body + 8 * i, addresses[i]);
    if (n > 0)
        ask(w, TB_SYMBOL_ADDRESSES, body, 8 * n, answer, context);
    return tb_native_report(json, part->len, context, item, why);
}

/* ---- showing it ---- */

static int count_named(const cJSON *data)
{
    const cJSON *frame;
    int n = 0;
    cJSON_ArrayForEach(frame, tb_print_frames(data))
    {
        const char *method = tb_json_text(frame, "method");
        n += *method != '\0' && strcmp(method, "<unknown>") != 0;
    }
    return n;
}

static void show(struct walk *w, const struct tb_peek_part *part, const struct tb_buf *item)
{
    char stamp[TB_STAMP_TEXT];
    cJSON *data = cJSON_ParseWithLength(tb_buf_str(item), item->len);
    if (data == NULL)
        return;
    w->n_named += count_named(data);
    if (w->s->cli->json) {
        tb_print_json(tb_buf_str(item), item->len);
        printf("\n");
    } else {
        printf("%s%s  ", w->n_shown > 0 ? "\n" : "",
               tb_print_stamp((int64_t)(part->frame.time_ns / TB_NS_PER_MS), stamp));
        tb_print_what(data);
        printf("\n");
        const struct tb_cli *cli = w->s->cli;
        size_t n_folded = tb_print_stack(data, "  ", TB_STACK_WHOLE);
        (void)tb_print_threads(data, "  ", cli->all ? TB_THREADS_WHOLE : TB_THREADS_LINES,
                               &n_folded);
        tb_print_modules(data, "  ");
        if (*tb_json_text(data, "custom.native.symbols") != '\0')
            printf("  %s\n", tb_json_text(data, "custom.native.symbols"));
    }
    w->n_shown++;
    cJSON_Delete(data);
}

static int take_record(struct walk *w, const struct tb_peek_part *part)
{
    struct tb_buf answer;
    struct tb_buf item;
    char why[TB_DOC_WHY] = "";
    int err = 0;
    struct tb_native_context context = {.process = w->has_process ? &w->process : NULL,
                                        .uuid = part->frame.uuid,
                                        .time_ns = part->frame.time_ns,
                                        .is_truncated = (part->frame.flags & TB_FRAME_TRUNCATED),
                                        .environment = w->s->config.environment,
                                        .host = ""};
    tb_buf_init(&answer, TB_SYMBOL_REPLY_MAX);
    tb_buf_init(&item, ITEM_BYTES);
    if (part->frame.kind == TB_KIND_CRASH)
        err = make_crash(w, part, &context, &answer, &item, why);
    else
        err = make_report(w, part, &context, &answer, &item, why);
    if (err == 0)
        show(w, part, &item);
    else if (err != -ENODATA)
        fprintf(stderr, "towbar: the record at %" PRIu64 " cannot be read: %s\n", part->offset,
                *why != '\0' ? why : strerror(-err));
    tb_buf_done(&item);
    tb_buf_done(&answer);
    return 0;
}

static int each_part(void *arg, const struct tb_peek_file *file, const struct tb_peek_part *part)
{
    struct walk *w = arg;
    if (part->what == TB_PEEK_PROCESS)
        take_process(w, file, part);
    else if (part->what == TB_PEEK_RECORD &&
             (part->frame.kind == TB_KIND_CRASH || part->frame.kind == TB_KIND_NATIVE))
        (void)take_record(w, part);
    return ferror(stdout) ? 1 : 0;
}

static int one(struct tb_look *look, struct tb_peek_file *file, void *arg)
{
    char name[TB_SPOOL_TEXT];
    struct walk *w = arg;
    char beside[TB_SPOOL_NAME];
    if (file->is_more && tb_spool_name_beside(file->name, "slot", beside) == 0) {
        fprintf(stderr, "towbar: %s has the other threads of a crash, which is in %s\n",
                tb_spool_escape(file->name, name), beside);
        return TB_EXIT_WRONG;
    }
    int err = tb_peek_walk(look->peek, file, each_part, w);
    forget_process(w);
    if (err < 0)
        fprintf(stderr, "towbar: %s: %s\n", tb_spool_escape(file->name, name), strerror(-err));
    else if (w->n_shown == 0)
        fprintf(stderr, "towbar: %s: there is no crash and no report of the library in it\n",
                tb_spool_escape(file->name, name));
    return err < 0 || w->n_named == 0 ? TB_EXIT_WRONG : TB_EXIT_WELL;
}

/* PATH/in/NAME is "in/NAME" of the spool PATH. */
static void split(char *path, const char *spool, const char **spool_out, char **name_out)
{
    char *slash = strrchr(path, '/');
    *spool_out = spool;
    *name_out = path;
    if (slash == NULL)
        return;
    *slash = '\0';
    char *above = strrchr(path, '/');
    *slash = '/';
    *spool_out = above != NULL ? path : ".";
    if (above == NULL)
        return;
    *name_out = above + 1;
    *above = '\0';
    if (*path == '\0')
        *spool_out = "/";
}

int tb_symbolize_spool(struct tb_symbolize *s, const char *path)
{
    char why[TB_SPOOL_WHY] = "";
    struct walk w = {.s = s};
    char *copy = strdup(path);
    char *name = NULL;
    struct tb_cli cli = *s->cli;
    struct tb_look look = {.cli = &cli};
    if (copy == NULL)
        return TB_EXIT_WRONG;
    split(copy, s->config.spool, &look.path, &name);
    cli.words = &name;
    cli.n_words = 1;
    int code = TB_EXIT_WRONG;
    if (tb_peek_open(look.path, &look.peek, why) < 0)
        fprintf(stderr, "towbar: %s\n", why);
    else
        code = tb_spool_select(&look, true, one, &w);
    tb_peek_close(look.peek);
    free(copy);
    return code;
}
