/* test_deploys.c - deploys: kept, listed, queued until Rollbar has the latest status. */
#include "helper.h"

#include <errno.h>

#include "store/deploys.h"

static int64_t add(struct tb_store *store, const char *revision, int64_t at_ms,
                   enum tb_deploy_state state)
{
    const struct tb_deploy deploy = {.environment = "production",
                                     .revision = revision,
                                     .status = "started",
                                     .comment = "",
                                     .local_username = "andrew",
                                     .rollbar_username = "",
                                     .token = "",
                                     .start_ms = at_ms,
                                     .state = state};
    int64_t id = 0;
    assert_int_equal(tb_store_deploy_add(store, &deploy, &id), 0);
    return id;
}

struct seen {
    int n;
    int64_t ids[8];
    enum tb_deploy_state state;
    char status[16], sent_status[16], revision[16];
    int64_t remote_id, finish_ms, due_at_ms;
    int attempts;
};

static int look(void *arg, const struct tb_deploy *d)
{
    struct seen *seen = arg;
    if (seen->n < 8)
        seen->ids[seen->n] = d->id;
    seen->n++;
    seen->state = d->state;
    seen->remote_id = d->remote_id;
    seen->finish_ms = d->finish_ms;
    seen->due_at_ms = d->due_at_ms;
    seen->attempts = d->attempts;
    snprintf(seen->status, sizeof(seen->status), "%s", d->status);
    snprintf(seen->sent_status, sizeof(seen->sent_status), "%s", d->sent_status);
    snprintf(seen->revision, sizeof(seen->revision), "%s", d->revision);
    return 0;
}

static struct seen one(struct tb_store *store, int64_t id)
{
    struct seen seen = {0};
    const struct tb_deploy_filter filter = {.id = id, .max = 10};
    assert_int_equal(tb_store_deploys(store, &filter, look, &seen), 0);
    assert_int_equal(seen.n, 1);
    return seen;
}

static struct seen due(struct tb_store *store, int64_t now_ms)
{
    struct seen seen = {0};
    assert_int_equal(tb_store_deploys_due(store, now_ms, 8, look, &seen), 0);
    return seen;
}

static void the_latest_is_listed_first(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct seen seen = {0};
    int64_t first = add(store, "1", 1000, TB_DEPLOY_KEPT);
    int64_t second = add(store, "2", 2000, TB_DEPLOY_KEPT);
    const struct tb_deploy_filter all = {.max = 10};
    assert_int_equal(tb_store_deploys(store, &all, look, &seen), 0);
    assert_int_equal(seen.n, 2);
    assert_int_equal(seen.ids[0], second);
    assert_int_equal(seen.ids[1], first);
    const struct tb_deploy_filter early = {.environment = "production", .to_ms = 1500, .max = 10};
    seen.n = 0;
    assert_int_equal(tb_store_deploys(store, &early, look, &seen), 0);
    assert_int_equal(seen.n, 1);
    assert_string_equal(seen.revision, "1");
    const struct tb_deploy_filter other = {.environment = "test", .max = 10};
    seen.n = 0;
    assert_int_equal(tb_store_deploys(store, &other, look, &seen), 0);
    assert_int_equal(seen.n, 0);
    tb_store_close(store);
}

static void it_is_queued_until_the_latest_status_is_sent(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    int64_t id = add(store, "1", 1000, TB_DEPLOY_QUEUED);
    assert_int_equal(due(store, 999).n, 0);
    assert_int_equal(due(store, 1000).n, 1);
    assert_int_equal(tb_store_deploys_next(store), 1000);
    /* While "started" is on its way it succeeds. */
    assert_int_equal(tb_store_deploy_update(store, id, "succeeded", 1500), 0);
    struct tb_deploy_verdict verdict = {.id = id,
                                        .state = TB_DEPLOY_SENT,
                                        .remote_id = 77,
                                        .sent_status = "started",
                                        .due_at_ms = 1600,
                                        .http_status = 200,
                                        .reason = ""};
    assert_int_equal(tb_store_deploy_verdict(store, &verdict), 0);
    struct seen seen = one(store, id);
    assert_int_equal(seen.state, TB_DEPLOY_QUEUED);
    assert_int_equal(seen.remote_id, 77);
    assert_string_equal(seen.sent_status, "started");
    verdict.sent_status = "succeeded";
    verdict.remote_id = 0;
    assert_int_equal(tb_store_deploy_verdict(store, &verdict), 0);
    seen = one(store, id);
    assert_int_equal(seen.state, TB_DEPLOY_SENT);
    assert_int_equal(seen.remote_id, 77);
    assert_int_equal(seen.finish_ms, 1500);
    assert_int_equal(tb_store_deploys_next(store), -1);
    /* The same status again is no news. */
    assert_int_equal(tb_store_deploy_update(store, id, "succeeded", 1700), 0);
    assert_int_equal(one(store, id).state, TB_DEPLOY_SENT);
    tb_store_close(store);
}

