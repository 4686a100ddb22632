/* test_deliveries.c - several sinks at once: one that is down holds up no other, sinks come and go,
 * datagrams, and an end in the middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "deliver_world.h"

enum { N_SINKS = 3, N_ITEMS = 24 };

static const struct tb_sink_type TYPES[N_SINKS] = {FAKE_SINK("one", false), FAKE_SINK("two", false),
                                                   FAKE_SINK("three", false)};
static const char *const NAMES[N_SINKS] = {"one", "two", "three"};

/* A server for each sink, of which one may be down. */
struct all {
    struct world *world;
    struct http_server *servers[N_SINKS];
    struct tb_deliver_sink sinks[N_SINKS];
    struct tb_deliveries *deliveries;
    atomic_bool is_down[N_SINKS];
};

static struct http_answer answer(void *arg, const struct http_request *request)
{
    (void)request;
    return atomic_load((atomic_bool *)arg) ? (struct http_answer){HTTP_CLOSE, 0, NULL, NULL}
                                           : (struct http_answer){HTTP_ANSWER, 200, NULL, ""};
}

static int make_all(void **state)
{
    struct all *all = calloc(1, sizeof(*all));
    assert_non_null(all);
    assert_int_equal(make_world((void **)&all->world), 0);
    all->world->config.retry_min_ms = 2;
    all->world->config.retry_max_ms = 10;
    for (size_t i = 0; i < N_SINKS; i++) {
        all->servers[i] = http_server_start(0, answer, &all->is_down[i]);
        assert_non_null(all->servers[i]);
        all->sinks[i] = all->world->sink;
        all->sinks[i].type = &TYPES[i];
        (void)snprintf(all->sinks[i].endpoint, sizeof(all->sinks[i].endpoint),
                       "http://127.0.0.1:%d/v1", all->servers[i]->port);
    }
    *state = all;
    return 0;
}

static int drop_all(void **state)
{
    struct all *all = *state;
    tb_deliveries_stop(all->deliveries, 0);
    for (size_t i = 0; i < N_SINKS; i++) {
        http_server_stop(all->servers[i]);
        http_server_free(all->servers[i]);
    }
    (void)drop_world((void **)&all->world);
    free(all);
    return 0;
}

static void start_all(struct all *all, size_t n)
{
    char why[TB_STORE_WHY] = "";
    if (tb_deliveries_start(&all->world->config, all->sinks, n, &all->deliveries, why) < 0)
        fail_msg("%s", why);
}

static void add_items(struct all *all)
{
    char uuid[37];
    for (int i = 0; i < N_ITEMS; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%02d", i);
        add_to(all->world, uuid, 1, "", NAMES, N_SINKS);
    }
    tb_deliveries_wake(all->deliveries);
}

/* Each item once. */
static void has_each_once(struct http_server *server)
{
    char line[8];
    for (int i = 0; i < N_ITEMS; i++) {
        int n = 0;
        (void)snprintf(line, sizeof(line), "u%02d\n", i);
        for (int k = 0; k < http_server_count(server); k++)
            n += strstr(server->requests[k].body, line) != NULL;
        assert_int_equal(n, 1);
    }
}

