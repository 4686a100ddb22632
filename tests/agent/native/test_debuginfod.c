/* test_debuginfod.c - which servers are asked for what, how often, and what becomes of the answers.
 * The clock is real, with what a test adds to it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent/log.h"
#include "agent/native/debuginfod.h"
#include "agent/native/debuginfod_memory.h"
#include "base/clock.h"
#include "../http_server.h"
#include "../support/folder.h"

#define BODY "\177ELF whatever"

enum { SERVERS = 2, UID = 1000, TIMEOUT_MS = 5000, CACHE_BYTES = 1 << 20 };

/* ---- the clock ---- */

static _Atomic uint64_t added_ns;

uint64_t __real_tb_clock_mono_ns(void);
uint64_t __wrap_tb_clock_mono_ns(void);
uint64_t __wrap_tb_clock_mono_ns(void)
{
    return __real_tb_clock_mono_ns() + added_ns;
}

static void let_pass(unsigned seconds)
{
    added_ns += (uint64_t)seconds * TB_NS_PER_S;
}

/* ---- the world ---- */

static struct http_server *servers[SERVERS];
static struct http_answer answers[SERVERS]; /* what each says */
static struct tb_debuginfod *debuginfod;
static char urls[SERVERS][64];
static char *url_list[SERVERS] = {urls[0], urls[1]};

static _Atomic unsigned takes_s; /* each answer */

static struct http_answer answer_of(void *arg, const struct http_request *request)
{
    (void)request;
    let_pass(takes_s);
    return *(struct http_answer *)arg;
}

static void start_with(unsigned timeout_ms, uint64_t cache_bytes, struct tb_symbol_store *indexes)
{
    static char folder[512];
    (void)snprintf(folder, sizeof(folder), "%s", in_folder("debuginfod"));
    const struct tb_debuginfod_options options = {.urls = url_list,
                                                  .n_urls = SERVERS,
                                                  .timeout_ms = timeout_ms,
                                                  .folder = folder,
                                                  .cache_bytes = cache_bytes,
                                                  .indexes = indexes};
    tb_debuginfod_free(debuginfod);
    assert_int_equal(tb_debuginfod_new(&options, &debuginfod), 0);
}

static void start(unsigned timeout_ms, uint64_t cache_bytes)
{
    start_with(timeout_ms, cache_bytes, NULL);
}

static int begin(void **state)
{
    added_ns = 0;
    takes_s = 0;
    debuginfod = NULL;
    if (make_test_folder(state) != 0)
        return -1;
    for (int i = 0; i < SERVERS; i++) {
        answers[i] = (struct http_answer){HTTP_ANSWER, 404, NULL, ""};
        servers[i] = http_server_start(0, answer_of, &answers[i]);
        if (!servers[i])
            return -1;
        (void)snprintf(urls[i], sizeof(urls[i]), "http://127.0.0.1:%d/", servers[i]->port);
    }
    start(TIMEOUT_MS, CACHE_BYTES);
    return 0;
}

static int end(void **state)
{
    tb_debuginfod_free(debuginfod);
    for (int i = 0; i < SERVERS; i++) {
        http_server_stop(servers[i]);
        http_server_free(servers[i]);
    }
    return remove_test_folder(state);
}

static const char *made_up(unsigned n)
{
    static char hex[2][41];
    snprintf(hex[n % 2], sizeof(hex[0]), "%040x", n);
    return hex[n % 2];
}

/* An answer with one frame, in a module with that build id. */
static const char *answer(const char *hex, const char *symbols)
{
    static char text[1024];
    snprintf(text, sizeof(text),
             "{\"frames\":[{\"method\":\"f\",\"build_id\":\"%s\"}],"
             "\"modules\":[{\"name\":\"m\",\"build_id\":\"%s\",\"symbols\":\"%s\"}]}",
             hex, hex, symbols);
    return text;
}

static size_t fetch_for(uid_t uid, const char *hex)
{
    const char *text = answer(hex, "none");
    return tb_debuginfod_fetch(debuginfod, text, strlen(text), uid,
                               tb_debuginfod_deadline(debuginfod));
}

static size_t fetch(const char *hex)
{
    return fetch_for(UID, hex);
}

