/* Damage on the disk: one flipped bit, and a 4 KiB page that is zeroed, garbage, swapped with
 * another or from an earlier time, anywhere in a segment, a crash slot and ack.log. It costs the
 * records it touched at most, it is counted, and nothing is delivered that nobody wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "image.h"

enum {
    HEADER = 128,
    MAX_SPANS = 512,
    SHORT_ROUNDS = 50, /* of each kind of damage in a large file */
    LONG_ROUNDS = 1000,
};

/* Where the records of the segment are. */
struct span {
    uint32_t number;
    uint64_t from, to;
};

struct scene {
    struct world world;
    struct image whole, older, damaged;
    struct span spans[MAX_SPANS];
    size_t n_spans;
    uint64_t n_lost, n_touched; /* over all rounds */
};

static const uint8_t boot[16] = {9};

static void find_spans(struct scene *scene)
{
    struct tb_spool *spool = world_reader(&scene->world);
    struct tb_spool_record record;
    assert_non_null(spool);
    while (tb_spool_next(spool, &record) == 0) {
        int64_t n = oracle_deliver(scene->world.oracle, &record);
        assert_true(n >= 0 && scene->n_spans < MAX_SPANS);
        scene->spans[scene->n_spans++] =
            (struct span){(uint32_t)n, record.off8 * (uint64_t)8,
                          record.off8 * (uint64_t)8 + TB_FRAME_HEADER_BYTES + record.len};
    }
    tb_spool_close(spool);
}

/* One segment with n records, and how it was when half of them were there. */
static void write_segment(struct scene *scene, uint32_t n, uint32_t len_min, uint32_t len_max)
{
    struct tb_writer writer;
    memset(scene, 0, sizeof(*scene));
    world_open(&scene->world, oracle_new(n, len_min, len_max));
    tb_writer_init(&writer, TB_CLASS_ERROR, scene->world.in_fd);
    for (uint32_t i = 0; i < n; i++) {
        if (i == n / 2)
            assert_int_equal(image_take(&scene->world, ".seg", &scene->older), 0);
        assert_int_equal(oracle_append(scene->world.oracle, &writer, 1), 0);
    }
    tb_writer_close(&writer);
    find_spans(scene);
    assert_int_equal(scene->n_spans, n);
    assert_int_equal(image_take(&scene->world, ".seg", &scene->whole), 0);
}

static void end_scene(struct scene *scene)
{
    image_done(&scene->whole);
    image_done(&scene->older);
    image_done(&scene->damaged);
    world_close(&scene->world);
    oracle_free(scene->world.oracle);
}

static int n_flipped(const uint8_t *a, const uint8_t *b, size_t len)
{
    int n = 0;
    for (size_t i = 0; i < len; i++)
        n += __builtin_popcount(a[i] ^ b[i]);
    return n;
}

static int is_touched(const struct scene *scene, const struct span *span)
{
    const uint8_t *a = scene->whole.bytes;
    const uint8_t *b = scene->damaged.bytes;
    /* Every record needs the header, which mends one bit. */
    return n_flipped(a, b, HEADER) > 1 ||
           memcmp(a + span->from, b + span->from, span->to - span->from) != 0;
}

/* A spool with that one file, of which nothing was ever acknowledged; the agent's last look. */
static void settle_anew(struct scene *scene, struct tb_spool_stats *stats)
{
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/agent/ack.log", scene->world.path);
    (void)unlink(path);
    oracle_forget(scene->world.oracle);
    assert_int_equal(image_put(&scene->world, &scene->damaged), 0);
    assert_int_equal(world_settle(&scene->world, stats), 0);
}

