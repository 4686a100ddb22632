/* test_deliver.c - the delivery thread: how it starts, takes other settings, ends, and dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "rollbar_world.h"

static void what_was_queued_before_the_start_is_sent(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    add(world, "u1");
    start(world);
    wait_sent(world, 1);
}

static void stopping_lets_what_is_under_way_end(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    char uuid[37];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%d", i);
        add(world, uuid);
    }
    start(world);
    assert_true(http_server_wait(world->server, 1, PATIENCE_MS));
    stop(world);
    /* Every request that was answered has its verdict. */
    assert_int_equal(counts(world).sent, http_server_count(world->server));
}

static void idle_speaks_of_what_was_committed_before_the_wake(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    start(world);
    char uuid[37];
    for (int i = 0; i < 100; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%d", i);
        add(world, uuid);
        tb_deliver_wake(world->deliver);
        idle(world);
        assert_int_equal(counts(world).sent, i + 1);
    }
}

static void a_bad_reload_changes_nothing(void **state)
{
    struct world *world = *state;
    static char nowhere[] = "/nowhere/ca.pem";
    char why[TB_STORE_WHY];
    script(world, &OK, 1);
    start(world);
    world->config.ca_file = nowhere;
    assert_int_equal(reload_rollbar(world->deliver, &world->config, why), -ENOENT);
    assert_non_null(strstr(why, nowhere));
    world->config.ca_file = NULL;
    add(world, "u1");
    tb_deliver_wake(world->deliver);
    wait_sent(world, 1);
}

static void a_reload_under_load_loses_and_repeats_nothing(void **state)
{
    struct world *world = *state;
    enum { N = 300 };
    char uuid[37];
    char why[TB_STORE_WHY];
    script(world, &OK, 1);
    for (int i = 0; i < N; i++) {
        (void)snprintf(uuid, sizeof(uuid), "uuid-%03d", i);
        add(world, uuid);
    }
    start(world);
    for (int i = 1; i <= 10; i++) {
        assert_true(http_server_wait(world->server, i * N / 12, PATIENCE_MS));
        world->config.connections = (unsigned)(1 + i % 4);
        assert_int_equal(reload_rollbar(world->deliver, &world->config, why), 0);
    }
    wait_sent(world, N);
    idle(world);
    assert_int_equal(http_server_count(world->server), N);
}

/* This program again, as an agent that only delivers. It does not outlive the test. */
static pid_t start_agent(struct world *world)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
        (void)execl("/proc/self/exe", "agent", world->folder, world->endpoint, (char *)NULL);
    _exit(1);
}

/* An agent dies at any moment: nothing is lost, and what is sent again has the same uuid. */
static void killed_at_any_moment_it_sends_all(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    /* Each agent has more to send than the test waits for, however late the kill comes. */
    enum { ROUNDS = 15, ROWS = 40, N = ROUNDS * ROWS };
    char uuid[37];
    for (int i = 0; i < ROUNDS; i++) {
        for (int j = 0; j < ROWS; j++) {
            (void)snprintf(uuid, sizeof(uuid), "uuid-%03d", i * ROWS + j);
            add(world, uuid);
        }
        int before = http_server_count(world->server);
        pid_t agent = start_agent(world);
        bool has_come = http_server_wait(world->server, before + 1 + i, PATIENCE_MS);
        assert_int_equal(kill(agent, SIGKILL), 0);
        assert_int_equal(waitpid(agent, NULL, 0), agent);
        if (!has_come)
            fail_msg("round %d: %d requests, %lld rows queued", i,
                     http_server_count(world->server) - before, (long long)counts(world).queued);
    }
    start(world);
    wait_sent(world, N);
    bool seen[N] = {false};
    for (int i = 0; i < http_server_count(world->server); i++) {
        const char *at = strstr(body_of(world, i), "uuid-");
        assert_non_null(at);
        seen[strtol(at + 5, NULL, 10)] = true;
    }
    for (int i = 0; i < N; i++)
        assert_true(seen[i]);
}

/* The agent that is killed: this program again, with arguments. */
static int deliver_for_ever(char *folder, char *endpoint)
{
    static char token[] = "00112233445566778899aabbccddeeff";
    struct tb_config config = {.state_dir = folder,
                               .endpoint = endpoint,
                               .token = token,
                               .timeout_ms = 5000,
                               .retry_min_ms = 5,
                               .retry_max_ms = 40,
                               .connections = 4};
    struct tb_deliver *deliver = NULL;
    char why[TB_STORE_WHY] = "";
    if (start_rollbar(&config, &deliver, why) < 0) {
        (void)fprintf(stderr, "%s\n", why);
        return 1;
    }
    for (;;)
        (void)pause();
}

static void it_does_not_start_without_a_database(void **state)
{
    struct world *world = *state;
    static char file[] = "/dev/null/state";
    struct tb_deliver *deliver = NULL;
    char why[TB_STORE_WHY] = "";
    (void)snprintf(world->endpoint, sizeof(world->endpoint), "http://127.0.0.1:1/");
    world->config.state_dir = file;
    assert_int_equal(start_rollbar(&world->config, &deliver, why), -ENOTDIR);
    assert_null(deliver);
    assert_non_null(strstr(why, "--state-dir"));
    tb_deliver_stop(NULL, 0);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return deliver_for_ever(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {
        LIVED(what_was_queued_before_the_start_is_sent),
        LIVED(stopping_lets_what_is_under_way_end),
        LIVED(idle_speaks_of_what_was_committed_before_the_wake),
        LIVED(a_bad_reload_changes_nothing),
        LIVED(a_reload_under_load_loses_and_repeats_nothing),
        LIVED(killed_at_any_moment_it_sends_all),
        LIVED(it_does_not_start_without_a_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
