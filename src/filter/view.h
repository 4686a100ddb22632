/* view.h - what a trace is like, as filter expressions see it. Plain data; view_item.h makes one of
 * our items. All borrowed; NULL, NAN and bits that are not known are what the trace does not say.
 */
#ifndef TB_FILTER_VIEW_H
#define TB_FILTER_VIEW_H

#include <stddef.h>
#include <stdint.h>

enum tb_filter_flag {
    TB_FILTER_OK,
    TB_FILTER_ERROR,
    TB_FILTER_THROTTLE,
    TB_FILTER_FAULT,
    TB_FILTER_PARTIAL,
    TB_FILTER_INFERRED,
    TB_FILTER_REMOTE,
    TB_FILTER_ROOT,
    TB_FILTER_FLAGS
};

/* A trace, a service, an edge or an element of a root cause. */
struct tb_filter_subject {
    uint32_t known, set; /* bits of enum tb_filter_flag; set is a part of known */
    const char *name, *type, *account_id, *message;
    double responsetime, duration, coverage, status;
    const char *url, *method, *useragent, *clientip;
    /* Of a trace alone: all values of its segments. */
    const char *const *users, *const *zones, *const *instances, *const *arns;
    size_t n_users, n_zones, n_instances, n_arns;
};

struct tb_filter_end {
    const char *name, *type, *account_id;
};
struct tb_filter_edge {
    struct tb_filter_end from, to;
    struct tb_filter_subject what;
};

enum tb_filter_value { TB_FILTER_NONE, TB_FILTER_BOOL, TB_FILTER_NUMBER, TB_FILTER_STRING };
struct tb_filter_annotation {
    const char *key;
    enum tb_filter_value type;
    double number; /* of BOOL 0 or 1 */
    const char *text;
};

enum tb_filter_cause { TB_CAUSE_FAULT, TB_CAUSE_ERROR, TB_CAUSE_RESPONSETIME, TB_CAUSES };
enum tb_filter_part { TB_PART_SERVICE, TB_PART_ENTITY, TB_PART_EXCEPTION, TB_PARTS };
struct tb_filter_list {
    const struct tb_filter_subject *members;
    size_t n;
};

struct tb_filter_view {
    /* Of its flags only those that its services do not tell: ok, error and fault are its root
     * service's, throttle, partial and inferred those of any. */
    struct tb_filter_subject trace;
    const struct tb_filter_subject *services; /* the earliest first */
    size_t n_services;
    const struct tb_filter_edge *edges;
    size_t n_edges;
    const struct tb_filter_annotation *annotations; /* a key may come several times */
    size_t n_annotations;
    struct tb_filter_list causes[TB_CAUSES][TB_PARTS];
};

/* A subject of which nothing is known. */
struct tb_filter_subject tb_filter_subject(void);

#endif
