/* Reports, made by this program into a spool of its own. */
#include "rig.h"

/* Formats that no compiler can check are what some of these tests are about. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "capture/lib.h"
#include "capture/modules/modules.h"
#include "capture/report/site.h"
#include "capture/modules/unload.h"
#include "towbar/towbar.h"

static int setup(void **state)
{
    if (rig_setup(state) != 0)
        return -1;
    struct rig *rig = *state;
    return towbar_init(TOWBAR_OPTIONS(.spool = rig->spool, .no_crash_handler = 1));
}

static int teardown(void **state)
{
    towbar_shutdown();
    return rig_teardown(state);
}

static void perror_names_errno_and_keeps_it(void **state)
{
    errno = ENOENT;
    assert_int_equal(towbar_perror("open %s", "/x"), 0);
    assert_int_equal(errno, ENOENT);
    const struct rig_record *record = rig_only(*state, TB_KIND_NATIVE);
    assert_int_equal(record->class_, TB_CLASS_ERROR);
    rig_assert_has(record->data, "\"class\":\"ENOENT\"");
    rig_assert_has(record->data, "\"message\":\"open /x: No such file or directory\"");
    rig_assert_has(record->data, "\"format\":\"open %s\"");
    rig_assert_has(record->data, "\"file\":\"tests/capture/report/test_report.c\"");
    rig_assert_has(record->data, "\"function\":\"perror_names_errno_and_keeps_it\"");
    rig_assert_has(record->data, "\"errno\":{\"number\":2,\"name\":\"ENOENT\"}");
}

static void level_decides_class(void **state)
{
    static const struct {
        enum towbar_level level;
        const char *name;
        int class_;
    } rows[] = {{TOWBAR_CRITICAL, "critical", 0}, {TOWBAR_ERROR, "error", 1},
                {TOWBAR_WARNING, "warning", 2},   {TOWBAR_INFO, "info", 3},
                {TOWBAR_DEBUG, "debug", 3},       {(enum towbar_level)77, "error", 1}};
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(towbar_report(rows[i].level, "row %zu", i), 0);
    assert_int_equal(rig_read(rig), 6);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char message[32];
        char class_[32];
        size_t found = 0;
        snprintf(message, sizeof(message), "\"row %zu\"", i);
        snprintf(class_, sizeof(class_), "\"class\":\"%s\"", rows[i].name);
        for (size_t k = 0; k < rig->n_records; k++) {
            if (!strstr(rig->records[k].data, message))
                continue;
            found++;
            assert_int_equal(rig->records[k].class_, rows[i].class_);
            rig_assert_has(rig->records[k].data, class_);
        }
        assert_int_equal(found, 1);
    }
}

static uint64_t last_address(const char *json)
{
    const char *at = json;
    const char *last = NULL;
    while ((at = strstr(at, "\"address\":\"")))
        last = at += strlen("\"address\":\"");
    assert_non_null(last);
    return strtoull(last, NULL, 16);
}

__attribute__((noinline, aligned(1024))) static int report_here(void)
{
    int err = towbar_error("from here");
    return err + 0 * errno;
}

static void innermost_frame_is_the_caller(void **state)
{
    assert_int_equal(report_here(), 0);
    const struct rig_record *record = rig_only(*state, TB_KIND_NATIVE);
    uint64_t address = last_address(record->data);
    assert_in_range(address, (uint64_t)(uintptr_t)report_here,
                    (uint64_t)(uintptr_t)report_here + 1024);
    size_t n = 0;
    for (const char *at = record->data; (at = strstr(at, "\"address\"")); at++)
        n++;
    assert_true(n >= 6); /* cmocka's and the C library's */
    const struct tb_module *module = tb_process_module(&record->process, address);
    assert_non_null(module);
    assert_true(module->flags & TB_MODULE_MAIN);
}

static void message_too_long_is_cut_between_characters(void **state)
{
    char text[6001];
    for (size_t i = 0; i < 6000; i += 2)
        memcpy(text + i, "\xc3\xa9", 2); /* e with acute */
    text[6000] = '\0';
    assert_int_equal(towbar_error("a%s", text), 0);
    const struct rig_record *record = rig_only(*state, TB_KIND_NATIVE);
    const char *at = strstr(record->data, "\"message\":\"a\xc3\xa9");
    assert_non_null(at);
    at += strlen("\"message\":\"");
    size_t len = strcspn(at, "\"");
    assert_true(len > 4000 && len <= 4096);
    assert_null(strstr(record->data, "\xef\xbf\xbd")); /* no replaced half */
}

static void error_text_survives_a_message_too_long(void **state)
{
    char text[6001];
    memset(text, 'x', 6000);
    text[6000] = '\0';
    errno = EACCES;
    assert_int_equal(towbar_perror("%s", text), 0);
    rig_assert_has(rig_only(*state, TB_KIND_NATIVE)->data, "xxx: Permission denied\"");
}

