/* bench_symbol.c - the index of a module: what naming an address costs, and making the index. Both
 * are of towbard, as it was built beside this program. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pack.h"
#include "symbol/files/elf.h"
#include "symbol/index/build.h"
#include "symbols.h"

enum {
    ADDRESSES = 1000,
    TURNS = 50,           /* of all addresses */
    LIBDW_ADDRESSES = 50, /* it takes a millisecond for each */
    INDEX_MAX = 64 << 20,
    SPAN_WORDS = 2,
    LINE_WORDS = 3,
};

struct subject {
    struct tb_symbol_elf elf;
    uint8_t *bytes;
    struct tb_symbol_index index;
    double build_ms;
    uint64_t addresses[ADDRESSES];
};

static volatile size_t sink;

static void close_subject(struct subject *s)
{
    tb_symbol_elf_done(&s->elf);
    free(s->bytes);
}

/* Addresses at which a line begins, at random but the same each time. */
static void pick_addresses(struct subject *s)
{
    uint64_t state = UINT64_C(88172645463325252);
    for (size_t i = 0; i < ADDRESSES; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        const uint8_t *line = s->index.lines + state % s->index.n_lines * LINE_WORDS * 4;
        s->addresses[i] = s->index.base + tb_get32(line);
    }
}

static int open_subject(struct subject *s)
{
    size_t len;
    memset(s, 0, sizeof(*s));
    int fd = open(BENCH_SUBJECT, O_RDONLY | O_CLOEXEC);
    int err = fd < 0 ? -errno : tb_symbol_elf_open(fd, &s->elf);
    if (err)
        return err;
    s->bytes = malloc(INDEX_MAX);
    const struct tb_symbol_index_input input = {.module = s->elf.elf};
    double start = bench_us();
    err = s->bytes ? tb_symbol_index_build(&input, s->bytes, INDEX_MAX, &len) : -ENOMEM;
    s->build_ms = (bench_us() - start) / 1000;
    if (err == 0)
        err = tb_symbol_index_open(s->bytes, len, &s->index);
    if (err == 0 && s->index.n_lines == 0)
        err = -ENODATA;
    if (err == 0)
        pick_addresses(s);
    return err;
}

/* ---- one frame ---- */

static double time_find(const struct subject *s)
{
    static struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    double start = bench_us();
    for (size_t turn = 0; turn < TURNS; turn++) {
        for (size_t i = 0; i < ADDRESSES; i++)
            sink += tb_symbol_index_find(&s->index, s->addresses[i], places);
    }
    return (bench_us() - start) / (TURNS * ADDRESSES);
}

/* The words of a table that are searched, and nothing else. */
static uint32_t *keys_of(const uint8_t *table, size_t n, size_t n_words)
{
    uint32_t *keys = malloc((n + 1) * sizeof(*keys));
    for (size_t i = 0; keys && i < n; i++)
        keys[i] = tb_get32(table + i * n_words * 4);
    return keys;
}

static size_t search(const uint32_t *keys, size_t n, uint32_t key)
{
    size_t low = 0;
    while (n > 0) {
        size_t half = n / 2;
        if (keys[low + half] <= key) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

static int time_search(const struct subject *s, double *us)
{
    const struct tb_symbol_index *index = &s->index;
    uint32_t *spans = keys_of(index->spans, index->n_spans, SPAN_WORDS);
    uint32_t *lines = keys_of(index->lines, index->n_lines, LINE_WORDS);
    double start = bench_us();
    for (size_t turn = 0; turn < TURNS && spans && lines; turn++) {
        for (size_t i = 0; i < ADDRESSES; i++) {
            uint32_t key = (uint32_t)(s->addresses[i] - index->base);
            sink += search(spans, index->n_spans, key) + search(lines, index->n_lines, key);
        }
    }
    *us = (bench_us() - start) / (TURNS * ADDRESSES);
    int err = spans && lines ? 0 : -ENOMEM;
    free(spans);
    free(lines);
    return err;
}

/* factor turns milliseconds into the unit of the row. */
static int add_addr2line(const struct subject *s, const char *folder, size_t n, double factor,
                         struct bench_peer *out)
{
    double ms;
    int err = bench_addr2line(folder, BENCH_SUBJECT, s->addresses, n, &ms);
    if (err == 0)
        *out = (struct bench_peer){.name = "addr2line", .value = ms * factor};
    return err == -ENOENT ? 0 : err;
}

static int name_frame(const char *folder, struct bench_round *out)
{
    static struct subject s;
    int err = open_subject(&s);
    if (err == 0)
        err = time_search(&s, &out->limit);
    if (err == 0) {
        out->ours = time_find(&s);
        out->peers[0].name = "libdw";
        err = bench_libdw_frames(s.elf.elf, s.addresses, LIBDW_ADDRESSES, &out->peers[0].value);
    }
    if (err == 0)
        err = add_addr2line(&s, folder, ADDRESSES, 1000.0 / ADDRESSES, &out->peers[1]);
    close_subject(&s);
    return err;
}

/* ---- the index ---- */

/* What no builder can save: the bytes. */
static double time_read(const struct subject *s)
{
    uint64_t sum = 0;
    double start = bench_us();
    for (size_t i = 0; i + 8 <= s->elf.len; i += 8)
        sum += tb_get64(s->elf.bytes + i);
    sink += (size_t)sum;
    return (bench_us() - start) / 1000;
}

static int make_index(const char *folder, struct bench_round *out)
{
    static struct subject s;
    int err = open_subject(&s);
    if (err == 0) {
        double mb = (double)s.elf.len / 1e6;
        out->ours = s.build_ms / mb;
        out->limit = time_read(&s) / mb;
        out->peers[0].name = "libdw";
        err = bench_libdw_all(s.elf.elf, &out->peers[0].value);
        out->peers[0].value /= mb;
        if (err == 0)
            err = add_addr2line(&s, folder, 1, 1 / mb, &out->peers[1]);
    }
    close_subject(&s);
    return err;
}

const struct bench bench_symbol[] = {
    {"symbol.frame", "us", name_frame},
    {"symbol.index", "ms/MB", make_index},
};
const size_t bench_symbol_n = sizeof(bench_symbol) / sizeof(bench_symbol[0]);