static void judge(const char *hex, const char *symbols)
{
    const char *text = answer(hex, symbols);
    tb_debuginfod_judge(debuginfod, text, strlen(text));
}

static int is_stored(const char *hex)
{
    char name[128];
    snprintf(name, sizeof(name), "debuginfod/.build-id/%.2s/%s.debug", hex, hex + 2);
    return access(in_folder(name), F_OK) == 0;
}

static void expect_requests(int first, int second)
{
    assert_int_equal(http_server_count(servers[0]), first);
    assert_int_equal(http_server_count(servers[1]), second);
}

/* ---- the tests ---- */

static void file_comes_from_the_first_that_has_it(void **state)
{
    (void)state;
    answers[1] = (struct http_answer){HTTP_ANSWER, 200, NULL, BODY};
    assert_int_equal(fetch(made_up(1)), 1);
    expect_requests(1, 1);
    assert_non_null(strstr(servers[1]->requests[0].head,
                           "GET /buildid/0000000000000000000000000000000000000001/debuginfo HTTP"));
    judge(made_up(1), "debug");
    assert_true(is_stored(made_up(1)));
    assert_int_equal(tb_debuginfod_counts(debuginfod)->fetched, 1);
    assert_int_equal(fetch(made_up(1)), 0); /* it is there, and does not help this module */
    start(TIMEOUT_MS, CACHE_BYTES);         /* also for the next agent */
    assert_int_equal(fetch(made_up(1)), 0);
    expect_requests(1, 1);
}

static void nobody_is_asked_for_what_has_its_data(void **state)
{
    static const char *const words[] = {"debug", "unreadable", "changed"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const char *text = answer(made_up(1), words[i]);
        assert_int_equal(tb_debuginfod_fetch(debuginfod, text, strlen(text), UID,
                                             tb_debuginfod_deadline(debuginfod)),
                         0);
    }
    assert_int_equal(fetch("../../../../../../../../etc/passwd"), 0);
    expect_requests(0, 0);
}

static void not_found_is_remembered_for_an_hour(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(fetch(made_up(1)), 0);
    expect_requests(1, 1);
    let_pass(TB_DEBUGINFOD_NOT_FOUND_S - 60);
    assert_int_equal(fetch(made_up(1)), 0);
    expect_requests(1, 1);
    let_pass(61);
    assert_int_equal(fetch(made_up(1)), 0);
    expect_requests(2, 2);
    assert_int_equal(tb_debuginfod_counts(debuginfod)->not_found, 2);
    assert_int_equal(tb_debuginfod_counts(debuginfod)->failed, 0);
}

static void server_that_fails_is_left_alone_for_five_minutes(void **state)
{
    static const struct http_answer bad[] = {
        {HTTP_ANSWER, 503, NULL, ""},   {HTTP_ANSWER, 401, NULL, ""},
        {HTTP_ANSWER, 429, NULL, ""},   {HTTP_CLOSE, 0, NULL, NULL},
        {HTTP_RAW, 0, NULL, "no HTTP"}, {HTTP_ANSWER, 302, "Location: file:///etc/passwd\r\n", ""},
    };
    (void)state;
    for (int i = 0; i < 6; i++) {
        answers[0] = bad[i];
        assert_int_equal(fetch(made_up(10 + (unsigned)i)), 0);
        expect_requests(i + 1, 2 * i + 1);
        assert_int_equal(fetch(made_up(20 + (unsigned)i)), 0);
        expect_requests(i + 1, 2 * i + 2);
        let_pass(TB_DEBUGINFOD_NO_ANSWER_S + 1);
    }
    assert_int_equal(tb_debuginfod_counts(debuginfod)->failed, 6);
    answers[0] = (struct http_answer){HTTP_ANSWER, 200, NULL, BODY};
    assert_int_equal(fetch(made_up(10)), 1); /* nobody but the one that failed lacked it */
}

