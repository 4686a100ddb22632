/* bench_append.c - appending records of 2 KiB: the time of one, and the bytes that go to the disk.
 * The limit is write(2) of the same bytes to a plain file.
 *
 * Every lane of a round has a fresh folder; they take turns in small blocks, there and back. */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "store.h"

enum {
    RECORD_BYTES = 2048,
    APPENDS = 4096,
    BLOCK = 64,
    SYNCED_APPENDS = 192,
    SYNCED_BLOCK = 8,
    BYTES_APPENDS = 4000,
    LANES = 2 + BENCH_PEERS,
};

struct lane {
    const struct bench_store *store;
    void *state;
    double samples[APPENDS];
    size_t n;
};

static char record[RECORD_BYTES];

static int append_block(struct lane *lane, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double start = bench_us();
        int err = lane->store->append(lane->state, record, sizeof(record));
        if (err < 0)
            return err;
        lane->samples[lane->n++] = bench_us() - start;
    }
    return 0;
}

/* In percentile's place: the mean of the quickest 99 of 100, as what is slower was interrupted.
 * Half of the plain appends begin a new page and cost three times the others, so the median stands
 * on a cliff; the mean does not. */
enum { MEAN = -1 };

static double value_of(struct lane *lane, double percentile)
{
    double sum = 0;
    size_t n = lane->n - lane->n / 100;
    double value = bench_percentile(lane->samples, lane->n, percentile < 0 ? 50 : percentile);
    if (percentile >= 0)
        return value;
    for (size_t i = 0; i < n; i++)
        sum += lane->samples[i]; /* sorted by now */
    return sum / (double)n;
}

static int take_turns(struct lane lanes[LANES], size_t n_blocks, size_t block)
{
    for (size_t b = 0; b < n_blocks; b++) {
        for (size_t i = 0; i < LANES; i++) {
            struct lane *lane = &lanes[b % 2 ? LANES - 1 - i : i];
            int err = lane->store ? append_block(lane, block) : 0;
            if (err < 0)
                return err;
        }
    }
    return 0;
}

static int open_lane(struct lane *lane, const char *folder)
{
    char own[BENCH_PATH];
    if (!lane->store)
        return 0;
    int err = bench_folder(folder, own);
    return err < 0 ? err : lane->store->open(own, &lane->state);
}

/* Ours, the limit and the peers, in this order; NULL: that one is missing. */
static int percentile_of(const char *parent, const struct bench_store *const stores[LANES],
                         size_t n_blocks, size_t block, double percentile, struct bench_round *out)
{
    static struct lane lanes[LANES];
    char folder[BENCH_PATH];
    double values[LANES] = {0};
    int err = bench_folder(parent, folder);
    if (err < 0)
        return err;
    for (size_t i = 0; i < LANES; i++) {
        lanes[i] = (struct lane){.store = stores[i]};
        if (err == 0)
            err = open_lane(&lanes[i], folder);
    }
    if (err == 0)
        err = take_turns(lanes, n_blocks, block);
    for (size_t i = 0; i < LANES; i++) {
        if (!lanes[i].store)
            continue;
        lanes[i].store->close(lanes[i].state);
        if (err == 0)
            values[i] = value_of(&lanes[i], percentile);
    }
    out->ours = values[0];
    out->limit = values[1];
    for (int i = 0; i < BENCH_PEERS; i++)
        out->peers[i] =
            (struct bench_peer){stores[2 + i] ? stores[2 + i]->name : NULL, values[2 + i]};
    bench_remove(folder);
    return err;
}

static int append_at(const char *folder, double percentile, struct bench_round *out)
{
    const struct bench_store *const stores[LANES] = {&bench_ours, &bench_file, &bench_sqlite_normal,
                                                     bench_lmdb};
    return percentile_of(folder, stores, APPENDS / BLOCK, BLOCK, percentile, out);
}

static int append_p50(const char *folder, struct bench_round *out)
{
    return append_at(folder, 50, out);
}

static int append_p99(const char *folder, struct bench_round *out)
{
    return append_at(folder, 99, out);
}

static int append_mean(const char *folder, struct bench_round *out)
{
    return append_at(folder, MEAN, out);
}

/* What an agent that watches the folder costs its producers. The limit is ours without one. */
static int watched_p50(const char *folder, struct bench_round *out)
{
    const struct bench_store *const stores[LANES] = {&bench_ours_watched, &bench_ours, NULL, NULL};
    return percentile_of(folder, stores, APPENDS / BLOCK, BLOCK, 50, out);
}

static int durable_p50(const char *folder, struct bench_round *out)
{
    const struct bench_store *const stores[LANES] = {&bench_ours_synced, &bench_file_synced,
                                                     &bench_sqlite_full, NULL};
    return percentile_of(folder, stores, SYNCED_APPENDS / SYNCED_BLOCK, SYNCED_BLOCK, 50, out);
}

/* Bytes that this process has made the kernel write to a disk, now or later. */
static int written_bytes(double *out)
{
    struct tb_buf text;
    tb_buf_init(&text, 4096);
    int err = tb_fd_slurp(-1, "/proc/self/io", &text);
    const char *at = err == 0 ? strstr(tb_buf_str(&text), "\nwrite_bytes: ") : NULL;
    if (at)
        *out = strtod(at + strlen("\nwrite_bytes: "), NULL);
    else
        err = err < 0 ? err : -ENOSYS;
    tb_buf_done(&text);
    return err;
}

static int bytes_of(const struct bench_store *store, const char *parent, double *out)
{
    char folder[BENCH_PATH];
    void *state = NULL;
    double before = 0;
    double after = 0;
    int err = bench_folder(parent, folder);
    if (err == 0)
        err = store->open(folder, &state);
    if (err == 0)
        err = written_bytes(&before);
    for (int i = 0; i < BYTES_APPENDS && err == 0; i++)
        err = store->append(state, record, sizeof(record));
    store->close(state);
    if (err == 0)
        err = written_bytes(&after);
    *out = (after - before) / BYTES_APPENDS;
    bench_remove(folder);
    return err;
}

static int append_bytes(const char *folder, struct bench_round *out)
{
    const struct bench_store *const peers[BENCH_PEERS] = {&bench_sqlite_normal, bench_lmdb};
    int err = bytes_of(&bench_ours, folder, &out->ours);
    if (err == 0)
        err = bytes_of(&bench_file, folder, &out->limit);
    for (int i = 0; i < BENCH_PEERS && err == 0; i++) {
        if (!peers[i])
            continue;
        out->peers[i].name = peers[i]->name;
        err = bytes_of(peers[i], folder, &out->peers[i].value);
    }
    return err;
}

const struct bench bench_append[] = {
    {"spool.append.p50", "us", append_p50},
    {"spool.append.p99", "us", append_p99},
    {"spool.append.mean", "us", append_mean},
    {"spool.append.watched.p50", "us", watched_p50},
    {"spool.append.durable.p50", "us", durable_p50},
    {"spool.append.bytes", "B", append_bytes},
};
const size_t bench_append_n = sizeof(bench_append) / sizeof(bench_append[0]);
