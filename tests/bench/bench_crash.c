/* bench_crash.c - what a crash handler spends on its slot: until the first fragment can be read,
 * and for 64 KiB. The limit is a bare copy of the bytes into a file mapped in the same way.
 *
 * A slot is used once: its pages are met for the first time. A fresh one was just made; a settled
 * one is on the disk meanwhile, as that of a process that has run for a minute, and the kernel
 * wants to hear of the first store to each page. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "spool/dir.h"
#include "spool/slot.h"

enum {
    CRASHES = 101,
    CONTEXT_BYTES = 8 << 10,
    FIRST_BYTES = 704, /* fixed record, trace and a few frames */
    WHOLE_BYTES = 64 << 10,
};

static uint8_t bytes[WHOLE_BYTES];

/* How a crash finds its slot, and how long it is. */
struct way {
    int is_settled;
    size_t len;
};

/* Ours: as capture/crash/crash_record.c does it. Microseconds, or a negative errno. */
static double by_slot(int dirfd, const struct way *way)
{
    static const uint8_t boot_id[16];
    struct tb_slot slot;
    uint8_t uuid[TB_UUID_BYTES];
    int err = tb_slot_open(&slot, dirfd, boot_id, 0);
    if (err < 0)
        return err;
    err = tb_slot_context(&slot, 0, bytes, CONTEXT_BYTES);
    if (err == 0 && way->is_settled)
        err = tb_fd_sync(slot.fd);
    double start = bench_us();
    tb_slot_state(&slot, TB_SLOT_WRITING, 1);
    tb_id_uuid(uuid);
    tb_slot_begin(&slot, uuid, tb_clock_wall_ns());
    if (err == 0)
        err = tb_slot_write(&slot, bytes, way->len);
    tb_slot_flush(&slot);
    double took = bench_us() - start;
    tb_slot_close(&slot, 1);
    return err < 0 ? err : took;
}

static int filled_file(int dirfd, int number)
{
    static const uint8_t zeros[TB_SLOT_BYTES];
    char name[32];
    (void)snprintf(name, sizeof(name), "bare.%d", number);
    int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int err = fallocate(fd, 0, 0, TB_SLOT_BYTES) < 0 && errno != EOPNOTSUPP ? -errno : 0;
    if (err == 0)
        err = tb_fd_pwrite_all(fd, zeros, sizeof(zeros), 0);
    if (err < 0)
        tb_fd_close(&fd);
    return err < 0 ? err : fd;
}

static double by_copy(int dirfd, int number, const struct way *way)
{
    int fd = filled_file(dirfd, number);
    if (fd < 0)
        return fd;
    uint8_t *map = mmap(NULL, TB_SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int err = map == MAP_FAILED ? -errno : 0;
    if (err == 0) {
        map[0] = 1; /* the state, at init */
        err = way->is_settled ? tb_fd_sync(fd) : 0;
    }
    tb_fd_close(&fd);
    if (err < 0)
        return err;
    double start = bench_us();
    memcpy(map + TB_SLOT_CRASH_AT, bytes, way->len);
    atomic_signal_fence(memory_order_seq_cst);
    double took = bench_us() - start;
    munmap(map, TB_SLOT_BYTES);
    return took;
}

static int crash_of(const char *parent, const struct way *way, struct bench_round *out)
{
    static double ours[CRASHES];
    static double limit[CRASHES];
    char folder[BENCH_PATH];
    char why[TB_SPOOL_WHY];
    int err = bench_folder(parent, folder);
    if (err < 0)
        return err;
    int dirfd = tb_spool_dir_open(folder, 1, why);
    err = dirfd < 0 ? dirfd : 0;
    memset(bytes, 'x', sizeof(bytes));
    for (int i = 0; i < CRASHES && err == 0; i++) {
        if (i % 2)
            limit[i] = by_copy(dirfd, i, way);
        ours[i] = by_slot(dirfd, way);
        if (i % 2 == 0)
            limit[i] = by_copy(dirfd, i, way);
        if (ours[i] < 0 || limit[i] < 0)
            err = (int)(ours[i] < 0 ? ours[i] : limit[i]);
    }
    out->ours = bench_percentile(ours, CRASHES, 50);
    out->limit = bench_percentile(limit, CRASHES, 50);
    tb_fd_close(&dirfd);
    bench_remove(folder);
    return err;
}

static int first_p50(const char *folder, struct bench_round *out)
{
    return crash_of(folder, &(struct way){0, FIRST_BYTES}, out);
}

static int whole_p50(const char *folder, struct bench_round *out)
{
    return crash_of(folder, &(struct way){0, WHOLE_BYTES}, out);
}

static int settled_first_p50(const char *folder, struct bench_round *out)
{
    return crash_of(folder, &(struct way){1, FIRST_BYTES}, out);
}

static int settled_whole_p50(const char *folder, struct bench_round *out)
{
    return crash_of(folder, &(struct way){1, WHOLE_BYTES}, out);
}

const struct bench bench_crash[] = {
    {"spool.crash.first.p50", "us", first_p50},
    {"spool.crash.whole.p50", "us", whole_p50},
    {"spool.crash.settled.first.p50", "us", settled_first_p50},
    {"spool.crash.settled.whole.p50", "us", settled_whole_p50},
};
const size_t bench_crash_n = sizeof(bench_crash) / sizeof(bench_crash[0]);
