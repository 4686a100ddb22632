/* view_json.h - a view made from the JSON of the vectors. Everything is kept until json_view_done.
 */
#ifndef TEST_FILTER_VIEW_JSON_H
#define TEST_FILTER_VIEW_JSON_H

#include <stdlib.h>
#include <string.h>

#include "filter/view.h"
#include "item/doc.h"

enum { JSON_MEMBERS = 16, JSON_TEXTS = 512 };

struct json_view {
    struct tb_filter_view view;
    struct tb_filter_subject services[JSON_MEMBERS];
    struct tb_filter_edge edges[JSON_MEMBERS];
    struct tb_filter_annotation annotations[JSON_MEMBERS];
    struct tb_filter_subject causes[TB_CAUSES][TB_PARTS][JSON_MEMBERS];
    const char *lists[4][JSON_MEMBERS];
    char *texts[JSON_TEXTS];
    size_t n_texts;
};

/* A string's text; NULL for null and what is not there. */
static inline const char *json_text(struct json_view *v, const struct tb_doc *doc, int node)
{
    struct tb_buf text;
    if (node < 0 || tb_doc_at(doc, node)->type != TB_DOC_STRING || v->n_texts == JSON_TEXTS)
        return NULL;
    tb_buf_init(&text, 1 << 16);
    tb_doc_string(doc, node, &text);
    char *copy = strdup(tb_buf_str(&text));
    tb_buf_done(&text);
    v->texts[v->n_texts++] = copy;
    return copy;
}

static inline double json_number(const struct tb_doc *doc, const char *all, int node, double none)
{
    if (node < 0 || tb_doc_at(doc, node)->type != TB_DOC_NUMBER)
        return none;
    return strtod(all + tb_doc_at(doc, node)->at, NULL);
}

static inline void json_flags(const struct tb_doc *doc, const char *all, int node,
                              struct tb_filter_subject *out)
{
    static const char *const names[TB_FILTER_FLAGS] = {[TB_FILTER_OK] = "ok",
                                                       [TB_FILTER_ERROR] = "error",
                                                       [TB_FILTER_THROTTLE] = "throttle",
                                                       [TB_FILTER_FAULT] = "fault",
                                                       [TB_FILTER_PARTIAL] = "partial",
                                                       [TB_FILTER_INFERRED] = "inferred",
                                                       [TB_FILTER_REMOTE] = "remote",
                                                       [TB_FILTER_ROOT] = "root"};
    for (unsigned i = 0; i < TB_FILTER_FLAGS; i++) {
        int flag = tb_doc_member(doc, node, names[i]);
        if (flag < 0 || tb_doc_at(doc, flag)->type != TB_DOC_BOOL)
            continue;
        out->known |= 1U << i;
        if (all[tb_doc_at(doc, flag)->at] == 't')
            out->set |= 1U << i;
    }
}

static inline void json_subject(struct json_view *v, const struct tb_doc *doc, const char *all,
                                int node, struct tb_filter_subject *out)
{
    *out = tb_filter_subject();
    int http = tb_doc_member(doc, node, "http");
    json_flags(doc, all, node, out);
    out->name = json_text(v, doc, tb_doc_member(doc, node, "name"));
    out->type = json_text(v, doc, tb_doc_member(doc, node, "type"));
    out->account_id = json_text(v, doc, tb_doc_member(doc, node, "account_id"));
    out->message = json_text(v, doc, tb_doc_member(doc, node, "message"));
    out->responsetime =
        json_number(doc, all, tb_doc_member(doc, node, "responsetime"), out->responsetime);
    out->duration = json_number(doc, all, tb_doc_member(doc, node, "duration"), out->duration);
    out->coverage = json_number(doc, all, tb_doc_member(doc, node, "coverage"), out->coverage);
    if (http < 0)
        return;
    out->status = json_number(doc, all, tb_doc_member(doc, http, "status"), out->status);
    out->url = json_text(v, doc, tb_doc_member(doc, http, "url"));
    out->method = json_text(v, doc, tb_doc_member(doc, http, "method"));
    out->useragent = json_text(v, doc, tb_doc_member(doc, http, "useragent"));
    out->clientip = json_text(v, doc, tb_doc_member(doc, http, "clientip"));
}

static inline size_t json_list(struct json_view *v, const struct tb_doc *doc, int node,
                               const char **out)
{
    size_t n = 0;
    if (node < 0)
        return 0;
    for (int m = tb_doc_at(doc, node)->first; m >= 0 && n < JSON_MEMBERS;
         m = tb_doc_at(doc, m)->next)
        out[n++] = json_text(v, doc, m);
    return n;
}

