/* site.h - the limit of each call site: ten reports at once, then ten a minute.
 *
 * A site is a file and a line; the table has a fixed number of places, and sites that find none
 * share one. No lock, no allocation; signal-safe. */
#ifndef TB_CAPTURE_SITE_H
#define TB_CAPTURE_SITE_H

#include <stdatomic.h>
#include <stdint.h>

#include "towbar/towbar.h"

enum { TB_SITE_BURST = 10, TB_SITE_PER_MINUTE = 10 };

struct tb_site {
    _Atomic uint64_t key;      /* 0: free */
    _Atomic uint64_t empty_ns; /* when the bucket, filled by the reports so far, has run out */
    _Atomic uint64_t n_suppressed;
};

/* The place of a site, never NULL. Without a site the format tells the reports apart. */
struct tb_site *tb_site_find(const struct towbar_site *site, const char *format);
/* 0, or -EAGAIN when the report is one too many at mono_ns; then it has been counted. */
int tb_site_take(struct tb_site *site, uint64_t mono_ns);

#endif
