/* test_deliver_setup.c - with which token an item is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rollbar_world.h"

static void an_item_s_own_token_wins(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    start(world);
    add_as(world, "u1", 1, "ffffffffffffffffffffffffffffffff");
    tb_deliver_wake(world->deliver);
    idle(world);
    assert_int_equal(counts(world).sent, 1);
    assert_non_null(strstr(world->server->requests[0].head,
                           "X-Rollbar-Access-Token: ffffffffffffffffffffffffffffffff"));
}

static struct tb_config_project PROJECT;

static void use_project(struct world *world, char *service, char *token)
{
    static char any[] = "";
    PROJECT = (struct tb_config_project){.service = service, .environment = any, .token = token};
    world->config.projects = &PROJECT;
    world->config.n_projects = 1;
}

/* The token that the item with that uuid was sent with. */
static void sent_with(struct world *world, const char *uuid, const char *token)
{
    for (int i = 0; i < http_server_count(world->server); i++) {
        if (!strstr(body_of(world, i), uuid))
            continue;
        if (!strstr(world->server->requests[i].head, token))
            fail_msg("%s: %s", uuid, world->server->requests[i].head);
        return;
    }
    fail_msg("%s was not sent", uuid);
}

static void what_waits_goes_to_the_project_of_the_settings(void **state)
{
    struct world *world = *state;
    static char feedd[] = "feedd*";
    static char its[] = "aaaabbbbccccddddeeeeffff00001111";
    script(world, &OK, 1);
    add_of(world, "of-feedd", 1, "", "feedd-2");
    add_of(world, "of-web", 1, "", "web");
    add_of(world, "with-own", 1, "00000000000000000000000000000007", "feedd");
    use_project(world, feedd, its);
    start(world);
    wait_sent(world, 3);
    sent_with(world, "of-feedd", its);
    sent_with(world, "of-web", world->config.token);
    sent_with(world, "with-own", "00000000000000000000000000000007");
    struct tb_deliver_status status;
    idle(world);
    tb_deliver_status(world->deliver, &status);
    assert_int_equal(status.n_tokens, 3);
    for (size_t i = 0; i < status.n_tokens; i++) {
        assert_null(strstr(status.tokens[i].name, "00000000"));
        assert_int_equal(status.tokens[i].sent, 1);
    }
}

static void a_reload_changes_token_and_project_of_what_waits(void **state)
{
    struct world *world = *state;
    static char web[] = "web";
    static char right[] = "aaaabbbbccccddddeeeeffff00001111";
    static char good[] = "goodgoodgoodgoodgoodgoodgoodgood";
    static char bad[] = "badbadbadbadbadbadbadbadbadbadba";
    char why[TB_STORE_WHY];
    serve(world, by_token);
    world->config.token = bad;
    world->config.retry_max_ms = 1000 * 1000;
    add_of(world, "of-web", 1, "", "web");
    add_of(world, "of-feedd", 1, "", "feedd");
    start(world);
    idle(world);
    assert_int_equal(counts(world).parked, 2);
    world->config.token = good;
    use_project(world, web, right);
    assert_int_equal(reload_rollbar(world->deliver, &world->config, why), 0);
    wait_sent(world, 2);
    /* The last requests: before them each was refused with the old token. */
    int n = http_server_count(world->server);
    for (int i = n - 2; i < n; i++) {
        bool is_web = strstr(body_of(world, i), "of-web") != NULL;
        assert_non_null(strstr(world->server->requests[i].head, is_web ? right : good));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVED(an_item_s_own_token_wins),
        LIVED(what_waits_goes_to_the_project_of_the_settings),
        LIVED(a_reload_changes_token_and_project_of_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
