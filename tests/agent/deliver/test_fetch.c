/* test_fetch.c - one file over HTTP, from servers that do as they should and from others. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "agent/deliver/fetch.h"
#include "base/clock.h"
#include "../http_server.h"

enum { LIMIT = 64 << 10, PATIENCE_MS = 20000 };

struct world {
    struct http_server *server;
    struct tb_fetcher *fetcher;
    const struct http_answer *answers; /* by the number of the request; the last for all others */
    int n_answers;
    int fd; /* of a file in memory */
    struct tb_fetch_reply reply;
};

static struct http_answer by_number(void *arg, const struct http_request *request)
{
    const struct world *world = arg;
    int n = request->number < world->n_answers ? request->number : world->n_answers - 1;
    return world->answers[n];
}

static int make_world(void **state)
{
    static struct world world;
    memset(&world, 0, sizeof(world));
    world.fd = memfd_create("body", MFD_CLOEXEC);
    assert_true(world.fd >= 0);
    assert_int_equal(tb_fetcher_new(&world.fetcher), 0);
    *state = &world;
    return 0;
}

static int drop_world(void **state)
{
    struct world *world = *state;
    tb_fetcher_free(world->fetcher);
    if (world->server)
        http_server_stop(world->server);
    http_server_free(world->server);
    close(world->fd);
    return 0;
}

static void serve(struct world *world, const struct http_answer *answers, int n)
{
    world->answers = answers;
    world->n_answers = n;
    world->server = http_server_start(0, by_number, world);
    assert_non_null(world->server);
}

static int get(struct world *world, const char *user, unsigned timeout_ms, const char *magic)
{
    char url[256];
    (void)snprintf(url, sizeof(url), "http://%s127.0.0.1:%d/file", user, world->server->port);
    const struct tb_fetch_request request = {
        .url = url, .fd = world->fd, .max_bytes = LIMIT, .timeout_ms = timeout_ms, .magic = magic};
    assert_int_equal(ftruncate(world->fd, 0), 0);
    assert_int_equal(lseek(world->fd, 0, SEEK_SET), 0);
    return tb_fetch(world->fetcher, &request, &world->reply);
}

static void expect_body(struct world *world, const char *text)
{
    char body[256] = "";
    ssize_t n = pread(world->fd, body, sizeof(body) - 1, 0);
    assert_int_equal(n, strlen(text));
    assert_string_equal(body, text);
    assert_int_equal(world->reply.bytes, strlen(text));
}

static void body_arrives_whole_and_connections_are_kept(void **state)
{
    static const struct http_answer answers[] = {{HTTP_ANSWER, 200, NULL, "\177ELF and more"}};
    struct world *world = *state;
    serve(world, answers, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(get(world, "", PATIENCE_MS, "\177ELF"), 0);
        assert_int_equal(world->reply.status, 200);
        assert_string_equal(world->reply.error, "");
        expect_body(world, "\177ELF and more");
    }
    assert_int_equal(world->server->n_connections, 1);
}

static void other_answers_are_told_and_their_words_not_written(void **state)
{
    static const struct http_answer answers[] = {
        {HTTP_ANSWER, 404, NULL, "\177ELF not found"}, {HTTP_ANSWER, 500, NULL, "\177ELF oh"},
        {HTTP_ANSWER, 206, NULL, "\177ELF a part"},    {HTTP_ANSWER, 204, NULL, ""},
        {HTTP_ANSWER, 429, NULL, "\177ELF later"},
    };
    struct world *world = *state;
    serve(world, answers, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(get(world, "", PATIENCE_MS, "\177ELF"), 0);
        assert_int_equal(world->reply.status, answers[i].status);
        expect_body(world, "");
    }
}

static void what_begins_otherwise_is_no_such_file(void **state)
{
    static const struct http_answer answers[] = {
        {HTTP_ANSWER, 200, NULL, "<html>please log in</html>"},
        {HTTP_ANSWER, 200, NULL, "\177EL"},
        {HTTP_ANSWER, 200, NULL, ""},
        {HTTP_ANSWER, 200, NULL, "\177ELF"},
    };
    struct world *world = *state;
    serve(world, answers, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(get(world, "", PATIENCE_MS, "\177ELF"), i < 3 ? -EBADMSG : 0);
        expect_body(world, i < 3 ? "" : "\177ELF");
    }
}

static void body_has_a_limit_with_and_without_a_length(void **state)
{
    static const struct http_answer answers[] = {{HTTP_ENDLESS, 200, NULL, "\177ELF"},
                                                 {HTTP_FLOOD, 200, NULL, "\177ELF"}};
    struct world *world = *state;
    serve(world, answers, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(get(world, "", PATIENCE_MS, "\177ELF"), -EFBIG);
        assert_string_equal(world->reply.error, "the file has more than 65536 bytes");
        assert_true(lseek(world->fd, 0, SEEK_END) <= LIMIT);
    }
}

