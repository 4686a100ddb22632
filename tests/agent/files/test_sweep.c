/* Files are read no faster than the spool can take them, and nothing is passed over meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <openssl/evp.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../support/folder.h"
#include "agent/files/sweep.h"
#include "item/doc.h"
#include "spool/reader.h"

enum { N_LINES = 6000, LINE_BYTES = 2000, SWEEPS_MAX = 200, QUARTER_BYTES = 4 << 20 };

static struct tb_spool *spool;
static struct tb_sweep *sweep;
static struct tb_config config;
static char *paths[1];
static struct tb_config_log logs[1];
static char nothing[] = "";
static char test_environment[] = "test";
static char seen[N_LINES];

/* In place of OpenSSL's, which a line without a uuid comes to: a fault that a line leads to. */
int EVP_DigestUpdate(EVP_MD_CTX *hash, const void *data, size_t len)
{
    int (*real)(EVP_MD_CTX *, const void *, size_t);
    if (memmem(data, len, "deadly", 6) != NULL)
        (void)raise(SIGKILL);
    *(void **)&real = dlsym(RTLD_NEXT, "EVP_DigestUpdate");
    return real(hash, data, len);
}

static void open_sweep(void)
{
    char why[TB_SPOOL_WHY];
    sweep = calloc(1, sizeof(*sweep));
    assert_non_null(sweep);
    assert_int_equal(tb_sweep_open(&config, sweep, why), 0);
}

static void close_sweep(void)
{
    tb_sweep_close(sweep);
    free(sweep);
    sweep = NULL;
}

static int begin(void **state)
{
    char why[TB_SPOOL_WHY];
    if (make_test_folder(state) != 0 || mkdir(in_folder("state"), 0700) != 0 ||
        mkdir(in_folder("logs"), 0700) != 0 ||
        tb_spool_open(in_folder("spool"), TB_SPOOL_CREATE, &spool, why) != 0)
        return -1;
    memset(&config, 0, sizeof(config));
    config.spool = strdup(in_folder("spool"));
    config.state_dir = strdup(in_folder("state"));
    config.environment = test_environment;
    config.max_bytes = 1 << 20; /* 16 MiB it may always have */
    config.max_percent = 100;
    paths[0] = strdup(in_folder("logs"));
    config.rollbar_files = paths;
    config.n_rollbar_files = 1;
    memset(seen, 0, sizeof(seen));
    open_sweep();
    return 0;
}

static int end(void **state)
{
    close_sweep();
    tb_spool_close(spool);
    free(config.spool);
    free(config.state_dir);
    free(paths[0]);
    return remove_test_folder(state);
}

/* Lines whose numbers are their messages. */
static void put_lines(const char *name, int from, int to)
{
    char fill[LINE_BYTES];
    FILE *file = fopen(in_folder(name), "a");
    assert_non_null(file);
    memset(fill, 'x', sizeof(fill));
    fill[sizeof(fill) - 1] = '\0';
    for (int i = from; i < to; i++)
        fprintf(file,
                "{\"data\":{\"environment\":\"e\",\"body\":{\"message\":{\"body\":\"%d\"}},"
                "\"custom\":{\"fill\":\"%s\"}}}\n",
                i, fill);
    assert_int_equal(fclose(file), 0);
}

/* As the pipeline does: how many records there were. */
static int work_off(void)
{
    struct tb_spool_record record;
    int n = 0;
    for (; tb_spool_next(spool, &record) == 0; n++) {
        struct tb_doc *doc;
        char why[TB_DOC_WHY];
        char text[32];
        assert_int_equal(tb_doc_new((const char *)record.data, record.len, &doc, why), 0);
        assert_true(
            tb_doc_copy(doc, tb_doc_find(doc, 0, "data.body.message.body"), text, sizeof(text)));
        long number = strtol(text, NULL, 10);
        assert_in_range(number, 0, N_LINES - 1);
        seen[number]++;
        tb_doc_free(doc);
        tb_spool_ack(spool, record.file_id, record.off8, TB_ACK_STORED);
    }
    assert_int_equal(tb_spool_flush(spool), 0);
    (void)tb_spool_collect(spool);
    return n;
}

static void expect_each_once(int n)
{
    for (int i = 0; i < n; i++)
        if (seen[i] != 1)
            fail_msg("line %d arrived %d times", i, seen[i]);
}

