/* test_pipeline_run.c - the thread that takes what comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "pipeline_world.h"

static void *run(void *arg)
{
    void **args = arg;
    tb_pipeline_run(args[0], *(int *)args[1]);
    return NULL;
}

static void the_thread_takes_what_comes_until_it_is_stopped(void **state)
{
    struct fixture *f = *state;
    int stop_fd = eventfd(0, EFD_CLOEXEC);
    void *args[] = {f->pipeline, &stop_fd};
    struct tb_pipeline_snapshot snapshot;
    pthread_t thread;
    uint64_t one = 1;
    assert_int_equal(pthread_create(&thread, NULL, run, args), 0);
    for (int i = 1; i <= 3; i++) {
        spool_report(f, "again");
        uint64_t limit_ns = tb_clock_mono_ns() + 20ULL * TB_NS_PER_S;
        do {
            (void)poll(NULL, 0, 2);
            tb_pipeline_snapshot(f->pipeline, &snapshot);
        } while (snapshot.n_stored < i && tb_clock_mono_ns() < limit_ns);
        assert_int_equal(snapshot.n_stored, i);
    }
    /* A file goes when a look finds nothing more in it, which what was stored does not wait for. */
    uint64_t limit_ns = tb_clock_mono_ns() + 20ULL * TB_NS_PER_S;
    while (files_in("spool/in") > 0 && tb_clock_mono_ns() < limit_ns)
        (void)poll(NULL, 0, 2);
    assert_int_equal(write(stop_fd, &one, sizeof(one)), sizeof(one));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(files_in("spool/in"), 0);
    close(stop_fd);
}

static void more_than_one_batch_arrives_whole(void **state)
{
    enum { MANY = 3 * TB_PIPELINE_BATCH + 7 };
    struct fixture *f = *state;
    static char texts[MANY][160];
    static const char *items[MANY];
    struct tb_store_counts counts;
    for (int i = 0; i < MANY; i++) {
        snprintf(texts[i], sizeof(texts[i]),
                 "{\"data\":{\"uuid\":\"u-%d\",\"body\":{\"message\":{\"body\":\"m\"}}}}", i);
        items[i] = texts[i];
    }
    spool_items(f, items, MANY);
    assert_int_equal(tb_pipeline_batch(f->pipeline), TB_PIPELINE_BATCH);
    drain(f);
    assert_int_equal(tb_store_counts(f->store, &counts), 0);
    assert_int_equal(counts.occurrences, MANY);
    assert_int_equal(counts.items, 1);
}

int main(int argc, char **argv)
{
    if (is_symbolizer(argc, argv))
        return tb_symbol_worker(TB_SYMBOL_FD);
    const struct CMUnitTest tests[] = {
        TEST(the_thread_takes_what_comes_until_it_is_stopped),
        TEST(more_than_one_batch_arrives_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