static void unknown_errno_and_percent_m_are_no_trouble(void **state)
{
    struct rig *rig = *state;
    const char *volatile with_m = "said: %m"; /* of glibc, not of ISO C */
    assert_int_equal(towbar_report_at(TOWBAR_HERE, TOWBAR_ERROR, 4242, "odd"), 0);
    errno = EPIPE;
    assert_int_equal(towbar_report_at(TOWBAR_HERE, TOWBAR_ERROR, -ENOMEM, with_m, 0), 0);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(rig_read(rig), 2);
    rig_assert_has(rig->records[0].data, "\"message\":\"odd: error 4242\"");
    rig_assert_has(rig->records[1].data, "\"said: Broken pipe: Cannot allocate memory\"");
    rig_assert_has(rig->records[1].data, "\"class\":\"ENOMEM\"");
}

static int call_vreport(const struct towbar_site *site, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int call_vreport(const struct towbar_site *site, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int err = towbar_vreport_at(site, TOWBAR_WARNING, 0, format, args);
    va_end(args);
    return err;
}

static void null_is_taken_everywhere(void **state)
{
    struct rig *rig = *state;
    const char *volatile none = NULL; /* the compiler would warn, rightly */
    assert_int_equal(towbar_report_at(NULL, TOWBAR_ERROR, 0, none, 1), 0);
    assert_int_equal(towbar_perror_at(NULL, none, 1), 0);
    assert_int_equal(call_vreport(NULL, "%s", "text"), 0);
    assert_int_equal(rig_read(rig), 3);
}

static void report_carries_trace_scope_and_notes(void **state)
{
    TOWBAR_TRACE("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1");
    TOWBAR_SCOPE("device", "%s", "d-9");
    towbar_note(TOWBAR_WARNING, "a note of %d", 9);
    assert_int_equal(towbar_error("with all"), 0);
    const struct rig_record *record = rig_only(*state, TB_KIND_NATIVE);
    rig_assert_has(record->data,
                   "{\"key\":\"trace_id\",\"value\":\"5759e988bd862e3fe1be46a994272793\"}");
    rig_assert_has(record->data, "\"xray_trace_id\":\"1-5759e988-bd862e3fe1be46a994272793\"");
    rig_assert_has(record->data, "\"scope\":{\"device\":\"d-9\"}");
    rig_assert_has(record->data, "\"a note of 9\"");
}

static void call_site_is_limited_and_says_how_many_it_held_back(void **state)
{
    struct rig *rig = *state;
    const struct towbar_site site = {"limited.c", 7, "f"};
    int n_taken = 0;
    int n_held = 0;
    for (int i = 0; i < 25; i++) {
        int err = towbar_report_at(&site, TOWBAR_ERROR, 0, "again");
        n_taken += err == 0;
        n_held += err == -EAGAIN;
    }
    assert_int_equal(n_taken, 10);
    assert_int_equal(n_held, 15);
    /* Another site is not held back with it. */
    assert_int_equal(towbar_error("another"), 0);
    /* A minute later, as far as this site knows. */
    atomic_store(&tb_site_find(&site, "again")->empty_ns, 0);
    assert_int_equal(towbar_report_at(&site, TOWBAR_ERROR, 0, "later"), 0);
    assert_int_equal(rig_read(rig), 12);
    size_t n_told = 0;
    for (size_t i = 0; i < rig->n_records; i++)
        n_told += strstr(rig->records[i].data, "\"suppressed\":15") != NULL;
    assert_int_equal(n_told, 1);
}

static void report_that_cannot_be_kept_is_counted_and_told(void **state)
{
    struct rig *rig = *state;
    struct rlimit before;
    struct rlimit small = {200, 0};
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    int first = towbar_error("lost");
    int second = towbar_error("lost too");
    const char *status = towbar_status();
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(first, -EFBIG);
    assert_int_equal(second, -EFBIG);
    rig_assert_has(status, "2 reports could not be kept: File too large");
    assert_int_equal(towbar_error("kept"), 0);
    const struct rig_record *record = rig_only(rig, TB_KIND_DROPCOUNT);
    assert_string_equal(record->data, "{\"class\":1,\"count\":2,\"reason\":\"EFBIG\"}");
    assert_null(strstr(towbar_status(), "could not be kept"));
}

static void *report_fifteen(void *arg)
{
    const int *first_line = arg;
    for (int i = 0; i < 15; i++) {
        struct towbar_site site = {"threads.c", *first_line + i, "f"};
        if (towbar_report_at(&site, TOWBAR_ERROR, 0, "from a thread") != 0)
            return arg;
    }
    return NULL;
}

static void threads_report_side_by_side(void **state)
{
    enum { N = 4 };
    struct rig *rig = *state;
    pthread_t threads[N];
    int lines[N];
    for (int i = 0; i < N; i++) {
        lines[i] = 100 * i;
        assert_int_equal(pthread_create(&threads[i], NULL, report_fifteen, &lines[i]), 0);
    }
    for (int i = 0; i < N; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(rig_read(rig), 60);
    for (size_t i = 0; i < rig->n_records; i++)
        rig_assert_has(rig->records[i].data, "\"from a thread\"");
}

static void folder_closed_by_the_host_is_opened_again(void **state)
{
    struct rig *rig = *state;
    close(tb_lib.dirfd);
    assert_int_equal(towbar_error("after all was closed"), 0);
    rig_assert_has(rig_only(rig, TB_KIND_NATIVE)->data, "after all was closed");
}

static void signal_handler_may_report(void **state)
{
    struct rig *rig = *state;
    snprintf(rig->spool, sizeof(rig->spool), "%s/spool-2", rig->folder);
    rig_run(rig, "handler-reports");
    assert_int_equal(rig->status, 0);
    const struct rig_record *record = rig_only(rig, TB_KIND_NATIVE);
    rig_assert_has(record->data, "\"from a signal handler\"");
    assert_int_equal(rig->stats.n_vanished, 0);
}

static void second_report_of_a_thread_does_not_allocate(void **state)
{
    struct rig *rig = *state;
    snprintf(rig->spool, sizeof(rig->spool), "%s/spool-2", rig->folder);
    rig_run(rig, "no-malloc-report");
    if (rig->status != 0)
        fail_msg("%#x %s%s", rig->status, rig->out, rig->err);
    assert_int_equal(rig_read(rig), 7);
}

/* Each left its work claimed, and there are eight. */
static void reports_left_by_siglongjmp_do_not_use_up_the_room(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "leaves-reports");
    assert_int_equal(rig_said(rig, "result", 10), 0);
    assert_non_null(strstr(rig_only(rig, TB_KIND_NATIVE)->data, "\"after all\""));
}

/* Two that share a work would both be written with the text of one. */
static void reports_suspended_in_coroutines_are_never_mixed(void **state)
{
    enum { ROOM = 8 };
    struct rig *rig = *state;
    char text[32];
    rig_run(rig, "coroutines-report");
    assert_int_equal(rig_said(rig, "result", 10), ROOM);
    assert_int_equal(rig_said(rig, "plain", 10), EAGAIN);
    rig_read(rig);
    for (int i = 0; i < ROOM; i++) {
        size_t n = 0;
        snprintf(text, sizeof(text), "\" of coroutine %d\"", i);
        for (size_t k = 0; k < rig->n_records; k++)
            n += strstr(rig->records[k].data, text) != NULL;
        if (n != 1)
            fail_msg("%zu reports say%s", n, text);
    }
}

/* What a handler leaves that interrupted the storing of a module table. */
static void module_table_is_stored_after_one_who_left_in_the_middle(void **state)
{
    (void)state;
    assert_int_equal(towbar_error("stores nothing new"), 0);
    uint64_t before = atomic_load(&tb_lib.stored);
    assert_int_not_equal(before, 0);
    assert_int_equal(tb_modules_extend(&tb_lib.about, NULL, NULL, 0, tb_unload_mark()), 0);
    atomic_store(&tb_lib.storing, tb_clock_mono_ns());
    assert_int_equal(towbar_error("beside one who stores"), 0);
    assert_int_equal(atomic_load(&tb_lib.stored), before);
    atomic_store(&tb_lib.storing, 1); /* long ago */
    assert_int_equal(towbar_error("after one who left"), 0);
    assert_true(atomic_load(&tb_lib.stored) > before);
    assert_int_equal(atomic_load(&tb_lib.storing), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(perror_names_errno_and_keeps_it),
        CASE(level_decides_class),
        CASE(innermost_frame_is_the_caller),
        CASE(message_too_long_is_cut_between_characters),
        CASE(error_text_survives_a_message_too_long),
        CASE(unknown_errno_and_percent_m_are_no_trouble),
        CASE(null_is_taken_everywhere),
        CASE(report_carries_trace_scope_and_notes),
        CASE(call_site_is_limited_and_says_how_many_it_held_back),
        CASE(report_that_cannot_be_kept_is_counted_and_told),
        CASE(threads_report_side_by_side),
        CASE(folder_closed_by_the_host_is_opened_again),
        CASE(signal_handler_may_report),
        CASE(reports_left_by_siglongjmp_do_not_use_up_the_room),
        CASE(reports_suspended_in_coroutines_are_never_mixed),
        CASE(module_table_is_stored_after_one_who_left_in_the_middle),
        CASE(second_report_of_a_thread_does_not_allocate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