static void each_sink_gets_each_item_once(void **state)
{
    struct all *all = *state;
    start_all(all, N_SINKS);
    add_items(all);
    assert_true(tb_deliveries_wait_idle(all->deliveries, PATIENCE_MS));
    for (size_t i = 0; i < N_SINKS; i++) {
        assert_int_equal(counts_of(all->world, NAMES[i]).sent, N_ITEMS);
        has_each_once(all->servers[i]);
    }
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool is_at_gate;

static int encode_behind_gate(const struct tb_sink_target *target, struct tb_sink_item *items,
                              size_t n, struct tb_sink_request *out)
{
    atomic_store(&is_at_gate, true);
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
    return fake_encode(target, items, n, out);
}

/* What a check of health says when it has stood too long. */
static void the_one_whose_thread_stands_is_named(void **state)
{
    struct all *all = *state;
    static struct tb_sink_type stands;
    char name[TB_DELIVERY_NAME] = "";
    uint64_t until = tb_clock_mono_ns() + (uint64_t)PATIENCE_MS * TB_NS_PER_MS;
    stands = TYPES[1];
    stands.encode = encode_behind_gate;
    all->sinks[1].type = &stands;
    (void)pthread_mutex_lock(&gate);
    start_all(all, N_SINKS);
    add_items(all);
    while ((!atomic_load(&is_at_gate) || strcmp(name, NAMES[1]) != 0) &&
           tb_clock_mono_ns() < until) {
        tb_deliveries_wake(all->deliveries); /* all others look again */
        (void)poll(NULL, 0, 1);
        (void)tb_deliveries_turned_ns(all->deliveries, name);
    }
    (void)pthread_mutex_unlock(&gate);
    assert_string_equal(name, NAMES[1]);
    assert_true(tb_deliveries_wait_idle(all->deliveries, PATIENCE_MS));
}

static void while_one_is_down_the_others_get_all(struct all *all, size_t down)
{
    all->is_down[down] = true;
    start_all(all, N_SINKS);
    add_items(all);
    for (size_t i = 0; i < N_SINKS; i++) {
        if (i != down)
            wait_sent(all->world, NAMES[i], N_ITEMS);
    }
    struct tb_store_counts counts = counts_of(all->world, NAMES[down]);
    assert_int_equal(counts.queued, N_ITEMS);
    assert_int_equal(counts.parked + counts.quarantined + counts.dropped, 0);
    int n_tries = http_server_count(all->servers[down]);
    all->is_down[down] = false;
    wait_sent(all->world, NAMES[down], N_ITEMS);
    for (size_t i = 0; i < N_SINKS; i++) {
        if (i != down)
            has_each_once(all->servers[i]);
    }
    assert_true(http_server_count(all->servers[down]) > n_tries);
}

static void the_first_down_delays_no_other(void **state)
{
    while_one_is_down_the_others_get_all(*state, 0);
}

static void the_second_down_delays_no_other(void **state)
{
    while_one_is_down_the_others_get_all(*state, 1);
}

static void the_third_down_delays_no_other(void **state)
{
    while_one_is_down_the_others_get_all(*state, 2);
}

/* ---- they come and go ---- */

static void take(struct all *all, const struct tb_deliver_sink *sinks, size_t n)
{
    char why[TB_STORE_WHY] = "";
    if (tb_deliveries_reload(all->deliveries, &all->world->config, sinks, n, why) < 0)
        fail_msg("%s", why);
    tb_deliveries_change(all->deliveries, &all->world->config, sinks, n, PATIENCE_MS);
}

static void a_sink_that_is_off_keeps_its_rows_and_goes_on_when_it_is_on(void **state)
{
    struct all *all = *state;
    struct tb_delivery_state states[TB_DELIVERIES];
    start_all(all, N_SINKS);
    take(all, all->sinks, 2);
    assert_int_equal(tb_deliveries_look(all->deliveries, states), 2);
    add_items(all);
    assert_true(tb_deliveries_wait_idle(all->deliveries, PATIENCE_MS));
    assert_int_equal(counts_of(all->world, "one").sent, N_ITEMS);
    assert_int_equal(counts_of(all->world, "two").sent, N_ITEMS);
    assert_int_equal(counts_of(all->world, "three").queued, N_ITEMS);
    take(all, all->sinks, N_SINKS);
    wait_sent(all->world, "three", N_ITEMS);
    has_each_once(all->servers[2]);
}

static void a_sink_gets_a_new_address(void **state)
{
    struct all *all = *state;
    all->is_down[1] = true;
    start_all(all, N_SINKS);
    add_items(all);
    wait_sent(all->world, "one", N_ITEMS);
    memcpy(all->sinks[1].endpoint, all->sinks[2].endpoint, sizeof(all->sinks[1].endpoint));
    take(all, all->sinks, N_SINKS);
    wait_sent(all->world, "two", N_ITEMS);
}

/* As X-Ray has it: the daemon and the API are one sink. */
static void a_sink_becomes_another_one_of_its_name(void **state)
{
    static const struct tb_sink_type OTHER = FAKE_SINK("three", false);
    struct all *all = *state;
    struct tb_delivery_state states[TB_DELIVERIES];
    start_all(all, N_SINKS);
    all->sinks[2].type = &OTHER;
    memcpy(all->sinks[2].endpoint, all->sinks[1].endpoint, sizeof(all->sinks[2].endpoint));
    take(all, all->sinks, N_SINKS);
    assert_int_equal(tb_deliveries_look(all->deliveries, states), N_SINKS);
    add_items(all);
    wait_sent(all->world, "three", N_ITEMS);
    assert_int_equal(http_server_count(all->servers[2]), 0);
}

static void a_sink_that_cannot_start_is_said_and_keeps_no_other(void **state)
{
    struct all *all = *state;
    struct tb_delivery_state states[TB_DELIVERIES];
    all->sinks[1].ca_file = "/nonexistent/ca.pem";
    start_all(all, N_SINKS);
    add_items(all);
    assert_true(tb_deliveries_wait_idle(all->deliveries, PATIENCE_MS));
    assert_int_equal(counts_of(all->world, "one").sent, N_ITEMS);
    assert_int_equal(counts_of(all->world, "three").sent, N_ITEMS);
    assert_int_equal(tb_deliveries_look(all->deliveries, states), N_SINKS);
    assert_string_equal(states[1].name, "two");
    assert_non_null(strstr(states[1].why, "/nonexistent/ca.pem"));
    /* A reload with the cure starts it. */
    all->sinks[1].ca_file = NULL;
    take(all, all->sinks, N_SINKS);
    wait_sent(all->world, "two", N_ITEMS);
    (void)tb_deliveries_look(all->deliveries, states);
    assert_string_equal(states[1].why, "");
}

static void the_first_must_start(void **state)
{
    struct all *all = *state;
    char why[TB_STORE_WHY] = "";
    all->sinks[0].ca_file = "/nonexistent/ca.pem";
    assert_int_equal(
        tb_deliveries_start(&all->world->config, all->sinks, N_SINKS, &all->deliveries, why),
        -ENOENT);
    assert_non_null(strstr(why, "/nonexistent/ca.pem"));
    all->deliveries = NULL;
}

static void settings_that_a_sink_cannot_take_leave_it_as_it_was(void **state)
{
    struct all *all = *state;
    char why[TB_STORE_WHY] = "";
    start_all(all, N_SINKS);
    all->sinks[2].ca_file = "/nonexistent/ca.pem";
    assert_int_equal(
        tb_deliveries_reload(all->deliveries, &all->world->config, all->sinks, N_SINKS, why),
        -ENOENT);
    add_items(all);
    wait_sent(all->world, "three", N_ITEMS);
}

/* ---- datagrams ---- */

static int listen_at(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    socklen_t len = sizeof(at);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static void datagrams_wait_for_a_port_that_is_closed(void **state)
{
    struct all *all = *state;
    int port = 0;
    close(listen_at(&port));
    fake_most = 1; /* as the daemon takes them */
    all->sinks[0].connections = 1;
    (void)snprintf(all->sinks[0].endpoint, sizeof(all->sinks[0].endpoint), "udp://127.0.0.1:%d",
                   port);
    start_all(all, 2);
    add_items(all);
    wait_sent(all->world, "two", N_ITEMS);
    struct tb_delivery_state states[TB_DELIVERIES];
    do
        (void)tb_deliveries_look(all->deliveries, states);
    while (states[0].status.last_error_ms == 0);
    assert_non_null(strstr(states[0].status.last_error, "nobody listens at udp://127.0.0.1:"));
    assert_int_equal(counts_of(all->world, "one").queued, N_ITEMS);
    int fd = listen_at(&port);
    wait_sent(all->world, "one", N_ITEMS);
    char got[64] = "";
    for (int i = 0; i < N_ITEMS; i++)
        assert_int_equal(recv(fd, got, sizeof(got), 0), 4);
    assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), -1); /* each of them once */
    close(fd);
}

