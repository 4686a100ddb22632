/* workloads.c - see workloads.h. */
#include "workloads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/pack.h"
#include "spool/acklog.h"

enum {
    SMALL_SEGMENT = 48 << 10, /* a limit for files that makes rotations come soon */
    N_APPENDS = 40,
    N_GONE_ACKS = 40,
    HALF_MADE_S = 10,
    BATCH = 4,
    TO_QUARANTINE = 3, /* the number of the record that the agent cannot use */
};

struct tb_spool_stats work_reader_stats;
static struct tb_writer last_writer;
static struct tb_writer living; /* its file stays: what is acknowledged in it must stay so */
static const uint8_t boot[16] = {1, 2, 3};

/* ---- a producer ---- */

static void append_all(struct world *world, struct tb_writer *writer)
{
    struct rlimit limit;
    (void)getrlimit(RLIMIT_FSIZE, &limit);
    struct rlimit small = {SMALL_SEGMENT, limit.rlim_max};
    (void)setrlimit(RLIMIT_FSIZE, &small);
    for (int i = 0; i < N_APPENDS; i++)
        (void)oracle_append(world->oracle, writer, i < N_APPENDS / 2 ? 1 : 2);
    (void)setrlimit(RLIMIT_FSIZE, &limit);
}

static void run_producer(struct world *world)
{
    struct tb_writer writer;
    tb_writer_init(&writer, TB_CLASS_ERROR, world->in_fd);
    append_all(world, &writer);
    tb_writer_close(&writer);
    /* One that ends without a word. */
    tb_writer_init(&last_writer, TB_CLASS_INFO, world->in_fd);
    for (int i = 0; i < 3; i++)
        (void)oracle_append(world->oracle, &last_writer, 0);
}

static int go_on_producing(struct world *world)
{
    int err = oracle_append(world->oracle, &last_writer, 0);
    tb_writer_close(&last_writer);
    return err;
}

/* ---- a process with a crash slot ---- */

static void run_slot(struct world *world)
{
    struct tb_slot slot;
    uint8_t context[3000] = "process";
    if (tb_slot_open(&slot, world->in_fd, boot, 0) < 0)
        return;
    (void)tb_slot_context(&slot, 1, context, sizeof(context));
    (void)tb_slot_renew(&slot, 2, context, sizeof(context));
    oracle_notes(&slot, 3);
    (void)oracle_crash(world->oracle, &slot, world->in_fd);
    tb_slot_close(&slot, 0);
    for (int is_clean = 0; is_clean < 2; is_clean++) {
        if (tb_slot_open(&slot, world->in_fd, boot, 0) < 0)
            return;
        (void)tb_slot_context(&slot, 1, context, sizeof(context));
        oracle_notes(&slot, 5);
        tb_slot_close(&slot, is_clean); /* else it dies unseen */
    }
}

/* A process that forks: nobody dies in what it has for its children. */
static void run_spare(struct world *world)
{
    struct tb_slot slot;
    for (int i = 0; i < 4; i++) {
        if (tb_slot_open_spare(&slot, world->in_fd, boot) == 0)
            tb_slot_close(&slot, 0);
    }
}

/* ---- an agent ---- */

static void write_raw(const struct world *world, const char *name, const void *data, size_t len)
{
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/%s", world->path, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    (void)tb_fd_write_all(fd, data, len);
    tb_fd_close(&fd);
}

/* Acknowledgements of files that are gone: the log wants to be rewritten. */
static void write_gone_acks(const struct world *world)
{
    struct tb_buf entries;
    tb_buf_init(&entries, 1 << 20);
    for (uint32_t i = 0; i < N_GONE_ACKS; i++) {
        struct tb_ack ack = {0x1234, 16 + i, TB_ACK_STORED};
        tb_acklog_pack(&entries, &ack);
    }
    write_raw(world, "agent/ack.log", entries.data, entries.len);
    tb_buf_done(&entries);
}

