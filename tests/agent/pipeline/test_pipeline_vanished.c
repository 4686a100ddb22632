/* test_pipeline_vanished.c - processes that died unseen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/wait.h>

#include "agent/deaths/proc.h"
#include "pipeline_world.h"

/* One that died unseen: armed, its lock gone, with one note. */
static void spool_vanished(struct fixture *f, uint64_t start_ticks)
{
    static const struct tb_slot_note note = {
        .number = 1, .wall_ns = 1700000001000000000, .level = 1, .text = "the last", .len = 8};
    struct tb_slot slot;
    uint8_t mem[4096];
    uint8_t boot[16];
    tb_id_boot(boot);
    memset(&slot, 0, sizeof(slot));
    assert_int_equal(tb_slot_open(&slot, f->in_fd, boot, start_ticks), 0);
    assert_int_equal(tb_slot_context(&slot, 1, mem, pack_process(mem, sizeof(mem))), 0);
    tb_slot_notes(&slot, &note, 1);
    tb_slot_close(&slot, 0);
}

struct vanished {
    int64_t n_reported, n_unreported;
};

static int count_one(void *arg, const char *name, int64_t value)
{
    struct vanished *n = arg;
    if (strcmp(name, "vanished.reported") == 0)
        n->n_reported += value;
    else if (strncmp(name, "vanished.", 9) == 0)
        n->n_unreported += value;
    return 0;
}

static struct vanished count_vanished(struct fixture *f)
{
    struct vanished n = {0};
    assert_int_equal(tb_store_counters(f->store, count_one, &n), 0);
    return n;
}

static int64_t count_unreported(struct fixture *f)
{
    return count_vanished(f).n_unreported;
}

static void a_process_that_vanished_is_an_item(void **state)
{
    struct fixture *f = *state;
    struct found found;
    spool_vanished(f, 1); /* no process has this start */
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    occurrences(f, &found);
    assert_int_equal(found.n, 1);
    assert_string_equal(found.titles[0], "feedd vanished: found dead, ended without a word");
    assert_non_null(strstr(found.data, "\"message\":\"the last\""));
    assert_int_equal(count_unreported(f), 0);
    assert_int_equal(count_vanished(f).n_reported, 1);
}

static void one_that_lives_on_or_is_only_to_be_counted_is_none(void **state)
{
    struct fixture *f = *state;
    struct found found;
    struct tb_proc self;
    assert_int_equal(tb_proc_read(getpid(), &self), 0);
    spool_vanished(f, self.start_ticks); /* as if this process were its exec */
    drain(f);
    assert_int_equal(count_unreported(f), 1);
    f->config.counts_vanished = 1;
    spool_vanished(f, 1); /* no process has this start */
    drain(f);
    assert_int_equal(count_unreported(f), 2);
    occurrences(f, &found);
    assert_int_equal(found.n, 0);
    assert_int_equal(tb_pipeline_settle(f->pipeline), 0);
    assert_int_equal(files_in("spool/in"), 0);
}

/* A child that leaves its slot as if it were killed, and is not reaped. */
static pid_t leave_zombie(struct fixture *f)
{
    siginfo_t info;
    pid_t pid = fork();
    if (pid == 0) {
        struct tb_proc self;
        if (tb_proc_read(getpid(), &self) == 0)
            spool_vanished(f, self.start_ticks);
        _exit(0);
    }
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    return pid;
}

/* What the kernel tells when the parent asks is waited for, and nothing else waits with it. */
static void one_of_which_more_may_be_known_waits_aside(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {MESSAGE("u-1", "hello")};
    struct found found;
    close_pipeline(f);
    f->patience_ms = 3600 * 1000;
    open_pipeline(f, NULL);
    pid_t pid = leave_zombie(f);
    spool_items(f, items, 1);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    occurrences(f, &found);
    assert_int_equal(found.n, 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    while (tb_pipeline_batch(f->pipeline) == 0)
        ;
    occurrences(f, &found);
    assert_int_equal(count_unreported(f) + found.n, 2); /* an old kernel has it reported */
    assert_int_equal(tb_pipeline_settle(f->pipeline), 0);
    assert_int_equal(files_in("spool/in"), 0);
}

int main(int argc, char **argv)
{
    if (is_symbolizer(argc, argv))
        return tb_symbol_worker(TB_SYMBOL_FD);
    const struct CMUnitTest tests[] = {
        TEST(a_process_that_vanished_is_an_item),
        TEST(one_that_lives_on_or_is_only_to_be_counted_is_none),
        TEST(one_of_which_more_may_be_known_waits_aside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
