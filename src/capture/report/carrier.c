/* carrier.c - see carrier.h.
 *
 * Each place is a sequence lock: its generation is odd while it is written. A writer that never
 * comes back (it was left by siglongjmp, or is another thread of a fork child's parent) leaves it
 * odd, and the place unused for good; the next one is taken. */
#include "capture/report/carrier.h"

#include <stdatomic.h>
#include <string.h>

enum {
    N_PLACES = 1024, /* requests with texts that are under way at once */
    N_TRIES = 8,
    ID_BYTES = 16,
    KEY_BYTES = 2 * ID_BYTES, /* the trace's two IDs */
    PLACE_BYTES = KEY_BYTES + TB_TRACE_CARRIED_BYTES,
    N_WORDS = PLACE_BYTES / sizeof(uint64_t),
};
_Static_assert(PLACE_BYTES % sizeof(uint64_t) == 0, "whole words");

struct place {
    _Atomic uint32_t generation; /* 0: never used; odd: being written */
    _Atomic uint32_t len;        /* of the text */
    _Atomic uint64_t words[N_WORDS];
};

static struct place places[N_PLACES];
static atomic_uint n_kept;

static void make_key(const struct tb_trace *trace, char out[KEY_BYTES])
{
    memcpy(out, trace->trace_id, ID_BYTES);
    memcpy(out + ID_BYTES, trace->xray_trace_id, ID_BYTES);
}

/* Its odd generation, or 0. */
static uint32_t claim(struct place *place)
{
    uint32_t generation = atomic_load_explicit(&place->generation, memory_order_relaxed);
    if (generation & 1)
        return 0;
    if (!atomic_compare_exchange_strong_explicit(&place->generation, &generation, generation + 1,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return 0;
    return generation + 1;
}

/* Bytes from a place that is a whole word. Each store comes after the odd generation, and before
 * the even one. */
static void store(struct place *place, size_t to, const char *bytes, size_t len)
{
    for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
        uint64_t word = 0;
        size_t rest = len - at;
        memcpy(&word, bytes + at, rest < sizeof(word) ? rest : sizeof(word));
        atomic_store_explicit(&place->words[(to + at) / sizeof(word)], word, memory_order_release);
    }
}

/* Each load comes before that of the generation which says that it was good. */
static void load(struct place *place, size_t from, char *out, size_t len)
{
    for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
        uint64_t word =
            atomic_load_explicit(&place->words[(from + at) / sizeof(word)], memory_order_acquire);
        size_t rest = len - at;
        memcpy(out + at, &word, rest < sizeof(word) ? rest : sizeof(word));
    }
}

void tb_carrier_keep(const struct tb_trace *trace, const char *text, size_t len,
                     struct tb_trace_image *image)
{
    char key[KEY_BYTES];
    image->carrier = 0;
    image->generation = 0;
    make_key(trace, key);
    for (int i = 0; i < N_TRIES && len > 0 && len <= TB_TRACE_CARRIED_BYTES; i++) {
        unsigned n = atomic_fetch_add_explicit(&n_kept, 1, memory_order_relaxed) % N_PLACES;
        struct place *place = &places[n];
        uint32_t odd = claim(place);
        if (odd == 0)
            continue;
        atomic_store_explicit(&place->len, (uint32_t)len, memory_order_release);
        store(place, 0, key, KEY_BYTES);
        store(place, KEY_BYTES, text, len);
        atomic_store_explicit(&place->generation, odd + 1, memory_order_release);
        image->carrier = (uint16_t)(n + 1);
        image->generation = odd + 1;
        return;
    }
}

size_t tb_carrier_read(const struct tb_trace *trace, const struct tb_trace_image *image,
                       char out[TB_TRACE_CARRIED_BYTES])
{
    char key[KEY_BYTES];
    char found[KEY_BYTES];
    if (image->carrier == 0 || image->carrier > N_PLACES)
        return 0;
    struct place *place = &places[image->carrier - 1];
    uint32_t generation = atomic_load_explicit(&place->generation, memory_order_acquire);
    if (generation != image->generation || (generation & 1))
        return 0;
    size_t len = atomic_load_explicit(&place->len, memory_order_acquire);
    if (len > TB_TRACE_CARRIED_BYTES)
        return 0;
    load(place, 0, found, KEY_BYTES);
    load(place, KEY_BYTES, out, len);
    if (atomic_load_explicit(&place->generation, memory_order_relaxed) != generation)
        return 0;
    make_key(trace, key);
    return memcmp(key, found, KEY_BYTES) == 0 ? len : 0;
}