static void check_what_is_left(struct scene *scene, const char *what)
{
    struct tb_spool_stats stats;
    size_t n_missing = 0;
    int is_seen_behind = 0;
    settle_anew(scene, &stats);
    for (size_t i = scene->n_spans; i-- > 0;) {
        const struct span *span = &scene->spans[i];
        int is_there = atomic_load(&scene->world.oracle->entries[span->number].stored);
        int touched = is_touched(scene, span);
        if (!is_there && !touched)
            print_error("%s: record %d of %d, untouched, is lost\n", what, (int)i,
                        (int)scene->n_spans);
        assert_true(is_there || touched);
        scene->n_touched += (uint64_t)touched;
        is_seen_behind |= is_there;
        n_missing += !is_there && is_seen_behind;
        scene->n_lost += (uint64_t)!is_there;
    }
    assert_int_equal(atomic_load(&scene->world.oracle->n_foreign), 0);
    /* A loss with something behind it that was read cannot go unnoticed, nor that of a file. */
    if (n_missing > 0 || !is_seen_behind)
        assert_true(stats.n_damaged + stats.n_lost + stats.n_quarantined > 0);
    assert_true(stats.n_lost <= scene->n_spans + 2);
}

static void any_flipped_bit_of_a_segment_costs_one_record_at_most(void **state)
{
    static struct scene scene;
    (void)state;
    write_segment(&scene, 6, 8, 90);
    /* tests/spool flips each bit in each run, of a file that it made itself. */
    size_t step = world_is_long() ? 1 : 7;
    size_t end = scene.spans[5].to + TB_FRAME_HEADER_BYTES; /* SEAL */
    for (size_t bit = 0; bit < end * 8; bit += step) {
        uint64_t before = scene.n_lost;
        image_copy(&scene.whole, &scene.damaged);
        scene.damaged.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        check_what_is_left(&scene, "bit");
        assert_in_range(scene.n_lost - before, 0, 1);
    }
    print_message("%d flipped bits: %d records lost\n", (int)(end * 8 / step), (int)scene.n_lost);
    assert_true(scene.n_lost > 0);
    end_scene(&scene);
}

static void damage_costs_a_large_segment_the_records_it_touched(void **state)
{
    static struct scene scene;
    (void)state;
    uint64_t seed = 4711;
    int n_rounds = world_is_long() ? LONG_ROUNDS : SHORT_ROUNDS;
    write_segment(&scene, 300, 200, 20000);
    /* What was reserved behind the end is no part of it: most damage shall hit. */
    scene.whole.len = scene.spans[299].to + TB_FRAME_HEADER_BYTES;
    for (int kind = 0; kind < N_DAMAGE; kind++) {
        scene.n_lost = scene.n_touched = 0;
        for (int i = 0; i < n_rounds; i++) {
            image_copy(&scene.whole, &scene.damaged);
            image_damage(&scene.damaged, (enum damage)kind, &scene.older, &seed);
            check_what_is_left(&scene, damage_names[kind]);
        }
        print_message("%d times a %s: %d records touched, %d lost\n", n_rounds, damage_names[kind],
                      (int)scene.n_touched, (int)scene.n_lost);
        assert_true(scene.n_lost > 0);
    }
    end_scene(&scene);
}

/* The page of another segment, as a block of the disk that was given to a new file may hold. */
static void a_page_of_another_segment_is_not_believed(void **state)
{
    static struct scene scene, other;
    (void)state;
    write_segment(&other, 100, 200, 2000);
    write_segment(&scene, 100, 200, 2000);
    for (size_t at = 4096; at + 4096 <= scene.whole.len && at + 4096 <= other.whole.len;
         at += 4096) {
        image_copy(&scene.whole, &scene.damaged);
        memcpy(scene.damaged.bytes + at, other.whole.bytes + at, 4096);
        check_what_is_left(&scene, "page of another segment");
    }
    assert_true(scene.n_lost > 0);
    end_scene(&scene);
    end_scene(&other);
}

/* As a loss of power leaves a file whose later pages were written first. */
static void a_file_without_its_first_page_is_kept_and_counted(void **state)
{
    static struct scene scene;
    struct tb_spool_stats stats;
    (void)state;
    write_segment(&scene, 20, 2000, 3000);
    image_copy(&scene.whole, &scene.damaged);
    memset(scene.damaged.bytes, 0, 4096);
    settle_anew(&scene, &stats);
    assert_int_equal(stats.n_quarantined, 1);
    assert_int_equal(world_count(&scene.world, "agent/quarantine"), 2); /* and why */
    end_scene(&scene);
}