static void time_has_a_limit(void **state)
{
    static const struct http_answer answers[] = {{HTTP_HANG, 0, NULL, NULL},
                                                 {HTTP_DRIP, 200, NULL, "\177ELF drop by drop"}};
    struct world *world = *state;
    serve(world, answers, 2);
    for (int i = 0; i < 2; i++) {
        uint64_t begin_ns = tb_clock_mono_ns();
        assert_int_equal(get(world, "", 150, "\177ELF"), -ETIMEDOUT);
        assert_true(tb_clock_mono_ns() - begin_ns < (uint64_t)PATIENCE_MS * TB_NS_PER_MS);
        assert_int_equal(world->reply.status, 0);
    }
}

static void connections_that_break_are_an_error(void **state)
{
    static const struct http_answer answers[] = {{HTTP_CUT, 200, NULL, "\177ELF of which half"},
                                                 {HTTP_CLOSE, 0, NULL, NULL},
                                                 {HTTP_RAW, 0, NULL, "no HTTP at all\r\n\r\n"}};
    struct world *world = *state;
    serve(world, answers, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(get(world, "", PATIENCE_MS, "\177ELF"), -EIO);
        assert_string_not_equal(world->reply.error, "");
    }
    http_server_stop(world->server);
    assert_int_equal(get(world, "", PATIENCE_MS, "\177ELF"), -EIO);
    http_server_free(world->server);
    world->server = NULL;
}

static void redirects_are_followed_a_few_times(void **state)
{
    static const struct http_answer answers[] = {
        {HTTP_ANSWER, 302, "Location: /elsewhere\r\n", "\177ELF not this"},
        {HTTP_ANSWER, 301, "Location: /there\r\n", ""},
        {HTTP_ANSWER, 200, NULL, "\177ELF this"},
        {HTTP_ANSWER, 302, "Location: /round\r\n", ""},
    };
    struct world *world = *state;
    serve(world, answers, 4);
    assert_int_equal(get(world, "", PATIENCE_MS, "\177ELF"), 0);
    expect_body(world, "\177ELF this");
    assert_int_equal(get(world, "", PATIENCE_MS, "\177ELF"), -EIO);
    assert_int_equal(http_server_count(world->server), 3 + 1 + TB_FETCH_REDIRECTS);
}

static void no_redirect_leads_to_another_scheme(void **state)
{
    static const char *const places[] = {"file:///proc/self/exe", "FILE:///proc/self/exe",
                                         "ftp://127.0.0.1/x",     "gopher://127.0.0.1/x",
                                         "dict://127.0.0.1/x",    "scp://127.0.0.1/x"};
    struct world *world = *state;
    char header[128];
    struct http_answer answer = {HTTP_ANSWER, 302, header, ""};
    serve(world, &answer, 1);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        (void)snprintf(header, sizeof(header), "Location: %s\r\n", places[i]);
        assert_int_equal(get(world, "", PATIENCE_MS, "\177ELF"), -EIO);
        assert_int_equal(world->reply.status, 302);
        expect_body(world, "");
    }
}

static void no_other_scheme_is_spoken_at_all(void **state)
{
    static const char *const urls[] = {"file:///proc/self/exe", "ftp://127.0.0.1:1/x",
                                       "nonsense:", ""};
    struct world *world = *state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        const struct tb_fetch_request request = {.url = urls[i],
                                                 .fd = world->fd,
                                                 .max_bytes = UINT32_MAX,
                                                 .timeout_ms = PATIENCE_MS,
                                                 .magic = ""};
        assert_int_equal(tb_fetch(world->fetcher, &request, &world->reply), -EIO);
        assert_int_equal(lseek(world->fd, 0, SEEK_END), 0);
    }
}

/* Two servers: the first sends on to the second. */
static void password_goes_to_its_host_alone(void **state)
{
    static const struct http_answer good = {HTTP_ANSWER, 200, NULL, "x"};
    struct world *world = *state;
    struct world other = {.answers = &good, .n_answers = 1};
    char header[128];
    struct http_answer answers[] = {{HTTP_ANSWER, 302, header, ""}};
    other.server = http_server_start(0, by_number, &other);
    assert_non_null(other.server);
    (void)snprintf(header, sizeof(header), "Location: http://localhost:%d/\r\n",
                   other.server->port);
    serve(world, answers, 1);
    (void)get(world, "andrew:s3cret@", PATIENCE_MS, "");
    assert_non_null(strstr(world->server->requests[0].head, "\r\nAuthorization: Basic "));
    assert_int_equal(http_server_count(other.server), 1);
    assert_null(strstr(other.server->requests[0].head, "Authorization"));
    http_server_stop(other.server);
    http_server_free(other.server);
}

