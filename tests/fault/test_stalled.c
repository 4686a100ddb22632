/* Processes that stand still where it hurts most, for as long as it takes (SIGSTOP, a frozen
 * container, a swapped-out host): the time passes in the middle of their calls. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "faults.h"
#include "image.h"
#include "workloads.h"

enum { N_RECORDS = 16, STALL_S = 60 };

static struct world world;
static int n_stalls; /* that are still to come */

static void agent_looks(void)
{
    struct tb_spool *spool = world_reader(&world);
    (void)world_drain(&world, spool);
    (void)tb_spool_flush(spool);
    (void)tb_spool_collect(spool);
    tb_spool_close(spool);
}

/* Right after a file was made: before it has an owner. */
static void stall(const struct fault_op *op)
{
    if (op->kind != OP_CREATE || n_stalls == 0 || op->dirfd != world.in_fd)
        return;
    n_stalls--;
    world_pass_s(STALL_S);
    agent_looks();
}

static int set_up(void **state)
{
    (void)state;
    world_open(&world, oracle_new(N_RECORDS, 512, 4096));
    faults_watch(stall);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    faults_watch(NULL);
    world_close(&world);
    oracle_free(world.oracle);
    return 0;
}

static void assert_all_is_delivered(uint64_t n)
{
    struct oracle_totals totals;
    assert_int_equal(world_settle(&world, NULL), 0);
    oracle_sum(world.oracle, &totals);
    assert_int_equal(totals.acked, n);
    assert_int_equal(totals.lost + totals.foreign, 0);
}

static void a_writer_that_stood_still_before_its_lock_makes_another_file(void **state)
{
    struct tb_writer writer;
    (void)state;
    n_stalls = 1;
    tb_writer_init(&writer, TB_CLASS_ERROR, world.in_fd);
    for (int i = 0; i < 3; i++)
        assert_int_equal(oracle_append(world.oracle, &writer, 1), 0);
    assert_int_equal(n_stalls, 0);
    tb_writer_close(&writer);
    assert_all_is_delivered(3);
}

static void a_writer_that_always_stands_still_says_so(void **state)
{
    struct tb_writer writer;
    (void)state;
    n_stalls = 1000;
    tb_writer_init(&writer, TB_CLASS_ERROR, world.in_fd);
    assert_int_equal(oracle_append(world.oracle, &writer, 1), -EAGAIN);
    n_stalls = 0;
    assert_int_equal(oracle_append(world.oracle, &writer, 1), 0);
    tb_writer_close(&writer);
    assert_all_is_delivered(1);
}

static void a_slot_that_stood_still_before_its_lock_is_made_again(void **state)
{
    static const uint8_t boot[16] = {1};
    struct tb_slot slot;
    (void)state;
    n_stalls = 1;
    assert_int_equal(tb_slot_open(&slot, world.in_fd, boot, 0), 0);
    assert_int_equal(oracle_crash(world.oracle, &slot, -1), 0);
    assert_int_equal(n_stalls, 0);
    tb_slot_close(&slot, 0);
    assert_all_is_delivered(1);
}

/* ---- an agent that looks at the wrong moment ---- */

static struct image image;
static size_t half;
static int owner_fd;

static void write_part(size_t from, size_t to)
{
    ssize_t n = pwrite(owner_fd, image.bytes + from, to - from, (off_t)from);
    assert_int_equal(n, to - from);
}

/* What a writer does between making its file and its first records. */
static void own_and_write_half(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    assert_int_equal(fcntl(owner_fd, F_OFD_SETLK, &lock), 0);
    write_part(0, half);
}

/* A segment of four records as bytes, and where the third begins. */
static void make_image(void)
{
    struct tb_writer writer;
    struct tb_spool_record record;
    tb_writer_init(&writer, TB_CLASS_ERROR, world.in_fd);
    for (int i = 0; i < 4; i++)
        assert_int_equal(oracle_append(world.oracle, &writer, 1), 0);
    tb_writer_close(&writer);
    assert_int_equal(image_take(&world, ".seg", &image), 0);
    struct tb_spool *spool = world_reader(&world);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tb_spool_next(spool, &record), 0);
    half = record.off8 * (size_t)8;
    tb_spool_close(spool);
}

static void a_file_locked_while_it_is_looked_at_has_an_owner(void **state)
{
    char path[256];
    (void)state;
    make_image();
    (void)snprintf(path, sizeof(path), "%s/%s", world.path, image.name);
    assert_int_equal(unlink(path), 0);
    owner_fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0640);
    struct tb_spool *spool = world_reader(&world); /* which finds it empty and without an owner */
    world_pass_s(2);
    faults_after_lock_was_asked(own_and_write_half);
    assert_int_equal(world_drain(&world, spool), 2);
    write_part(half, image.len);
    world_pass_s(2);
    (void)world_drain(&world, spool);
    assert_int_equal(close(owner_fd), 0);
    assert_int_equal(tb_spool_flush(spool), 0);
    (void)tb_spool_collect(spool);
    tb_spool_close(spool);
    image_done(&image);
    assert_all_is_delivered(4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_writer_that_stood_still_before_its_lock_makes_another_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_writer_that_always_stands_still_says_so, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_slot_that_stood_still_before_its_lock_is_made_again,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_locked_while_it_is_looked_at_has_an_owner, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