/* ---- a crash slot ---- */

static void write_slot(struct scene *scene)
{
    struct tb_slot slot;
    uint8_t context[5000] = "process";
    memset(scene, 0, sizeof(*scene));
    world_open(&scene->world, oracle_new(1, 30000, 30000));
    assert_int_equal(tb_slot_open(&slot, scene->world.in_fd, boot, 0), 0);
    assert_int_equal(tb_slot_context(&slot, 1, context, sizeof(context)), 0);
    assert_int_equal(image_take(&scene->world, ".slot", &scene->older), 0);
    assert_int_equal(oracle_crash(scene->world.oracle, &slot, -1), 0);
    tb_slot_close(&slot, 0);
    assert_int_equal(image_take(&scene->world, ".slot", &scene->whole), 0);
    /* It may be delivered cut short. */
    atomic_store(&scene->world.oracle->entries[0].acked, 0);
}

static void damage_to_a_slot_invents_nothing_and_is_counted(void **state)
{
    static struct scene scene;
    (void)state;
    uint64_t seed = 815;
    int n_rounds = world_is_long() ? LONG_ROUNDS : SHORT_ROUNDS;
    uint64_t n_delivered = 0;
    write_slot(&scene);
    const uint64_t crash_end = TB_SLOT_CRASH_AT + 9 * TB_SLOT_PAGE;
    for (int i = 0; i < n_rounds * N_DAMAGE; i++) {
        struct tb_spool_stats stats;
        image_copy(&scene.whole, &scene.damaged);
        scene.damaged.len = crash_end;
        image_damage(&scene.damaged, (enum damage)(i % N_DAMAGE), &scene.older, &seed);
        scene.damaged.len = scene.whole.len;
        settle_anew(&scene, &stats);
        int is_there = atomic_load(&scene.world.oracle->entries[0].stored);
        n_delivered += (uint64_t)is_there;
        int is_hurt = n_flipped(scene.whole.bytes, scene.damaged.bytes, HEADER + 8) > 1 ||
                      memcmp(scene.whole.bytes + TB_SLOT_CRASH_AT,
                             scene.damaged.bytes + TB_SLOT_CRASH_AT, TB_SLOT_PAGE) != 0;
        assert_true(is_there || is_hurt);
        assert_int_equal(atomic_load(&scene.world.oracle->n_foreign), 0);
        if (!is_there)
            assert_true(stats.n_damaged + stats.n_quarantined + stats.n_vanished > 0);
    }
    print_message("%d times damage to a crash: %d delivered\n", n_rounds * N_DAMAGE,
                  (int)n_delivered);
    assert_in_range(n_delivered, n_rounds * N_DAMAGE / 2, n_rounds * N_DAMAGE - 1);
    end_scene(&scene);
}

/* Nothing done to the file beside it harms the crash, and of the threads only whole ones come. */
static void damage_to_the_threads_of_a_crash_leaves_the_crash(void **state)
{
    static struct scene scene;
    static struct image more;
    struct tb_slot slot;
    (void)state;
    uint64_t seed = 3042;
    int n_rounds = world_is_long() ? LONG_ROUNDS : SHORT_ROUNDS;
    memset(&scene, 0, sizeof(scene));
    world_open(&scene.world, oracle_new(1, 30000, 30000));
    assert_int_equal(tb_slot_open(&slot, scene.world.in_fd, boot, 0), 0);
    assert_int_equal(oracle_crash(scene.world.oracle, &slot, scene.world.in_fd), 0);
    tb_slot_close(&slot, 0);
    assert_int_equal(image_take(&scene.world, ".slot", &scene.damaged), 0);
    assert_int_equal(image_take(&scene.world, ".more", &scene.whole), 0);
    for (int i = 0; i < n_rounds * N_DAMAGE; i++) {
        image_copy(&scene.whole, &more);
        image_damage(&more, (enum damage)(i % N_DAMAGE), &scene.whole, &seed);
        bool is_whole = memcmp(more.bytes, scene.whole.bytes, more.len) == 0;
        atomic_store(&scene.world.oracle->entries[0].threads, is_whole ? 2 : 1);
        assert_int_equal(image_put(&scene.world, &more), 0);
        struct tb_spool_stats stats;
        settle_anew(&scene, &stats); /* puts the slot as it was */
        assert_int_equal(atomic_load(&scene.world.oracle->entries[0].stored), 1);
        assert_int_equal(atomic_load(&scene.world.oracle->n_foreign), 0);
        assert_int_equal(stats.n_quarantined, 0);
        assert_int_equal(world_count(&scene.world, "in"), 0);
    }
    image_done(&more);
    end_scene(&scene);
}

