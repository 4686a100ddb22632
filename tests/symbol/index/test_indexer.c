/* test_indexer.c - what becomes of a child that builds an index and is up to no good. The build
 * itself is replaced (see extra.cmake). */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/pack.h"
#include "empty_index.h"
#include "symbol/index/indexer.h"

enum { ID_BYTES = 20 };

static const uint8_t build_id[ID_BYTES] = {1, 2, 3};

/* What the child does. */
static int (*deed)(const struct tb_symbol_index_input *input, uint8_t *mem, size_t *out_len);
static volatile bool forever = true;

int __wrap_tb_symbol_index_build(const struct tb_symbol_index_input *input, uint8_t *mem,
                                 size_t cap, size_t *out_len);
int __wrap_tb_symbol_index_build(const struct tb_symbol_index_input *input, uint8_t *mem,
                                 size_t cap, size_t *out_len)
{
    assert_int_equal(cap, TB_SYMBOL_INDEX_BYTES_MAX);
    return deed(input, mem, out_len);
}

/* An index without a name, which is one. */
static int write_one(const struct tb_symbol_index_input *input, uint8_t *mem, size_t *out_len)
{
    empty_index_write(input->build_id, input->build_id_len, input->flags, mem);
    *out_len = EMPTY_INDEX_BYTES;
    return 0;
}

static int of_another(const struct tb_symbol_index_input *input, uint8_t *mem, size_t *out_len)
{
    int err = write_one(input, mem, out_len);
    mem[TB_SYMBOL_AT_BUILD_ID] ^= 1;
    return err;
}

static int made_public(const struct tb_symbol_index_input *input, uint8_t *mem, size_t *out_len)
{
    int err = write_one(input, mem, out_len);
    tb_put32(mem + TB_SYMBOL_AT_FLAGS, input->flags | TB_SYMBOL_INDEX_PUBLIC);
    return err;
}

static int of_another_origin(const struct tb_symbol_index_input *input, uint8_t *mem,
                             size_t *out_len)
{
    int err = write_one(input, mem, out_len);
    tb_put64(mem + TB_SYMBOL_AT_DEBUG_BYTES, 1);
    return err;
}

static int with_a_huge_length(const struct tb_symbol_index_input *input, uint8_t *mem,
                              size_t *out_len)
{
    int err = write_one(input, mem, out_len);
    tb_put64(mem + TB_SYMBOL_AT_LEN, UINT64_MAX);
    return err;
}

static int longer_than_it_is(const struct tb_symbol_index_input *input, uint8_t *mem,
                             size_t *out_len)
{
    int err = write_one(input, mem, out_len);
    tb_put64(mem + TB_SYMBOL_AT_LEN, EMPTY_INDEX_BYTES + 4096);
    return err;
}

static int no_index(const struct tb_symbol_index_input *input, uint8_t *mem, size_t *out_len)
{
    (void)input;
    memset(mem, 0xa5, 4096);
    *out_len = 4096;
    return 0;
}

static int die(const struct tb_symbol_index_input *input, uint8_t *mem, size_t *out_len)
{
    (void)write_one(input, mem, out_len);
    abort();
}

static int leave(const struct tb_symbol_index_input *input, uint8_t *mem, size_t *out_len)
{
    (void)write_one(input, mem, out_len);
    _exit(0);
}

static int hang(const struct tb_symbol_index_input *input, uint8_t *mem, size_t *out_len)
{
    (void)input;
    (void)mem;
    (void)out_len;
    while (forever) {
    }
    return 0;
}

static int no_name(const struct tb_symbol_index_input *input, uint8_t *mem, size_t *out_len)
{
    (void)input;
    (void)mem;
    (void)out_len;
    return -ENOENT;
}

static int no_room(const struct tb_symbol_index_input *input, uint8_t *mem, size_t *out_len)
{
    (void)input;
    (void)mem;
    (void)out_len;
    return -ENOSPC;
}

static int no_memory(const struct tb_symbol_index_input *input, uint8_t *mem, size_t *out_len)
{
    (void)input;
    (void)mem;
    (void)out_len;
    return -ENOMEM;
}

static const struct tb_symbol_index_input input = {.build_id = build_id, .build_id_len = ID_BYTES};

static int run(int (*what)(const struct tb_symbol_index_input *, uint8_t *, size_t *), int ms,
               struct tb_symbol_indexed *out)
{
    deed = what;
    int err = tb_symbol_indexer_run(&input, ms, out);
    /* No child is left behind. */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    return err;
}

static void index_comes_back_sealed(void **state)
{
    struct tb_symbol_indexed made;
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    (void)state;
    assert_int_equal(run(write_one, 60000, &made), 0);
    assert_int_equal(made.len, EMPTY_INDEX_BYTES);
    assert_int_equal(fcntl(made.fd, F_GET_SEALS), seals);
    assert_int_equal(write(made.fd, "x", 1), -1);
    assert_int_equal(lseek(made.fd, 0, SEEK_END), EMPTY_INDEX_BYTES);
    tb_symbol_indexed_done(&made);
    assert_int_equal(made.fd, -1);
}

static void what_the_build_says_comes_back(void **state)
{
    struct tb_symbol_indexed made;
    (void)state;
    assert_int_equal(run(no_name, 60000, &made), -ENOENT);
    assert_int_equal(run(no_room, 60000, &made), -ENOSPC);
    assert_int_equal(run(no_memory, 60000, &made), -ENOMEM);
}

static void child_that_dies_or_lies_is_a_dead_child(void **state)
{
    int (*const deeds[])(const struct tb_symbol_index_input *, uint8_t *,
                         size_t *) = {die,
                                      leave,
                                      of_another,
                                      made_public,
                                      of_another_origin,
                                      no_index,
                                      with_a_huge_length,
                                      longer_than_it_is};
    struct tb_symbol_indexed made;
    (void)state;
    for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
        assert_int_equal(run(deeds[i], 60000, &made), -ECHILD);
}

static void child_that_hangs_is_ended_at_the_deadline(void **state)
{
    struct tb_symbol_indexed made;
    (void)state;
    uint64_t start_ns = tb_clock_mono_ns();
    assert_int_equal(run(hang, 60, &made), -ETIMEDOUT);
    assert_true(tb_clock_mono_ns() - start_ns >= UINT64_C(60) * TB_NS_PER_MS);
}

/* As in an agent's thread, whose signals are blocked. */
static void deadline_holds_where_all_signals_are_blocked(void **state)
{
    struct tb_symbol_indexed made;
    sigset_t all;
    sigset_t before;
    (void)state;
    sigfillset(&all);
    assert_int_equal(sigprocmask(SIG_SETMASK, &all, &before), 0);
    assert_int_equal(run(hang, 60, &made), -ETIMEDOUT);
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_comes_back_sealed),
        cmocka_unit_test(what_the_build_says_comes_back),
        cmocka_unit_test(child_that_dies_or_lies_is_a_dead_child),
        cmocka_unit_test(child_that_hangs_is_ended_at_the_deadline),
        cmocka_unit_test(deadline_holds_where_all_signals_are_blocked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
