/* link.h - addresses of other tools: a template, with the values of one item or trace put in.
 *
 * "https://tempo.example/trace/{trace_id}?from={start_ms}". A template is http or https; of its
 * host only {region} may be left open, since the other values are a reporter's word. Each value is
 * percent-encoded as a whole. {start_aws} and {end_aws} are times as addresses of Amazon's console
 * have them, for links of our own. Pure. */
#ifndef TB_ITEM_LINK_H
#define TB_ITEM_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TB_LINK_WHY = 192, TB_LINK_BYTES = 2048 };

/* Borrowed; NULL or "" where unknown. */
struct tb_link_values {
    const char *trace_id, *span_id; /* 32 and 16 hex digits */
    const char *xray_trace_id;      /* "1-..." */
    const char *uuid, *service, *environment, *host, *region;
    int64_t start_ms, end_ms; /* since 1970, around the trace's first and last; 0: unknown */
};

/* 0, or -EINVAL with why, which follows the template's name: "has ...". */
int tb_link_check(const char *url, char why[TB_LINK_WHY]);
/* 0; -ENOENT when one of its values is not known; -EMSGSIZE; -EINVAL for no template. */
int tb_link_expand(const char *url, const struct tb_link_values *values, char out[TB_LINK_BYTES]);
/* Is it an address that a page may show: http or https and nothing that ends an attribute? */
bool tb_link_is_safe(const char *url);
/* text percent-encoded, for what is put into a template once. False when it had no room. */
bool tb_link_encode(const char *text, char *out, size_t cap);

#endif