static void no_error_holds_the_password(void **state)
{
    static const struct http_answer answers[] = {
        {HTTP_CLOSE, 0, NULL, NULL}, {HTTP_RAW, 0, NULL, "no HTTP"}, {HTTP_HANG, 0, NULL, NULL}};
    struct world *world = *state;
    serve(world, answers, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_not_equal(get(world, "andrew:s3cret@", 300, ""), 0);
        assert_null(strstr(world->reply.error, "s3cret"));
        assert_string_not_equal(world->reply.error, "");
    }
}

static void full_disk_ends_it(void **state)
{
    static const struct http_answer answers[] = {{HTTP_ANSWER, 200, NULL, "\177ELF and more"}};
    struct world *world = *state;
    serve(world, answers, 1);
    int full_fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full_fd >= 0);
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", world->server->port);
    const struct tb_fetch_request request = {
        .url = url, .fd = full_fd, .max_bytes = LIMIT, .timeout_ms = PATIENCE_MS, .magic = ""};
    assert_int_equal(tb_fetch(world->fetcher, &request, &world->reply), -ENOSPC);
    assert_non_null(strstr(world->reply.error, "No space left"));
    close(full_fd);
}

static void a_request_may_be_more_than_a_get(void **state)
{
    struct world *world = *state;
    static const struct http_answer answers[] = {{.status = 200, .body = "t"},
                                                 {.status = 403, .body = "why not"},
                                                 {.status = 200, .body = "p"}};
    static const char *const headers[] = {"X-One: 1", "X-Two: 2"};
    char url[64];
    serve(world, answers, 3);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", world->server->port);
    struct tb_fetch_request request = {.url = url,
                                       .fd = world->fd,
                                       .max_bytes = LIMIT,
                                       .timeout_ms = PATIENCE_MS,
                                       .magic = "",
                                       .method = "PUT",
                                       .headers = headers,
                                       .n_headers = 2};
    assert_int_equal(tb_fetch(world->fetcher, &request, &world->reply), 0);
    assert_true(strncmp(world->server->requests[0].head, "PUT / HTTP", 10) == 0);
    assert_non_null(strstr(world->server->requests[0].head, "\r\nX-One: 1\r\nX-Two: 2\r\n"));
    request = (struct tb_fetch_request){.url = url,
                                        .fd = world->fd,
                                        .max_bytes = LIMIT,
                                        .timeout_ms = PATIENCE_MS,
                                        .magic = "",
                                        .post = "a=b",
                                        .wants_refusal = true};
    assert_int_equal(ftruncate(world->fd, 0), 0);
    assert_int_equal(lseek(world->fd, 0, SEEK_SET), 0);
    assert_int_equal(tb_fetch(world->fetcher, &request, &world->reply), 0);
    assert_int_equal(world->reply.status, 403);
    expect_body(world, "why not");
    assert_true(strncmp(world->server->requests[1].head, "POST / HTTP", 11) == 0);
    assert_null(strstr(world->server->requests[1].head, "X-One"));
    assert_string_equal(world->server->requests[1].body, "a=b");
    assert_int_equal(get(world, "", PATIENCE_MS, ""), 0);
    assert_true(strncmp(world->server->requests[2].head, "GET /file HTTP", 14) == 0);
}

static void what_is_direct_follows_no_redirect(void **state)
{
    struct world *world = *state;
    static const struct http_answer answers[] = {
        {.status = 302, .headers = "Location: /other\r\n", .body = "elsewhere"}};
    char url[64];
    serve(world, answers, 1);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", world->server->port);
    const struct tb_fetch_request request = {.url = url,
                                             .fd = world->fd,
                                             .max_bytes = LIMIT,
                                             .timeout_ms = PATIENCE_MS,
                                             .magic = "",
                                             .is_direct = true};
    assert_int_equal(tb_fetch(world->fetcher, &request, &world->reply), 0);
    assert_int_equal(world->reply.status, 302);
    assert_int_equal(world->reply.bytes, 0);
    assert_int_equal(http_server_count(world->server), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_world, drop_world)
    const struct CMUnitTest tests[] = {
        TEST(body_arrives_whole_and_connections_are_kept),
        TEST(other_answers_are_told_and_their_words_not_written),
        TEST(what_begins_otherwise_is_no_such_file),
        TEST(body_has_a_limit_with_and_without_a_length),
        TEST(time_has_a_limit),
        TEST(connections_that_break_are_an_error),
        TEST(redirects_are_followed_a_few_times),
        TEST(no_redirect_leads_to_another_scheme),
        TEST(no_other_scheme_is_spoken_at_all),
        TEST(password_goes_to_its_host_alone),
        TEST(no_error_holds_the_password),
        TEST(full_disk_ends_it),
        TEST(a_request_may_be_more_than_a_get),
        TEST(what_is_direct_follows_no_redirect),
    };
    setenv("no_proxy", "*", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