static void a_file_larger_than_the_spool_waits_where_it_is(void **state)
{
    int n_waits = 0;
    int n_taken = 0;
    (void)state;
    put_lines("logs/big.rollbar", 0, N_LINES);
    for (int i = 0; i < SWEEPS_MAX && n_taken < N_LINES; i++) {
        int got = tb_sweep_run(sweep);
        if (got == 1)
            continue;
        if (got == -EXFULL) {
            n_waits++;
            assert_int_not_equal(sweep->counts.trouble[0], '\0');
            assert_true(sweep->counts.behind_bytes > 0);
            assert_int_equal(tb_sweep_run(sweep), -EXFULL); /* nothing has changed */
        }
        int n = work_off();
        assert_true((size_t)n * LINE_BYTES <= 4 * QUARTER_BYTES);
        n_taken += n;
    }
    assert_true(n_waits > 0);
    assert_int_equal(n_taken, N_LINES);
    expect_each_once(N_LINES);
}

static void a_spool_that_cannot_be_written_stops_the_reading_and_loses_nothing(void **state)
{
    struct rlimit before;
    struct rlimit small;
    (void)state;
    (void)sigaction(SIGXFSZ, &(const struct sigaction){.sa_handler = SIG_IGN}, NULL);
    put_lines("logs/a.rollbar", 0, 10);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 2048;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int got = tb_sweep_run(sweep);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(got < 0);
    assert_int_equal(sweep->counts.lines, 0);
    assert_int_equal(sweep->counts.rejected, 0);
    assert_int_equal(tb_sweep_run(sweep), 0);
    assert_int_equal(sweep->counts.trouble[0], '\0');
    assert_int_equal(work_off(), 10);
    expect_each_once(10);
}

static void a_place_that_was_not_kept_gives_the_same_uuids_again(void **state)
{
    struct tb_spool_record record;
    char uuids[2][5][16];
    (void)state;
    put_lines("logs/a.rollbar", 0, 1);
    assert_int_equal(tb_sweep_run(sweep), 0);
    assert_int_equal(tb_sweep_keep(sweep), 0); /* the file's number and the place behind line 0 */
    put_lines("logs/a.rollbar", 1, 5);
    assert_int_equal(tb_spool_next(spool, &record), 0);
    for (int round = 0; round < 2; round++) {
        /* What was kept is as it was, and so it is after kill -9. */
        assert_int_equal(tb_sweep_run(sweep), 0);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(tb_spool_next(spool, &record), 0);
            memcpy(uuids[round][i], record.uuid, 16);
        }
        assert_int_equal(tb_spool_next(spool, &record), -EAGAIN);
        sweep->is_changed = false; /* it died before it could keep it */
        close_sweep();
        open_sweep();
    }
    assert_memory_equal(uuids[0], uuids[1], sizeof(uuids[0][0]) * 4);
}

/* Files of which the table is full, but for n; that are there, or have gone. */
static void fill_table(int n, bool are_there)
{
    for (uint64_t i = 0; i + (uint64_t)n < TB_PLACES_MAX; i++) {
        struct tb_tail *tail = tb_table_find(&sweep->table, UINT64_MAX, i);
        if (tail == NULL)
            tail = tb_table_add(&sweep->table, UINT64_MAX, i, "/other");
        assert_non_null(tail);
        tail->sweep = are_there ? UINT_MAX - 1 : 0;
    }
}

static void more_files_than_the_table_holds_wait(void **state)
{
    char name[64];
    (void)state;
    fill_table(2, true);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "logs/%d.rollbar", i);
        put_lines(name, i, i + 1);
    }
    assert_int_equal(tb_sweep_run(sweep), 0);
    assert_int_equal(work_off(), 2);
    assert_int_equal(tb_sweep_run(sweep), 0);
    fill_table(2, false); /* files that go make room for those that wait */
    assert_int_equal(tb_sweep_run(sweep), 0);
    assert_int_equal(work_off(), 3);
    expect_each_once(5);
}

/* Files with work that never ends, and files that were linked while they were open, take no place
 * from others. */