static void record_waits_no_longer_than_it_may(void **state)
{
    (void)state;
    answers[0] = answers[1] = (struct http_answer){HTTP_HANG, 0, NULL, NULL};
    start(200, CACHE_BYTES);
    uint64_t begin_ns = tb_clock_mono_ns();
    assert_int_equal(fetch(made_up(1)), 0);
    uint64_t took_ms = (tb_clock_mono_ns() - begin_ns) / TB_NS_PER_MS;
    assert_in_range(took_ms, 190, 4000);
    expect_requests(1, 0); /* the first took the time of all */
    begin_ns = tb_clock_mono_ns();
    assert_int_equal(fetch(made_up(1)), 0); /* waits for nothing */
    assert_true((tb_clock_mono_ns() - begin_ns) / TB_NS_PER_MS < 190);
    expect_requests(1, 0);
    assert_int_equal(fetch(made_up(2)), 0); /* nor is the first asked for another */
    expect_requests(1, 1);
}

static void all_records_together_wait_so_long_in_a_minute(void **state)
{
    (void)state;
    takes_s = 7;
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(fetch(made_up(i)), 0);
    expect_requests(3, 0);
    takes_s = 0;
    let_pass(60);
    assert_int_equal(fetch(made_up(3)), 0);
    expect_requests(4, 1);
}

static void what_is_no_elf_file_or_too_long_is_not_kept(void **state)
{
    static const struct http_answer bad[] = {
        {HTTP_ANSWER, 200, NULL, "<html>hello</html>"},
        {HTTP_ANSWER, 200, NULL, ""},
        {HTTP_ENDLESS, 200, NULL, BODY},
        {HTTP_FLOOD, 200, NULL, BODY},
        {HTTP_CUT, 200, NULL, BODY},
    };
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        answers[0] = bad[i];
        assert_int_equal(fetch(made_up(i)), 0);
        assert_int_equal(fetch(made_up(i)), 0);
        assert_false(is_stored(made_up(i)));
        /* The server is not the worse for one bad file. */
        expect_requests((int)i + 1, (int)i + 1);
    }
    assert_int_equal(access(in_folder("debuginfod/fetch.tmp"), F_OK), -1);
}

static void what_helps_nothing_goes_for_this_user_for_an_hour(void **state)
{
    (void)state;
    answers[0] = (struct http_answer){HTTP_ANSWER, 200, NULL, BODY};
    assert_int_equal(fetch(made_up(1)), 1);
    assert_true(is_stored(made_up(1)));
    judge(made_up(1), "none");
    assert_false(is_stored(made_up(1)));
    assert_int_equal(fetch(made_up(1)), 0);
    expect_requests(1, 0);
    assert_int_equal(fetch_for(UID + 1, made_up(1)), 1);
    tb_debuginfod_judge(debuginfod, NULL, 0); /* the symbolizer died of it */
    assert_false(is_stored(made_up(1)));
    assert_int_equal(fetch_for(UID + 1, made_up(1)), 0);
    expect_requests(2, 0);
    let_pass(TB_DEBUGINFOD_NOT_FOUND_S + 1);
    assert_int_equal(fetch(made_up(1)), 1);
    judge(made_up(1), "debug");
    assert_true(is_stored(made_up(1)));
}

/* Of the module's own file nothing is known any more when the one of dwz is missing. */
static void file_that_needs_another_one_is_kept(void **state)
{
    char text[512];
    (void)state;
    answers[0] = (struct http_answer){HTTP_ANSWER, 200, NULL, BODY};
    assert_int_equal(fetch(made_up(1)), 1);
    snprintf(text, sizeof(text),
             "{\"frames\":[{\"build_id\":\"%s\"}],\"modules\":[{\"build_id\":\"%s\","
             "\"symbols\":\"symtab\",\"missing\":\"%s\"}]}",
             made_up(1), made_up(1), made_up(2));
    tb_debuginfod_judge(debuginfod, text, strlen(text));
    assert_true(is_stored(made_up(1)));
    assert_int_equal(tb_debuginfod_fetch(debuginfod, text, strlen(text), UID,
                                         tb_debuginfod_deadline(debuginfod)),
                     1);
    assert_true(is_stored(made_up(2)));
    judge(made_up(1), "debug");
    assert_true(is_stored(made_up(1)));
    assert_true(is_stored(made_up(2)));
    expect_requests(2, 0);
}

