/* site.c - see site.h.
 *
 * The bucket is one number, the time at which it will have leaked dry if nothing more comes. A
 * report adds one interval to it, and is one too many when that is more than a burst ahead of now
 * (the generic cell rate algorithm of ITU-T I.371). */
#include "capture/report/site.h"

#include <errno.h>

#include "base/clock.h"

enum { N_SITES = 512, N_PROBES = 8 };

static struct tb_site sites[N_SITES];

/* FNV-1a, 64 bits. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; text && *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

static uint64_t key_of(const struct towbar_site *site, const char *format)
{
    uint64_t hash = 0xcbf29ce484222325u;
    if (site)
        hash = (hash_text(hash, site->file) ^ (uint32_t)site->line) * 0x100000001b3u;
    else
        hash = hash_text(hash, format);
    hash ^= hash >> 29;
    return hash ? hash : 1;
}

struct tb_site *tb_site_find(const struct towbar_site *site, const char *format)
{
    uint64_t key = key_of(site, format);
    for (uint64_t i = 0; i < N_PROBES; i++) {
        struct tb_site *place = &sites[(key + i) % N_SITES];
        uint64_t found = atomic_load_explicit(&place->key, memory_order_relaxed);
        if (found == 0 && atomic_compare_exchange_strong(&place->key, &found, key))
            return place;
        if (found == key)
            return place;
    }
    return &sites[key % N_SITES];
}

int tb_site_take(struct tb_site *site, uint64_t mono_ns)
{
    const uint64_t interval_ns = (uint64_t)60 * TB_NS_PER_S / TB_SITE_PER_MINUTE;
    uint64_t empty = atomic_load_explicit(&site->empty_ns, memory_order_relaxed);
    uint64_t next;
    do {
        next = (empty > mono_ns ? empty : mono_ns) + interval_ns;
        if (next > mono_ns + TB_SITE_BURST * interval_ns) {
            atomic_fetch_add_explicit(&site->n_suppressed, 1, memory_order_relaxed);
            return -EAGAIN;
        }
    } while (!atomic_compare_exchange_weak_explicit(&site->empty_ns, &empty, next,
                                                    memory_order_relaxed, memory_order_relaxed));
    return 0;
}