/* ---- an end in the middle ---- */

static struct http_answer hang(void *arg, const struct http_request *request)
{
    (void)arg;
    (void)request;
    return (struct http_answer){HTTP_HANG, 0, NULL, NULL};
}

/* This program again, as an agent that only delivers; it does not outlive the test. */
static pid_t start_agent(struct all *all)
{
    pid_t child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execl("/proc/self/exe", "agent", all->world->folder, all->sinks[0].endpoint,
                    all->sinks[1].endpoint, all->sinks[2].endpoint, (char *)NULL);
        _exit(127);
    }
    assert_true(child > 0);
    return child;
}

static int be_agent(char **argv)
{
    struct tb_config config = {.state_dir = argv[1], .retry_min_ms = 2, .retry_max_ms = 10};
    struct tb_deliver_sink sinks[N_SINKS] = {{.type = NULL}};
    struct tb_deliveries *deliveries = NULL;
    char why[TB_STORE_WHY];
    for (size_t i = 0; i < N_SINKS; i++) {
        sinks[i].type = &TYPES[i];
        sinks[i].timeout_ms = PATIENCE_MS;
        (void)snprintf(sinks[i].endpoint, sizeof(sinks[i].endpoint), "%s", argv[2 + i]);
    }
    if (tb_deliveries_start(&config, sinks, N_SINKS, &deliveries, why) < 0)
        return 1;
    for (;;)
        (void)pause();
}