static void prepare_reader(struct world *world)
{
    struct tb_writer writer;
    struct tb_slot slot;
    tb_spool_close(world_reader(world)); /* makes the folders */
    tb_writer_init(&writer, TB_CLASS_ERROR, world->in_fd);
    for (int i = 0; i < 10; i++)
        (void)oracle_append(world->oracle, &writer, 1);
    tb_writer_close(&writer);
    tb_writer_init(&writer, TB_CLASS_WARNING, world->in_fd);
    for (int i = 0; i < 5; i++)
        (void)oracle_append(world->oracle, &writer, 0);
    tb_writer_forget(&writer);
    tb_writer_init(&living, TB_CLASS_INFO, world->in_fd);
    for (int i = 0; i < 6; i++)
        (void)oracle_append(world->oracle, &living, 0);
    if (tb_slot_open(&slot, world->in_fd, boot, 0) == 0) {
        (void)oracle_crash(world->oracle, &slot, world->in_fd);
        tb_slot_close(&slot, 0);
    }
    if (tb_slot_open(&slot, world->in_fd, boot, 0) == 0) {
        oracle_notes(&slot, 20);
        tb_slot_close(&slot, 0);
    }
    uint8_t garbage[200];
    memset(garbage, 0x5a, sizeof(garbage));
    write_raw(world, "in/1-00000000-0000000000000001-0.seg", garbage, sizeof(garbage));
    write_raw(world, "in/1-00000000-0000000000000002-0.seg", garbage, 0);
    write_gone_acks(world);
    world_pass_s(HALF_MADE_S);
}

static void finish_reader(void)
{
    tb_writer_close(&living);
}

struct batch {
    int64_t numbers[BATCH];
    int n;
};

static void flush_batch(struct world *world, struct tb_spool *spool, struct batch *batch)
{
    if (tb_spool_flush(spool) < 0)
        return;
    for (int i = 0; i < batch->n; i++)
        atomic_store(&world->oracle->entries[batch->numbers[i]].flushed, 1);
    batch->n = 0;
    (void)tb_spool_collect(spool);
}

static void take_record(struct world *world, struct tb_spool *spool,
                        const struct tb_spool_record *record, struct batch *batch)
{
    const uint8_t *context;
    size_t len;
    if (tb_get64(record->uuid) == TO_QUARANTINE) {
        struct oracle_entry *entry = &world->oracle->entries[TO_QUARANTINE];
        if (!oracle_is(world->oracle, TO_QUARANTINE, record->data, record->len))
            atomic_fetch_add(&world->oracle->n_foreign, 1);
        atomic_store(&entry->quarantine, 1);
        (void)tb_spool_quarantine(spool, record, "the test cannot use it");
        return;
    }
    int64_t n = oracle_deliver(world->oracle, record);
    if (n == ORACLE_UNSEEN)
        tb_spool_ack(spool, record->file_id, record->off8, TB_ACK_STORED);
    if (n < 0)
        return;
    if (tb_spool_context(spool, record, 0, &context, &len) == 0 &&
        (len < 7 || memcmp(context, "process", 7) != 0))
        atomic_fetch_add(&world->oracle->n_foreign, 1);
    tb_spool_ack(spool, record->file_id, record->off8, TB_ACK_STORED);
    batch->numbers[batch->n++] = n;
}

static void run_agent_once(struct world *world, uint32_t n_failures_borne)
{
    char why[TB_SPOOL_WHY];
    struct tb_spool *spool;
    struct tb_spool_record record;
    struct batch batch = {.n = 0};
    if (tb_spool_open(world->path, TB_SPOOL_CREATE, &spool, why) < 0)
        return;
    for (;;) {
        int err = tb_spool_next(spool, &record);
        if (err < 0 && n_failures_borne-- == 0)
            break;
        if (err == 0)
            take_record(world, spool, &record, &batch);
        if (batch.n == BATCH)
            flush_batch(world, spool, &batch);
        if (batch.n == BATCH)
            break; /* the disk takes no acknowledgements */
    }
    flush_batch(world, spool, &batch);
    struct tb_spool_stats stats;
    tb_spool_stats(spool, &stats);
    work_reader_stats.n_damaged += stats.n_damaged;
    work_reader_stats.n_lost += stats.n_lost;
    tb_spool_close(spool);
}

static void run_reader(struct world *world)
{
    memset(&work_reader_stats, 0, sizeof(work_reader_stats));
    run_agent_once(world, 0);
    run_agent_once(world, 1);
}

const struct workload workloads[N_WORKLOADS] = {
    {"producer", 512, 20 << 10, NULL, run_producer, NULL, go_on_producing},
    {"slot", 20000, 40000, NULL, run_slot, NULL, NULL},
    {"spare", 512, 1024, NULL, run_spare, NULL, NULL},
    {"reader", 512, 12 << 10, prepare_reader, run_reader, finish_reader, NULL},
};