static inline size_t json_subjects(struct json_view *v, const struct tb_doc *doc, const char *all,
                                   int node, struct tb_filter_subject *out)
{
    size_t n = 0;
    if (node < 0)
        return 0;
    for (int m = tb_doc_at(doc, node)->first; m >= 0 && n < JSON_MEMBERS;
         m = tb_doc_at(doc, m)->next)
        json_subject(v, doc, all, m, &out[n++]);
    return n;
}

static inline void json_end(struct json_view *v, const struct tb_doc *doc, int node,
                            struct tb_filter_end *out)
{
    out->name = json_text(v, doc, tb_doc_member(doc, node, "name"));
    out->type = json_text(v, doc, tb_doc_member(doc, node, "type"));
    out->account_id = json_text(v, doc, tb_doc_member(doc, node, "account_id"));
}

static inline void json_edges(struct json_view *v, const struct tb_doc *doc, const char *all,
                              int node)
{
    for (int m = node < 0 ? -1 : tb_doc_at(doc, node)->first;
         m >= 0 && v->view.n_edges < JSON_MEMBERS; m = tb_doc_at(doc, m)->next) {
        struct tb_filter_edge *edge = &v->edges[v->view.n_edges++];
        json_subject(v, doc, all, m, &edge->what);
        json_end(v, doc, tb_doc_member(doc, m, "src"), &edge->from);
        json_end(v, doc, tb_doc_member(doc, m, "dst"), &edge->to);
    }
}

static inline void json_annotations(struct json_view *v, const struct tb_doc *doc, const char *all,
                                    int node)
{
    for (int m = node < 0 ? -1 : tb_doc_at(doc, node)->first;
         m >= 0 && v->view.n_annotations < JSON_MEMBERS; m = tb_doc_at(doc, m)->next) {
        struct tb_filter_annotation *a = &v->annotations[v->view.n_annotations++];
        struct tb_buf key;
        tb_buf_init(&key, 1024);
        tb_doc_key(doc, m, &key);
        a->key = v->texts[v->n_texts++] = strdup(tb_buf_str(&key));
        tb_buf_done(&key);
        int type = tb_doc_at(doc, m)->type;
        a->type = type == TB_DOC_BOOL     ? TB_FILTER_BOOL
                  : type == TB_DOC_NUMBER ? TB_FILTER_NUMBER
                                          : TB_FILTER_STRING;
        a->number =
            type == TB_DOC_BOOL ? all[tb_doc_at(doc, m)->at] == 't' : json_number(doc, all, m, 0);
        a->text = json_text(v, doc, m);
    }
}

static inline void json_causes(struct json_view *v, const struct tb_doc *doc, const char *all,
                               int node)
{
    static const char *const causes[] = {"fault", "error", "responsetime"};
    static const char *const parts[] = {"service", "entity", "exception"};
    for (size_t c = 0; c < TB_CAUSES; c++) {
        int cause = node < 0 ? -1 : tb_doc_member(doc, node, causes[c]);
        for (size_t p = 0; p < TB_PARTS && cause >= 0; p++) {
            v->view.causes[c][p].members = v->causes[c][p];
            v->view.causes[c][p].n =
                json_subjects(v, doc, all, tb_doc_member(doc, cause, parts[p]), v->causes[c][p]);
        }
    }
}

/* all is the text of doc. */
static inline void json_view_init(struct json_view *v, const struct tb_doc *doc, const char *all,
                                  int trace)
{
    memset(v, 0, sizeof(*v));
    struct tb_filter_subject *t = &v->view.trace;
    json_subject(v, doc, all, trace, t);
    t->users = v->lists[0];
    t->n_users = json_list(v, doc, tb_doc_member(doc, trace, "users"), v->lists[0]);
    t->zones = v->lists[1];
    t->n_zones = json_list(v, doc, tb_doc_member(doc, trace, "availability_zones"), v->lists[1]);
    t->instances = v->lists[2];
    t->n_instances = json_list(v, doc, tb_doc_member(doc, trace, "instance_ids"), v->lists[2]);
    t->arns = v->lists[3];
    t->n_arns = json_list(v, doc, tb_doc_member(doc, trace, "resource_arns"), v->lists[3]);
    v->view.services = v->services;
    v->view.n_services =
        json_subjects(v, doc, all, tb_doc_member(doc, trace, "services"), v->services);
    v->view.edges = v->edges;
    json_edges(v, doc, all, tb_doc_member(doc, trace, "edges"));
    v->view.annotations = v->annotations;
    json_annotations(v, doc, all, tb_doc_member(doc, trace, "annotations"));
    json_causes(v, doc, all, tb_doc_member(doc, trace, "rootcause"));
}

static inline void json_view_done(struct json_view *v)
{
    for (size_t i = 0; i < v->n_texts; i++)
        free(v->texts[i]);
}

#endif