static void what_was_under_way_when_it_was_killed_is_sent_again(void **state)
{
    struct all *all = *state;
    struct http_server *hanging = http_server_start(0, hang, NULL);
    char endpoint[sizeof(all->sinks[0].endpoint)];
    char uuid[37];
    memcpy(endpoint, all->sinks[1].endpoint, sizeof(endpoint));
    assert_non_null(hanging);
    (void)snprintf(all->sinks[1].endpoint, sizeof(endpoint), "http://127.0.0.1:%d/", hanging->port);
    for (int i = 0; i < N_ITEMS; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%02d", i);
        add_to(all->world, uuid, 1, "", NAMES, N_SINKS);
    }
    pid_t pid = start_agent(all);
    assert_true(http_server_wait(hanging, 1, PATIENCE_MS));
    wait_sent(all->world, "one", N_ITEMS);
    wait_sent(all->world, "three", N_ITEMS);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(counts_of(all->world, "two").queued, N_ITEMS);
    memcpy(all->sinks[1].endpoint, endpoint, sizeof(endpoint));
    start_all(all, N_SINKS);
    wait_sent(all->world, "two", N_ITEMS);
    has_each_once(all->servers[0]);
    has_each_once(all->servers[1]);
    has_each_once(all->servers[2]);
    http_server_stop(hanging);
    http_server_free(hanging);
}

static void what_hangs_at_the_end_stays_queued(void **state)
{
    struct all *all = *state;
    struct http_server *hanging = http_server_start(0, hang, NULL);
    assert_non_null(hanging);
    for (size_t i = 0; i < N_SINKS; i++)
        (void)snprintf(all->sinks[i].endpoint, sizeof(all->sinks[i].endpoint),
                       "http://127.0.0.1:%d/", hanging->port);
    start_all(all, N_SINKS);
    add_items(all);
    assert_true(http_server_wait(hanging, N_SINKS, PATIENCE_MS));
    tb_deliveries_stop(all->deliveries, 100);
    all->deliveries = NULL;
    for (size_t i = 0; i < N_SINKS; i++)
        assert_int_equal(counts_of(all->world, NAMES[i]).queued, N_ITEMS);
    http_server_stop(hanging);
    http_server_free(hanging);
}

int main(int argc, char **argv)
{
    if (argc == 2 + N_SINKS)
        return be_agent(argv);
    const struct CMUnitTest tests[] = {
#define ALL_TEST(name) cmocka_unit_test_setup_teardown(name, make_all, drop_all)
        ALL_TEST(each_sink_gets_each_item_once),
        ALL_TEST(the_one_whose_thread_stands_is_named),
        ALL_TEST(the_first_down_delays_no_other),
        ALL_TEST(the_second_down_delays_no_other),
        ALL_TEST(the_third_down_delays_no_other),
        ALL_TEST(a_sink_that_is_off_keeps_its_rows_and_goes_on_when_it_is_on),
        ALL_TEST(a_sink_gets_a_new_address),
        ALL_TEST(a_sink_becomes_another_one_of_its_name),
        ALL_TEST(a_sink_that_cannot_start_is_said_and_keeps_no_other),
        ALL_TEST(the_first_must_start),
        ALL_TEST(settings_that_a_sink_cannot_take_leave_it_as_it_was),
        ALL_TEST(datagrams_wait_for_a_port_that_is_closed),
        ALL_TEST(what_was_under_way_when_it_was_killed_is_sent_again),
        ALL_TEST(what_hangs_at_the_end_stays_queued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