/* ---- ack.log ---- */

static void write_acks(struct scene *scene, struct image *acks, struct image *older)
{
    struct tb_spool_record record;
    write_segment(scene, 400, 20, 60);
    struct tb_spool *spool = world_reader(&scene->world);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(tb_spool_next(spool, &record), 0);
        tb_spool_ack(spool, record.file_id, record.off8, TB_ACK_STORED);
        if (i == 150) {
            assert_int_equal(tb_spool_flush(spool), 0);
            assert_int_equal(image_read(&scene->world, "agent/ack.log", older), 0);
        }
    }
    assert_int_equal(tb_spool_flush(spool), 0);
    tb_spool_close(spool);
    assert_int_equal(image_read(&scene->world, "agent/ack.log", acks), 0);
}

static void a_damaged_acknowledgement_is_a_second_delivery_and_no_loss(void **state)
{
    static struct scene scene;
    static struct image acks, older, damaged;
    (void)state;
    uint64_t seed = 1234;
    uint64_t n_again = 0;
    int n_rounds = world_is_long() ? LONG_ROUNDS : SHORT_ROUNDS;
    write_acks(&scene, &acks, &older);
    assert_true(acks.len >= 2 * 4096);
    for (int i = 0; i < n_rounds * N_DAMAGE; i++) {
        image_copy(&acks, &damaged);
        image_damage(&damaged, (enum damage)(i % N_DAMAGE), &older, &seed);
        oracle_forget(scene.world.oracle);
        assert_int_equal(image_put(&scene.world, &scene.whole), 0);
        assert_int_equal(image_put(&scene.world, &damaged), 0);
        assert_int_equal(world_settle(&scene.world, NULL), 0);
        size_t n_read = 0;
        for (uint32_t n = 0; n < 400; n++) {
            int is_there = atomic_load(&scene.world.oracle->entries[n].stored);
            assert_true(is_there || n < 300);
            n_read += (size_t)is_there;
        }
        assert_true(n_read >= 100);
        /* A page has 128 of them. */
        assert_true(n_read <= 100 + 2 * 128);
        assert_int_equal(atomic_load(&scene.world.oracle->n_foreign), 0);
        n_again += n_read - 100;
    }
    print_message("%d times damage to ack.log: %d records delivered again\n", n_rounds * N_DAMAGE,
                  (int)n_again);
    assert_true(n_again > 0);
    image_done(&acks);
    image_done(&older);
    image_done(&damaged);
    end_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_flipped_bit_of_a_segment_costs_one_record_at_most),
        cmocka_unit_test(damage_costs_a_large_segment_the_records_it_touched),
        cmocka_unit_test(a_page_of_another_segment_is_not_believed),
        cmocka_unit_test(a_file_without_its_first_page_is_kept_and_counted),
        cmocka_unit_test(damage_to_a_slot_invents_nothing_and_is_counted),
        cmocka_unit_test(damage_to_the_threads_of_a_crash_leaves_the_crash),
        cmocka_unit_test(a_damaged_acknowledgement_is_a_second_delivery_and_no_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