static void files_that_are_never_done_do_not_starve_others(void **state)
{
    char name[64];
    char link_name[64];
    int n = 0;
    (void)state;
    for (int i = 0; i < TB_SWEEP_OPEN; i++) {
        snprintf(name, sizeof(name), "logs/%d.rollbar", i);
        put_lines(name, 0, 1);
    }
    assert_int_equal(tb_sweep_run(sweep), 0);
    assert_int_equal(sweep->n_open, TB_SWEEP_OPEN);
    for (int i = 0; i < TB_SWEEP_OPEN; i++) { /* half are linked, half get more than one budget */
        snprintf(name, sizeof(name), "logs/%d.rollbar", i);
        snprintf(link_name, sizeof(link_name), "%d.other", i);
        if (i % 2 == 0)
            assert_int_equal(link(in_folder(name), in_folder(link_name)), 0);
        FILE *file = fopen(in_folder(name), "a");
        assert_non_null(file);
        for (int k = 0; k < (i % 2 == 0 ? 1 : 6); k++) /* an endless line */
            assert_int_equal(fprintf(file, "%01048576d", 0), 1 << 20);
        assert_int_equal(fclose(file), 0);
    }
    put_lines("logs/late-a.rollbar", 1, 2);
    put_lines("logs/late-b.rollbar", 2, 3);
    for (int i = 0; i < 4; i++) {
        (void)tb_sweep_run(sweep);
        assert_true(sweep->n_open <= TB_SWEEP_OPEN);
    }
    (void)work_off();
    for (size_t i = 0; i < TB_TABLE_BUCKETS; i++)
        for (const struct tb_tail *t = sweep->table.buckets[i]; t != NULL; t = t->next)
            n += t->fd >= 0;
    assert_int_equal(n, sweep->n_open);
    assert_int_equal(seen[1], 1);
    assert_int_equal(seen[2], 1);
}

static void a_message_of_a_log_is_sent_once_also_when_it_is_read_twice(void **state)
{
    struct tb_spool_record record;
    (void)state;
    close_sweep();
    config.n_rollbar_files = 0;
    logs[0] = (struct tb_config_log){.path = strdup(in_folder("logs")),
                                     .pattern = strdup("^E (?<message>.*)"),
                                     .level = nothing,
                                     .service = nothing,
                                     .environment = nothing,
                                     .framework = nothing};
    config.logs = logs;
    config.n_logs = 1;
    open_sweep();
    assert_int_equal(tb_sweep_run(sweep), 0); /* from now on logs are new */
    put_file("logs/a.log", "E 1\n one\n two\nE 2\n");
    assert_int_equal(tb_sweep_run(sweep), 0);
    assert_true(sweep->waits);
    assert_int_equal(tb_spool_next(spool, &record), 0);
    assert_int_equal(tb_spool_next(spool, &record), -EAGAIN); /* "E 2" may get lines yet */
    FILE *file = fopen(in_folder("logs/a.log"), "a");
    assert_non_null(file);
    fputs(" its line\nE 3\n", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(tb_sweep_run(sweep), 0);
    assert_int_equal(tb_spool_next(spool, &record), 0);
    assert_non_null(memmem(record.data, record.len, "2\\n its line", 11));
    assert_int_equal(tb_spool_next(spool, &record), -EAGAIN);
    close_sweep();
    free(logs[0].path);
    free(logs[0].pattern);
    config.n_logs = 0;
    config.n_rollbar_files = 1;
    open_sweep();
}

/* As an agent does that is started again; was it killed? */
static bool dies_in_a_sweep(void)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        open_sweep();
        (void)tb_sweep_run(sweep);
        (void)tb_sweep_keep(sweep);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status);
}

static void a_line_over_which_the_agent_dies_is_put_aside_after_three_deaths(void **state)
{
    (void)state;
    close_sweep();
    put_lines("logs/a.rollbar", 0, 2);
    FILE *file = fopen(in_folder("logs/a.rollbar"), "a");
    assert_non_null(file);
    fputs("{\"data\":{\"body\":{\"message\":{\"body\":\"deadly\"}}}}\n", file);
    assert_int_equal(fclose(file), 0);
    put_lines("logs/a.rollbar", 2, 4);
    for (int i = 0; i < 3; i++)
        assert_true(dies_in_a_sweep());
    open_sweep();
    assert_int_equal(tb_sweep_run(sweep), 0);
    assert_int_equal(sweep->counts.rejected, 1);
    (void)work_off();
    for (int i = 2; i < 4; i++) /* 0 and 1 came with each death, under the same uuids */
        assert_int_equal(seen[i], 1);
    assert_int_equal(access(in_folder("state/files/rejected.jsonl"), F_OK), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_larger_than_the_spool_waits_where_it_is),
        TEST(a_spool_that_cannot_be_written_stops_the_reading_and_loses_nothing),
        TEST(a_place_that_was_not_kept_gives_the_same_uuids_again),
        TEST(more_files_than_the_table_holds_wait),
        TEST(files_that_are_never_done_do_not_starve_others),
        TEST(a_line_over_which_the_agent_dies_is_put_aside_after_three_deaths),
        TEST(a_message_of_a_log_is_sent_once_also_when_it_is_read_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
