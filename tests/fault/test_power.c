/* Loss of power, by the model of model.h: producers of all classes, a crash, an agent that stores,
 * syncs, acknowledges, quarantines, collects and starts again. After every prefix of what they did,
 * and for thousands of ways in which the disk may have kept or forgotten what was not synced, the
 * folder is read by an agent, and what was promised must be there. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/pack.h"
#include "model.h"

enum {
    N_RECORDS = 60,
    SHORT_ROUNDS = 500,
    LONG_ROUNDS = 10000,
    TO_QUARANTINE = 7,
    N_CLASSES = 3,
};

static struct world live;
static struct tb_writer writers[N_CLASSES];
static const uint8_t boot[16] = {3};

/* ---- the work that is recorded ---- */

static void append(int class_)
{
    struct tb_writer *writer = &writers[class_];
    uint32_t n = atomic_load(&live.oracle->n);
    assert_int_equal(oracle_append(live.oracle, writer, 1), 0);
    model_mark(MARK_ACKED, n, tb_writer_fd(writer));
}

/* What a writer with the option sync does, and the agent for those without. */
static void sync_writer(int class_)
{
    assert_int_equal(fdatasync(tb_writer_fd(&writers[class_])), 0);
    model_sync_in();
}

static void crash(void)
{
    struct tb_slot slot;
    uint32_t n = atomic_load(&live.oracle->n);
    assert_int_equal(tb_slot_open(&slot, live.in_fd, boot, 0), 0);
    model_look_at_mapping(slot.fd);
    assert_int_equal(oracle_crash(live.oracle, &slot, -1), 0);
    model_look_at_mapping(slot.fd);
    model_mark(MARK_ACKED, n, slot.fd);
    assert_int_equal(fdatasync(slot.fd), 0);
    model_sync_in();
    tb_slot_close(&slot, 0);
}

static void quarantine(struct tb_spool *spool, const struct tb_spool_record *record)
{
    atomic_store(&live.oracle->entries[TO_QUARANTINE].quarantine, 1);
    assert_int_equal(tb_spool_quarantine(spool, record, "not for this test"), 0);
}

/* Takes up to max records as the agent does: store, sync the store, and only then the log. */
static void take(struct tb_spool *spool, uint32_t max)
{
    struct tb_spool_record record;
    for (uint32_t i = 0; i < max && tb_spool_next(spool, &record) == 0; i++) {
        uint32_t n = (uint32_t)tb_get64(record.uuid);
        if (n == TO_QUARANTINE) {
            quarantine(spool, &record);
            continue;
        }
        assert_int_equal(oracle_deliver(live.oracle, &record), n);
        model_mark(MARK_STORED, n, -1);
        tb_spool_ack(spool, record.file_id, record.off8, TB_ACK_STORED);
    }
    model_mark(MARK_STORE_SYNCED, 0, -1);
    assert_int_equal(tb_spool_flush(spool), 0);
    (void)tb_spool_collect(spool);
}

static void close_writer(int class_)
{
    tb_writer_close(&writers[class_]);
    tb_writer_init(&writers[class_], class_, live.in_fd);
}

static struct tb_spool *restart(struct tb_spool *spool)
{
    tb_spool_close(spool);
    return world_reader(&live);
}

static void work(void)
{
    struct tb_spool *spool = world_reader(&live);
    for (int i = 0; i < N_CLASSES; i++)
        tb_writer_init(&writers[i], i, live.in_fd);
    for (int i = 0; i < 12; i++)
        append(i % N_CLASSES);
    sync_writer(0);
    sync_writer(1);
    take(spool, 5);
    crash();
    for (int i = 0; i < 6; i++) {
        append(1);
        sync_writer(1);
    }
    close_writer(0);
    take(spool, 100);
    spool = restart(spool);
    for (int i = 0; i < 9; i++)
        append(i % N_CLASSES);
    sync_writer(0);
    close_writer(1);
    take(spool, 4);
    append(1);
    sync_writer(1);
    sync_writer(2);
    take(spool, 100);
    for (int i = 0; i < N_CLASSES; i++)
        tb_writer_close(&writers[i]);
    take(spool, 100);
    spool = restart(spool);
    take(spool, 100);
    tb_spool_close(spool);
}

static void record_work(void)
{
    static const char *const made_before[] = {"agent/ack.log", "agent/lock"};
    world_open(&live, oracle_new(N_RECORDS, 300, 12000));
    tb_spool_close(world_reader(&live));
    for (int i = 0; i < 2; i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/%s", live.path, made_before[i]);
        assert_int_equal(unlink(path), 0);
    }
    model_begin(&live);
    work();
    model_end();
}

/* ---- what is left of it ---- */

static struct {
    uint64_t n_rounds, n_promised, n_delivered, n_lost;
} sum;

static void check_round(size_t k, uint64_t *seed)
{
    struct world world;
    struct oracle *oracle = live.oracle;
    uint64_t began = seed ? *seed : 0;
    oracle_forget(oracle);
    for (uint32_t n = 0; n < atomic_load(&oracle->n); n++) {
        int is_promised = seed ? model_is_promised(n, k) : model_is_acked(n, k);
        atomic_store(&oracle->entries[n].acked, (unsigned char)is_promised);
        atomic_store(&oracle->entries[n].quarantine, n == TO_QUARANTINE);
    }
    world_open(&world, oracle);
    model_rebuild(&world, k, seed);
    assert_int_equal(world_settle(&world, NULL), 0);
    assert_int_equal(atomic_load(&oracle->n_foreign), 0);
    for (uint32_t n = 0; n < atomic_load(&oracle->n); n++) {
        const struct oracle_entry *entry = &oracle->entries[n];
        int is_there = atomic_load(&entry->stored) || atomic_load(&entry->quarantine) == 2 ||
                       model_is_stored(n, k, seed != NULL);
        sum.n_promised += atomic_load(&entry->acked);
        sum.n_delivered += atomic_load(&entry->stored);
        if (!atomic_load(&entry->acked) || is_there)
            continue;
        sum.n_lost++;
        print_error("after %d operations, seed %llu: record %u was promised and is lost (%s)\n",
                    (int)k, (unsigned long long)began, (unsigned)n, world.path);
    }
    assert_int_equal(sum.n_lost, 0);
    world_close(&world);
    sum.n_rounds++;
}

static void print_sum(const char *what)
{
    print_message("%s: %llu rounds, %llu promised, %llu lost, %llu delivered\n", what,
                  (unsigned long long)sum.n_rounds, (unsigned long long)sum.n_promised,
                  (unsigned long long)sum.n_lost, (unsigned long long)sum.n_delivered);
    assert_true(sum.n_promised > 0);
    memset(&sum, 0, sizeof(sum));
}

static void whatever_the_power_leaves_the_promises_hold(void **state)
{
    (void)state;
    uint64_t seed = 20261126;
    record_work();
    for (size_t k = 0; k <= model_n_ops(); k++)
        check_round(k, NULL);
    print_sum("every prefix");
    size_t n_rounds = world_is_long() ? LONG_ROUNDS : SHORT_ROUNDS;
    for (size_t i = 0; i < n_rounds; i++)
        check_round(i * model_n_ops() / n_rounds + 1, &seed);
    print_sum("reordered");
    model_free();
    world_close(&live);
    oracle_free(live.oracle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_the_power_leaves_the_promises_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