static void a_failed_try_waits_and_is_counted(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    int64_t id = add(store, "1", 1000, TB_DEPLOY_QUEUED);
    const struct tb_deploy_verdict verdict = {.id = id,
                                              .state = TB_DEPLOY_QUEUED,
                                              .due_at_ms = 5000,
                                              .http_status = 500,
                                              .reason = "HTTP 500"};
    assert_int_equal(tb_store_deploy_verdict(store, &verdict), 0);
    assert_int_equal(one(store, id).attempts, 1);
    assert_int_equal(tb_store_deploys_next(store), 5000);
    /* News does not shorten the wait. */
    assert_int_equal(tb_store_deploy_update(store, id, "failed", 2000), 0);
    assert_int_equal(tb_store_deploys_next(store), 5000);
    tb_store_close(store);
}

static void what_is_kept_here_only_stays_so(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    int64_t id = add(store, "1", 1000, TB_DEPLOY_KEPT);
    assert_int_equal(tb_store_deploy_update(store, id, "failed", 2000), 0);
    assert_int_equal(one(store, id).state, TB_DEPLOY_KEPT);
    assert_int_equal(tb_store_deploys_next(store), -1);
    assert_int_equal(tb_store_deploy_update(store, id + 1, "failed", 2000), -ENOENT);
    tb_store_close(store);
}

static void the_queue_has_an_end(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    const struct tb_deploy more = {.environment = "e",
                                   .revision = "r",
                                   .status = "started",
                                   .comment = "",
                                   .local_username = "",
                                   .rollbar_username = "",
                                   .token = "",
                                   .state = TB_DEPLOY_QUEUED};
    int64_t id;
    assert_int_equal(tb_store_begin(store), 0);
    for (int i = 0; i < TB_DEPLOYS_QUEUED; i++)
        (void)add(store, "q", 1000, TB_DEPLOY_QUEUED);
    assert_int_equal(tb_store_commit(store), 0);
    assert_int_equal(tb_store_deploy_add(store, &more, &id), -EAGAIN);
    (void)add(store, "kept", 1000, TB_DEPLOY_KEPT);
    tb_store_close(store);
}

static void only_so_many_are_kept(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    int64_t id = 0;
    assert_int_equal(tb_store_begin(store), 0);
    for (int i = 0; i < TB_DEPLOYS_KEPT + 5; i++)
        id = add(store, "k", 1000 + i, i == 0 ? TB_DEPLOY_QUEUED : TB_DEPLOY_KEPT);
    assert_int_equal(tb_store_commit(store), 0);
    tb_store_close(store);
    assert_int_equal(id, TB_DEPLOYS_KEPT + 5);
    /* What waits is never forgotten. */
    assert_int_equal(ask_sql(*state, "SELECT count(*) FROM deploys"), TB_DEPLOYS_KEPT + 1);
    assert_int_equal(ask_sql(*state, "SELECT min(id) FROM deploys WHERE state <> 0"), 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, drop_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_latest_is_listed_first),
        TEST(it_is_queued_until_the_latest_status_is_sent),
        TEST(a_failed_try_waits_and_is_counted),
        TEST(what_is_kept_here_only_stays_so),
        TEST(the_queue_has_an_end),
        TEST(only_so_many_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