static void storm_of_made_up_build_ids_is_held_to_so_many_a_minute(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(fetch(made_up(i)), 0);
    expect_requests(TB_DEBUGINFOD_PER_MINUTE, TB_DEBUGINFOD_PER_MINUTE);
    answers[0] = (struct http_answer){HTTP_ANSWER, 200, NULL, BODY};
    assert_int_equal(fetch(made_up(1000)), 0);
    assert_int_equal(fetch_for(UID + 1, made_up(1000)), 1); /* another user is not held up */
    judge(made_up(1000), "debug");
    let_pass(60);
    assert_int_equal(fetch(made_up(1001)), 1);
}

static void files_take_no_more_than_they_may(void **state)
{
    static char body[40 << 10];
    (void)state;
    memset(body, 'x', sizeof(body) - 1);
    memcpy(body, "\177ELF", 4);
    answers[0] = (struct http_answer){HTTP_ANSWER, 200, NULL, body};
    start(TIMEOUT_MS, 100 << 10); /* two of them */
    for (unsigned i = 1; i <= 4; i++) {
        assert_int_equal(fetch(made_up(i)), 1);
        judge(made_up(i), "debug");
    }
    int n = 0;
    for (unsigned i = 1; i <= 4; i++)
        n += is_stored(made_up(i));
    assert_int_equal(n, 2);
    assert_true(is_stored(made_up(4)));
    start(TIMEOUT_MS, 10 << 10); /* not even one */
    assert_int_equal(fetch(made_up(5)), 0);
    assert_false(is_stored(made_up(5)));
    start(TIMEOUT_MS, 0);
    expect_requests(5, 1);
    assert_int_equal(fetch(made_up(6)), 0);
    expect_requests(5, 1);
}

/* An index of 60 KiB leaves room for one file. */
static void indexes_come_first(void **state)
{
    static char body[30 << 10];
    struct tb_symbol_store *indexes = NULL;
    struct tb_symbol_store_counts counts;
    (void)state;
    memset(body, 'x', sizeof(body) - 1);
    memcpy(body, "\177ELF", 4);
    answers[0] = (struct http_answer){HTTP_ANSWER, 200, NULL, body};
    assert_int_equal(mkdir(in_folder("symbols"), 0700), 0);
    assert_int_equal(mkdir(in_folder("symbols/ab"), 0700), 0);
    const char *path = put_file("symbols/ab/cdef0123456789-0.tbx", "");
    assert_int_equal(truncate(path, 60 << 10), 0);
    assert_int_equal(tb_symbol_store_open(test_folder, 100 << 10, &indexes), 0);
    tb_symbol_store_count(indexes, &counts);
    assert_int_equal(counts.bytes, 60 << 10);
    start_with(TIMEOUT_MS, 100 << 10, indexes);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(fetch(made_up(i)), 1);
        judge(made_up(i), "debug");
        assert_true(is_stored(made_up(i)));
        assert_false(is_stored(made_up(i - 1)));
    }
    tb_debuginfod_free(debuginfod);
    debuginfod = NULL;
    tb_symbol_store_close(indexes);
}

static void folder_that_cannot_be_made_is_said(void **state)
{
    (void)state;
    put_file("debuginfod", "a file in its way");
    assert_int_equal(fetch(made_up(1)), 0);
    expect_requests(0, 0);
    assert_non_null(strstr(tb_debuginfod_counts(debuginfod)->last_error, "cannot use"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(file_comes_from_the_first_that_has_it),
        TEST(nobody_is_asked_for_what_has_its_data),
        TEST(not_found_is_remembered_for_an_hour),
        TEST(server_that_fails_is_left_alone_for_five_minutes),
        TEST(record_waits_no_longer_than_it_may),
        TEST(all_records_together_wait_so_long_in_a_minute),
        TEST(what_is_no_elf_file_or_too_long_is_not_kept),
        TEST(what_helps_nothing_goes_for_this_user_for_an_hour),
        TEST(file_that_needs_another_one_is_kept),
        TEST(storm_of_made_up_build_ids_is_held_to_so_many_a_minute),
        TEST(files_take_no_more_than_they_may),
        TEST(indexes_come_first),
        TEST(folder_that_cannot_be_made_is_said),
    };
    setenv("no_proxy", "*", 1);
    tb_log_limit(TB_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
