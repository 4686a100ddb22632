/* test_pipeline_symbols.c - a symbolizer that dies or hangs, and what it may read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/socket.h>

#include "pipeline_world.h"

/* Makes uid the owner of every segment that is there. */
static void give_segments(struct fixture *f, uid_t uid)
{
    int fd = dup(f->in_fd);
    int listed = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fdopendir(listed);
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (strstr(entry->d_name, ".seg") != NULL)
            assert_int_equal(fchownat(fd, entry->d_name, uid, (gid_t)-1, 0), 0);
    }
    closedir(folder);
    close(fd);
}

static void a_dead_symbolizer_costs_names_only(void **state)
{
    struct fixture *f = *state;
    struct found found;
    close_pipeline(f);
    open_pipeline(f, "/bin/false");
    spool_crash(f);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    occurrences(f, &found);
    assert_int_equal(found.n, 1);
    assert_non_null(strstr(found.data, "\"module_offset\":\"0x1234\""));
    assert_non_null(strstr(found.data, "not symbolized: the symbolizer failed"));
}

/* A symbolizer that dies over threads, or hangs. */
static int be_allergic(int hangs)
{
    static const char json[] = "{\"frames\":[{\"filename\":\"q.c\",\"method\":\"named\"}]}";
    uint8_t head[TB_SYMBOL_HEADER_BYTES];
    static uint8_t data[64 << 10];
    while (recv(TB_SYMBOL_FD, head, sizeof(head), MSG_WAITALL) == sizeof(head)) {
        struct tb_crash crash;
        size_t process_len = tb_get32(head + 8);
        size_t body_len = tb_get32(head + 12);
        size_t len = 0;
        if (process_len + body_len > sizeof(data) ||
            recv(TB_SYMBOL_FD, data, process_len + body_len, MSG_WAITALL) < 0)
            return 1;
        if (tb_get32(head + 4) == TB_SYMBOL_CRASH) {
            if (tb_crash_unpack(data + process_len, body_len, &crash) != 0)
                return 1;
            size_t n_threads = crash.n_threads;
            tb_crash_done(&crash);
            while (hangs && n_threads > 0)
                pause();
            if (n_threads > 0)
                return 1;
            len = sizeof(json) - 1;
        }
        tb_put32(head, 0);
        tb_put32(head + 4, (uint32_t)len);
        if (tb_fd_write_all(TB_SYMBOL_FD, head, 8) != 0 ||
            tb_fd_write_all(TB_SYMBOL_FD, json, len) != 0)
            return 1;
    }
    return 0;
}

static const char *put_allergic(const char *mode)
{
    char self[512] = "";
    char script[700];
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    snprintf(script, sizeof(script), "#!/bin/sh\nexec '%s' %s\n", self, mode);
    const char *worker = put_file("allergic", script);
    assert_int_equal(chmod(worker, 0700), 0);
    return worker;
}

static void threads_that_kill_the_symbolizer_cost_the_crash_no_names(void **state)
{
    struct fixture *f = *state;
    struct found found;
    const char *worker = put_allergic("--allergic");
    close_pipeline(f);
    open_pipeline(f, worker);
    spool_crash_with(f, 3);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    occurrences(f, &found);
    assert_int_equal(found.n, 1);
    assert_non_null(strstr(found.data, "\"method\":\"named\""));
    assert_null(strstr(found.data, "not symbolized"));
    assert_non_null(strstr(found.data, "\"tids\":[100,101,102]"));
}

struct notes {
    int n_hung, n_spared;
};

static int count_notes(void *arg, const struct tb_occurrence_row *row)
{
    struct notes *notes = arg;
    notes->n_hung += memmem(row->data, row->data_len, "did not answer in time", 22) != NULL;
    notes->n_spared += memmem(row->data, row->data_len, "symbols.user_budget_ms", 22) != NULL;
    return 0;
}

static void who_makes_the_symbolizer_hang_is_asked_for_no_more(void **state)
{
    struct fixture *f = *state;
    const char *hang = put_file("hang", "#!/bin/sh\nexec sleep 1000\n");
    struct found found;
    assert_int_equal(chmod(hang, 0700), 0);
    close_pipeline(f);
    f->deadline_ms = 100;
    f->config.user_budget_ms = 150;
    open_pipeline(f, hang);
    for (int i = 0; i < 3; i++) {
        spool_crash(f);
        assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
        occurrences(f, &found);
        assert_int_equal(found.n, i + 1);
    }
    struct notes notes = {0};
    const struct tb_occurrence_filter filter = {.max = 10};
    assert_int_equal(tb_store_occurrences(f->store, &filter, count_notes, &notes), 0);
    assert_int_equal(notes.n_hung + notes.n_spared, 3);
    assert_true(notes.n_hung >= 1 && notes.n_spared >= 1); /* 2 and 1 where the machine has time */
}

static void threads_that_make_it_hang_cost_their_user_time_too(void **state)
{
    struct fixture *f = *state;
    struct found found;
    const char *worker = put_allergic("--allergic-hang");
    close_pipeline(f);
    f->deadline_ms = 500;
    f->config.user_budget_ms = 750; /* less than two deadlines */
    open_pipeline(f, worker);
    for (int i = 0; i < 3; i++) {
        spool_crash_with(f, 3);
        assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
        occurrences(f, &found);
        assert_int_equal(found.n, i + 1);
    }
    struct notes notes = {0};
    const struct tb_occurrence_filter filter = {.max = 10};
    assert_int_equal(tb_store_occurrences(f->store, &filter, count_notes, &notes), 0);
    assert_in_range(notes.n_spared, 1, 2); /* 1 where the machine has time */
}

/* The record says uid 0; the file belongs to nobody. Only the file's owner counts. */
static void a_reporter_reads_no_more_by_claiming_to_be_root(void **state)
{
    enum { NOBODY = 65534 };
    struct fixture *f = *state;
    struct found found;
    char path[256];
    struct tb_buf program;
    if (geteuid() != 0)
        skip(); /* only root can give a file away */
    snprintf(path, sizeof(path), "%s", in_folder("program"));
    tb_buf_init(&program, 64 << 20);
    assert_int_equal(tb_fd_slurp(AT_FDCWD, "/proc/self/exe", &program), 0);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    assert_int_equal(tb_fd_write_all(fd, program.data, program.len), 0);
    tb_fd_close(&fd);
    tb_buf_done(&program);
    module_path = path;
    for (int owner = 0; owner <= NOBODY; owner += NOBODY) {
        spool_report(f, owner == 0 ? "by root" : "by nobody");
        give_segments(f, (uid_t)owner);
        drain(f);
        occurrences(f, &found);
        int is_unreadable = strstr(found.data, "\"symbols\":\"unreadable\"") != NULL;
        assert_int_equal(is_unreadable, owner == NOBODY);
    }
    module_path = "/nowhere/feedd";
}

int main(int argc, char **argv)
{
    if (is_symbolizer(argc, argv))
        return tb_symbol_worker(TB_SYMBOL_FD);
    if (argc > 1 && strcmp(argv[1], "--allergic") == 0)
        return be_allergic(0);
    if (argc > 1 && strcmp(argv[1], "--allergic-hang") == 0)
        return be_allergic(1);
    const struct CMUnitTest tests[] = {
        TEST(a_dead_symbolizer_costs_names_only),
        TEST(threads_that_kill_the_symbolizer_cost_the_crash_no_names),
        TEST(threads_that_make_it_hang_cost_their_user_time_too),
        TEST(who_makes_the_symbolizer_hang_is_asked_for_no_more),
        TEST(a_reporter_reads_no_more_by_claiming_to_be_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
