/* view_item.c - see view_item.h. */
#include "filter/view_item.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sink/xray.h"

enum { ANNOTATIONS = 7 }; /* of one item, at most */
static const double NS_PER_SECOND = 1e9;

/* One item. */
struct part {
    const struct tb_sink_facts *facts;
    struct tb_sink_facts own; /* what facts points to, unless it is the caller's */
    const char *uuid;
    struct tb_xray_flags flags;
    bool has_parent;
    char name[TB_XRAY_NAME_BYTES];
};

struct tb_filter_trace {
    struct tb_filter_view view;
    struct part *parts;  /* by time */
    struct part **order; /* the same, roots first: the way from the outermost service inwards */
    size_t n;
    struct tb_filter_subject *services;
    struct tb_filter_edge *edges;
    struct tb_filter_annotation *annotations;
    const char **users;
    struct tb_filter_subject *causes[2][TB_PARTS]; /* of faults, of errors */
};

static const char *known(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

/* ---- an item as a service ---- */

/* The span of an item is that of the process itself, unless it was read from a header. */
static bool has_parent(const struct tb_sink_facts *facts)
{
    static const char *const HEADERS[] = {"traceparent", "xray",    "b3",   "b3multi",
                                          "honeycomb",   "datadog", "grpc", "environment"};
    if (facts->xray_parent_id[0] != '\0')
        return !facts->is_xray_local;
    for (size_t i = 0; i < sizeof(HEADERS) / sizeof(HEADERS[0]) && facts->span_id[0] != '\0'; i++) {
        if (strcmp(facts->trace_source, HEADERS[i]) == 0)
            return true;
    }
    return false;
}

static uint32_t bit(enum tb_filter_flag flag, bool is_set)
{
    return is_set ? UINT32_C(1) << flag : 0;
}

static double seconds(int64_t from_ns, int64_t to_ns)
{
    return from_ns > 0 && to_ns >= from_ns ? (double)(to_ns - from_ns) / NS_PER_SECOND
                                           : (double)NAN;
}

static void read_request(const struct tb_sink_facts *facts, struct tb_filter_subject *out)
{
    out->url = known(facts->url);
    out->method = known(facts->method);
    out->useragent = known(facts->user_agent);
    out->clientip = known(facts->client_ip);
    if (facts->http_status > 0)
        out->status = (double)facts->http_status;
}

static void read_service(const struct part *part, const char *origin, struct tb_filter_subject *out)
{
    const struct tb_sink_facts *facts = part->facts;
    bool is_ok = !part->flags.fault && !part->flags.error;
    *out = tb_filter_subject();
    out->name = known(part->name);
    out->type = origin;
    out->known = bit(TB_FILTER_REMOTE, true) - 1; /* all before it */
    out->known |= bit(TB_FILTER_ROOT, true);
    out->set = bit(TB_FILTER_OK, is_ok) | bit(TB_FILTER_ERROR, part->flags.error) |
               bit(TB_FILTER_THROTTLE, part->flags.throttle) |
               bit(TB_FILTER_FAULT, part->flags.fault) | bit(TB_FILTER_ROOT, !part->has_parent);
    out->duration = out->responsetime = seconds(facts->started_ns, facts->time_ns);
    read_request(facts, out);
}

/* ---- the trace ---- */

/* The first root that has a request, else the first of all that has one. */
static const struct part *asked(const struct tb_filter_trace *trace)
{
    for (size_t i = 0; i < trace->n; i++) {
        const struct tb_sink_facts *facts = trace->order[i]->facts;
        if (facts->url[0] != '\0' || facts->method[0] != '\0' || facts->http_status > 0)
            return trace->order[i];
    }
    return NULL;
}

static void read_times(struct tb_filter_trace *trace, struct tb_filter_subject *out)
{
    int64_t start_ns = 0;
    int64_t end_ns = 0;
    for (size_t i = 0; i < trace->n; i++) {
        const struct tb_sink_facts *facts = trace->parts[i].facts;
        if (facts->started_ns > 0 && (start_ns == 0 || facts->started_ns < start_ns))
            start_ns = facts->started_ns;
        if (facts->time_ns > end_ns)
            end_ns = facts->time_ns;
    }
    out->duration = seconds(start_ns, end_ns);
    if (trace->n > 0 && !trace->order[0]->has_parent)
        out->responsetime =
            seconds(trace->order[0]->facts->started_ns, trace->order[0]->facts->time_ns);
}

static void read_trace(struct tb_filter_trace *trace)
{
    struct tb_filter_subject *out = &trace->view.trace;
    *out = tb_filter_subject();
    const struct part *part = asked(trace);
    if (part != NULL)
        read_request(part->facts, out);
    read_times(trace, out);
    out->users = trace->users;
    for (size_t i = 0; i < trace->n; i++) {
        if (trace->parts[i].facts->person_id[0] != '\0')
            trace->users[out->n_users++] = trace->parts[i].facts->person_id;
    }
}

/* ---- annotations ---- */

static void annotate(struct tb_filter_trace *trace, const char *key, const char *text)
{
    if (text[0] != '\0')
        trace->annotations[trace->view.n_annotations++] =
            (struct tb_filter_annotation){.key = key, .type = TB_FILTER_STRING, .text = text};
}

static void annotate_number(struct tb_filter_trace *trace, const char *key,
                            enum tb_filter_value type, double number)
{
    trace->annotations[trace->view.n_annotations++] =
        (struct tb_filter_annotation){.key = key, .type = type, .number = number};
}

/* As in the X-Ray document of the item. */
static void read_annotations(struct tb_filter_trace *trace, const struct part *part)
{
    const struct tb_sink_facts *facts = part->facts;
    annotate(trace, "rollbar_uuid", part->uuid);
    annotate(trace, "error_class", facts->error_class);
    annotate(trace, "service", facts->service);
    annotate(trace, "environment", facts->environment);
    annotate(trace, "signal", facts->signal);
    if (facts->is_crash)
        annotate_number(trace, "crash", TB_FILTER_BOOL, 1);
    if (facts->pid > 0)
        annotate_number(trace, "pid", TB_FILTER_NUMBER, (double)facts->pid);
}

/* ---- edges ---- */

static const char *parent_id(const struct part *part)
{
    const struct tb_sink_facts *facts = part->facts;
    return facts->xray_parent_id[0] != '\0' ? facts->xray_parent_id : facts->span_id;
}

/* Who called it: the item of that span, else the only root that there is. */
static const struct part *caller(const struct tb_filter_trace *trace, const struct part *part)
{
    const struct part *root = NULL;
    bool are_many = false;
    for (size_t i = 0; i < trace->n; i++) {
        const struct part *other = &trace->parts[i];
        if (strcmp(other->name, part->name) == 0)
            continue;
        if (!other->has_parent && strcmp(other->facts->span_id, parent_id(part)) == 0)
            return other;
        are_many |= !other->has_parent && root != NULL && strcmp(root->name, other->name) != 0;
        root = other->has_parent ? root : other;
    }
    return are_many ? NULL : root;
}

static void read_edges(struct tb_filter_trace *trace)
{
    for (size_t i = 0; i < trace->n; i++) {
        const struct part *part = &trace->parts[i];
        const struct part *from = part->has_parent ? caller(trace, part) : NULL;
        if (from == NULL)
            continue;
        struct tb_filter_edge *edge = &trace->edges[trace->view.n_edges++];
        *edge = (struct tb_filter_edge){.from = {.name = known(from->name)},
                                        .to = {.name = known(part->name)},
                                        .what = trace->services[i]};
        edge->from.type = edge->to.type = trace->services[i].type;
        edge->what.name = edge->what.type = NULL;
        edge->what.known &= ~bit(TB_FILTER_ROOT, true);
        edge->what.set &= edge->what.known;
    }
}

/* ---- root causes ---- */

static struct tb_filter_subject *add_cause(struct tb_filter_trace *trace,
                                           enum tb_filter_cause cause, enum tb_filter_part kind)
{
    struct tb_filter_list *list = &trace->view.causes[cause][kind];
    struct tb_filter_subject *out = &trace->causes[cause][kind][list->n++];
    *out = tb_filter_subject();
    return out;
}

static void read_exceptions(struct tb_filter_trace *trace, enum tb_filter_cause cause,
                            const struct tb_sink_facts *facts)
{
    for (size_t i = 0; i < facts->n_exceptions; i++) {
        struct tb_filter_subject *out = add_cause(trace, cause, TB_PART_EXCEPTION);
        out->name = known(facts->exceptions[i].type);
        out->message = known(facts->exceptions[i].message);
    }
    if (facts->n_exceptions == 0) {
        struct tb_filter_subject *out = add_cause(trace, cause, TB_PART_EXCEPTION);
        out->name = known(facts->error_class);
        out->message = known(facts->message);
    }
}

static void read_entities(struct tb_filter_trace *trace, enum tb_filter_cause cause,
                          const struct part *part)
{
    add_cause(trace, cause, TB_PART_ENTITY)->name = known(part->name);
    if (part->facts->blamed == NULL)
        return;
    struct tb_filter_subject *out = add_cause(trace, cause, TB_PART_ENTITY);
    out->name = known(part->facts->blamed->function);
    out->known = bit(TB_FILTER_REMOTE, true);
}

static void read_causes(struct tb_filter_trace *trace, enum tb_filter_cause cause)
{
    for (size_t i = 0; i < trace->n; i++) {
        const struct part *part = trace->order[i];
        if (cause == TB_CAUSE_FAULT ? !part->flags.fault : !part->flags.error)
            continue;
        struct tb_filter_subject *service = add_cause(trace, cause, TB_PART_SERVICE);
        service->name = known(part->name);
        service->type = trace->services[0].type;
        service->known = bit(TB_FILTER_INFERRED, true);
        read_entities(trace, cause, part);
        read_exceptions(trace, cause, part->facts);
    }
    for (size_t kind = 0; kind < TB_PARTS; kind++)
        trace->view.causes[cause][kind].members = trace->causes[cause][kind];
}

/* ---- all of it ---- */

/* Roots first, else as they are. */
static void order(struct tb_filter_trace *trace)
{
    for (size_t i = 0; i < trace->n; i++)
        trace->order[i] = &trace->parts[i];
    for (size_t i = 1; i < trace->n; i++) {
        struct part *one = trace->order[i];
        size_t at = i;
        for (; at > 0 && trace->order[at - 1]->has_parent && !one->has_parent; at--)
            trace->order[at] = trace->order[at - 1];
        trace->order[at] = one;
    }
}

static int allocate(struct tb_filter_trace *trace)
{
    size_t n = trace->n > 0 ? trace->n : 1;
    size_t n_exceptions = n;
    for (size_t i = 0; i < trace->n; i++)
        n_exceptions += trace->parts[i].facts->n_exceptions;
    trace->order = calloc(n, sizeof(struct part *));
    trace->services = calloc(n, sizeof(*trace->services));
    trace->edges = calloc(n, sizeof(*trace->edges));
    trace->annotations = calloc(n * ANNOTATIONS, sizeof(*trace->annotations));
    trace->users = calloc(n, sizeof(*trace->users));
    bool has_all =
        trace->order && trace->services && trace->edges && trace->annotations && trace->users;
    for (size_t c = 0; c < 2; c++) {
        const size_t sizes[TB_PARTS] = {n, 2 * n, n_exceptions};
        for (size_t p = 0; p < TB_PARTS; p++) {
            trace->causes[c][p] = calloc(sizes[p], sizeof(**trace->causes[c]));
            has_all = has_all && trace->causes[c][p];
        }
    }
    return has_all ? 0 : -ENOMEM;
}

static int fill(struct tb_filter_trace *trace, const struct tb_sink_settings *settings)
{
    const char *origin = settings && settings->origin ? known(settings->origin) : NULL;
    for (size_t i = 0; i < trace->n; i++) {
        struct part *part = &trace->parts[i];
        part->flags = tb_xray_flags_of(part->facts);
        part->has_parent = has_parent(part->facts);
        tb_xray_name(part->facts, settings, part->name);
    }
    int err = allocate(trace);
    if (err)
        return err;
    order(trace);
    for (size_t i = 0; i < trace->n; i++) {
        read_service(&trace->parts[i], origin, &trace->services[i]);
        read_annotations(trace, &trace->parts[i]);
    }
    read_trace(trace);
    read_edges(trace);
    read_causes(trace, TB_CAUSE_FAULT);
    read_causes(trace, TB_CAUSE_ERROR);
    trace->view.services = trace->services;
    trace->view.n_services = trace->n;
    trace->view.edges = trace->edges;
    trace->view.annotations = trace->annotations;
    return 0;
}

static int begin(size_t n, struct tb_filter_trace **out)
{
    struct tb_filter_trace *trace = calloc(1, sizeof(*trace));
    if (trace == NULL)
        return -ENOMEM;
    trace->parts = calloc(n > 0 ? n : 1, sizeof(*trace->parts));
    if (trace->parts == NULL) {
        free(trace);
        return -ENOMEM;
    }
    *out = trace;
    return 0;
}

static int end(struct tb_filter_trace *trace, const struct tb_sink_settings *settings,
               struct tb_filter_trace **out)
{
    int err = fill(trace, settings);
    if (err)
        tb_filter_trace_free(trace);
    else
        *out = trace;
    return err;
}

int tb_filter_trace_of(const struct tb_sink_facts *facts, const char *uuid,
                       const struct tb_sink_settings *settings, struct tb_filter_trace **out)
{
    struct tb_filter_trace *trace = NULL;
    int err = begin(1, &trace);
    if (err)
        return err;
    trace->parts[0].facts = facts;
    trace->parts[0].uuid = uuid;
    trace->n = 1;
    return end(trace, settings, out);
}

static int by_time(const void *a, const void *b)
{
    const struct part *one = a;
    const struct part *two = b;
    return (one->own.time_ns > two->own.time_ns) - (one->own.time_ns < two->own.time_ns);
}

int tb_filter_trace_new(const struct tb_filter_item *items, size_t n,
                        const struct tb_sink_settings *settings, struct tb_filter_trace **out)
{
    struct tb_filter_trace *trace = NULL;
    size_t n_most = n < TB_FILTER_ITEMS ? n : TB_FILTER_ITEMS;
    int err = begin(n_most, &trace);
    for (size_t i = 0; i < n_most && !err; i++) {
        struct part *part = &trace->parts[trace->n];
        const struct tb_sink_item item = {
            .uuid = items[i].uuid, .data = items[i].data, .len = items[i].len};
        err = tb_sink_facts_read(&item, NULL, &part->own);
        part->uuid = items[i].uuid;
        if (err)
            tb_sink_facts_done(&part->own);
        else
            trace->n++;
        if (err == -EINVAL)
            err = 0;
    }
    if (err) {
        tb_filter_trace_free(trace);
        return err;
    }
    qsort(trace->parts, trace->n, sizeof(*trace->parts), by_time);
    for (size_t i = 0; i < trace->n; i++)
        trace->parts[i].facts = &trace->parts[i].own;
    return end(trace, settings, out);
}

const struct tb_filter_view *tb_filter_trace_view(const struct tb_filter_trace *trace)
{
    return &trace->view;
}

void tb_filter_trace_free(struct tb_filter_trace *trace)
{
    if (trace == NULL)
        return;
    for (size_t i = 0; i < trace->n; i++)
        tb_sink_facts_done(&trace->parts[i].own);
    for (size_t c = 0; c < 2; c++) {
        for (size_t p = 0; p < TB_PARTS; p++)
            free(trace->causes[c][p]);
    }
    free(trace->users);
    free(trace->annotations);
    free(trace->edges);
    free(trace->services);
    free(trace->order);
    free(trace->parts);
    free(trace);
}
