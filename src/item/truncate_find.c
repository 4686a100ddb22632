/* truncate_find.c - finds in an item what the steps of truncation work on, and cuts its lists. See
 * truncate_impl.h. */
#include <string.h>
#include <strings.h>

#include "item/truncate_impl.h"

/* All that agent/pipeline/trace_places.c reads: an item is cut for the spool before that. */
const char *const tb_cut_trace_headers[] = {"traceparent",
                                            "tracestate",
                                            "x-amzn-trace-id",
                                            "b3",
                                            "x-b3-traceid",
                                            "x-b3-spanid",
                                            "x-b3-sampled",
                                            "x-b3-flags",
                                            "x-honeycomb-trace",
                                            "x-datadog-trace-id",
                                            "x-datadog-parent-id",
                                            "x-datadog-sampling-priority",
                                            "x-datadog-tags",
                                            "grpc-trace-bin",
                                            NULL};

const struct tb_doc_node *tb_cut_at(const struct tb_cut *c, int node)
{
    return tb_doc_at(c->doc, node);
}

int tb_cut_typed(const struct tb_cut *c, int from, const char *path, int type)
{
    int node = from < 0 ? -1 : path[0] ? tb_doc_find(c->doc, from, path) : from;
    return node >= 0 && tb_cut_at(c, node)->type == type ? node : -1;
}

int tb_cut_name_is(const struct tb_cut *c, int node, const char *name)
{
    const struct tb_doc_node *n = tb_cut_at(c, node);
    return n->key_len == strlen(name) && memcmp(c->doc->text + n->key_at, name, n->key_len) == 0;
}

int tb_cut_is_trace_header(const struct tb_cut *c, int node)
{
    const struct tb_doc_node *n = tb_cut_at(c, node);
    for (const char *const *name = tb_cut_trace_headers; *name; name++)
        if (n->key_len == strlen(*name) &&
            strncasecmp(c->doc->text + n->key_at, *name, n->key_len) == 0)
            return 1;
    return 0;
}

static int add_chain(const struct tb_cut *c, int chain, int *out, int n)
{
    for (int t = chain < 0 ? -1 : tb_cut_at(c, chain)->first; t >= 0 && n < TB_CUT_TRACES;
         t = tb_cut_at(c, t)->next)
        if (tb_cut_at(c, t)->type == TB_DOC_OBJECT)
            out[n++] = t;
    return n;
}

int tb_cut_traces(const struct tb_cut *c, int out[TB_CUT_TRACES])
{
    int n = 0;
    int body = tb_cut_typed(c, c->data, "body", TB_DOC_OBJECT);
    int trace = tb_cut_typed(c, body, "trace", TB_DOC_OBJECT);
    if (trace >= 0)
        out[n++] = trace;
    n = add_chain(c, tb_cut_typed(c, body, "trace_chain", TB_DOC_ARRAY), out, n);
    int threads = tb_cut_typed(c, body, "threads", TB_DOC_ARRAY);
    for (int t = threads < 0 ? -1 : tb_cut_at(c, threads)->first; t >= 0;
         t = tb_cut_at(c, t)->next) {
        n = add_chain(c, tb_cut_typed(c, t, "group.trace_chain", TB_DOC_ARRAY), out, n);
        trace = tb_cut_typed(c, t, "trace", TB_DOC_OBJECT);
        if (trace >= 0 && n < TB_CUT_TRACES)
            out[n++] = trace;
    }
    return n;
}

static int member(const struct tb_cut *c, int array, int index)
{
    int node = tb_cut_at(c, array)->first;
    while (index-- > 0)
        node = tb_cut_at(c, node)->next;
    return node;
}

int tb_cut_keep_ends(struct tb_cut *c, int array, int head, int tail)
{
    struct tb_buf text;
    int n = array < 0 ? 0 : tb_cut_at(c, array)->n_members;
    if (n <= head + tail)
        return 0;
    tb_buf_init(&text, TB_DOC_BYTES);
    tb_buf_add(&text, "[", 1);
    const char *json = c->doc->text;
    if (head > 0) {
        const struct tb_doc_node *from = tb_cut_at(c, member(c, array, 0));
        const struct tb_doc_node *to = tb_cut_at(c, member(c, array, head - 1));
        tb_buf_add(&text, json + from->at, to->at + to->len - from->at);
    }
    if (tail > 0) {
        size_t from = tb_cut_at(c, member(c, array, n - tail))->at;
        const struct tb_doc_node *list = tb_cut_at(c, array);
        tb_buf_adds(&text, head > 0 ? "," : "");
        tb_buf_add(&text, json + from, list->at + list->len - 1 - from);
    }
    tb_buf_add(&text, "]", 1);
    int err = text.err ? text.err : tb_doc_replace(c->doc, array, text.data, text.len);
    tb_buf_done(&text);
    return err;
}
