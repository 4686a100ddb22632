/* test_queue.c - which row goes next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "agent/deliver/queue.h"
#include "base/clock.h"

enum { SECOND = TB_NS_PER_S };

static int make_queues(void **state)
{
    *state = calloc(1, sizeof(struct tb_queues));
    return *state ? 0 : -1;
}

static int drop_queues(void **state)
{
    free(*state);
    return 0;
}

static struct tb_queue *queue_of(struct tb_queues *queues, int64_t id)
{
    struct tb_outbox_token token = {.id = id};
    (void)snprintf(token.token, sizeof(token.token), "t%d", (int)id);
    return tb_queue_get(queues, &token, SECOND);
}

/* n keys of that class, of which the first has been due since due_ms. */
static void put(struct tb_queue *queue, int class_, unsigned n, int64_t due_ms)
{
    for (unsigned i = 0; i < n; i++)
        queue->keys[class_][i] = (struct tb_outbox_key){.seq = i, .due_at_ms = due_ms + i};
    queue->at[class_] = 0;
    queue->n[class_] = n;
}

/* What goes next while n_flying are under way: "1c0" is of token 1 and class 0; "" nothing. */
static const char *next(struct tb_queues *queues, unsigned n_flying, unsigned limit, unsigned extra)
{
    static char name[16];
    struct tb_queue_now now = {SECOND, 1000, limit, extra};
    struct tb_outbox_key key;
    int class_ = 0;
    struct tb_queue *queue = tb_queue_next(queues, &now, n_flying, &key, &class_);
    name[0] = '\0';
    if (queue)
        (void)snprintf(name, sizeof(name), "%dc%d", (int)queue->id, class_);
    return name;
}

static void crashes_go_first_within_a_token(void **state)
{
    struct tb_queue *queue = queue_of(*state, 1);
    put(queue, 3, 1, 0);
    put(queue, 1, 1, 50);
    put(queue, 0, 2, 100);
    assert_string_equal(next(*state, 0, 8, 0), "1c0");
    assert_string_equal(next(*state, 0, 8, 0), "1c0");
    assert_string_equal(next(*state, 0, 8, 0), "1c1");
    assert_string_equal(next(*state, 0, 8, 0), "1c3");
    assert_string_equal(next(*state, 0, 8, 0), "");
}

static void chatter_is_not_starved_by_errors_but_waits_for_crashes(void **state)
{
    struct tb_queue *queue = queue_of(*state, 1);
    unsigned n_low = 0;
    put(queue, 2, 8, 70); /* warnings, younger than the chatter at first */
    put(queue, 3, 8, 60);
    for (int i = 0; i < 160; i++) {
        put(queue, 1, 1, 0); /* there is always an error */
        const char *name = next(*state, 0, 8, 0);
        n_low += strcmp(name, "1c1") != 0;
    }
    assert_int_equal(n_low, 10);
    assert_int_equal(queue->at[3], 8); /* the oldest of those below */
    assert_int_equal(queue->at[2], 2);
    for (int i = 0; i < 100; i++) {
        put(queue, 0, 1, 0);
        assert_string_equal(next(*state, 0, 8, 0), "1c0");
    }
}

static void tokens_take_turns(void **state)
{
    put(queue_of(*state, 1), 1, 8, 0);
    put(queue_of(*state, 2), 3, 8, 0);
    put(queue_of(*state, 3), 0, 2, 0);
    static const char *const ORDER[] = {"1c1", "2c3", "3c0", "1c1", "2c3", "3c0", "1c1", "2c3"};
    for (size_t i = 0; i < sizeof(ORDER) / sizeof(ORDER[0]); i++)
        assert_string_equal(next(*state, 0, 8, 0), ORDER[i]);
}

static void a_pause_holds_up_its_token_alone(void **state)
{
    struct tb_queue *paused = queue_of(*state, 1);
    put(paused, 0, 8, 0);
    put(queue_of(*state, 2), 3, 1, 0);
    paused->until_ms = 1001; /* it is 1000 */
    assert_string_equal(next(*state, 0, 8, 0), "2c3");
    assert_string_equal(next(*state, 0, 8, 0), "");
    paused->until_ms = 1000;
    assert_string_equal(next(*state, 0, 8, 0), "1c0");
}

static void a_token_whose_requests_hang_leaves_room_for_another(void **state)
{
    struct tb_queue *slow = queue_of(*state, 1);
    struct tb_queue *other = queue_of(*state, 2);
    put(slow, 0, 8, 0);
    slow->n_flying = 4; /* all that there may be */
    assert_string_equal(next(*state, 4, 4, 2), "");
    put(other, 3, 8, 0);
    assert_string_equal(next(*state, 4, 4, 2), "2c3");
    other->n_flying = 1;
    assert_string_equal(next(*state, 5, 4, 2), "");
    /* As the slow ones end, the two share. */
    slow->n_flying = 2;
    assert_string_equal(next(*state, 3, 4, 2), "2c3");
    other->n_flying = 2;
    slow->n_flying = 1;
    assert_string_equal(next(*state, 3, 4, 2), "1c0");
}

static void a_doubtful_token_sends_one_at_a_time(void **state)
{
    struct tb_queue *queue = queue_of(*state, 1);
    put(queue, 1, 8, 0);
    queue->is_doubtful = true;
    assert_string_equal(next(*state, 0, 8, 0), "1c1");
    queue->n_flying = 1;
    assert_string_equal(next(*state, 1, 8, 0), "");
    queue->is_doubtful = false;
    assert_string_equal(next(*state, 1, 8, 0), "1c1");
}

static void a_bucket_paces_its_token_and_loses_nothing(void **state)
{
    struct tb_queues *queues = *state;
    queues->per_minute = 120;
    struct tb_queue *queue = queue_of(queues, 1);
    put(queue, 1, 8, 0);
    struct tb_queue_now now = {SECOND, 1000, 8, 0};
    struct tb_outbox_key key;
    int class_ = 0;
    assert_non_null(tb_queue_next(queues, &now, 0, &key, &class_));
    assert_null(tb_queue_next(queues, &now, 0, &key, &class_));
    uint64_t at_ns = tb_queue_bucket_ns(queues, SECOND);
    /* One that has something and does not send waits for something else: that is no time to wait
     * for. */
    assert_int_equal(tb_queue_bucket_ns(queues, at_ns), 0);
    assert_in_range(at_ns, SECOND + 499999999, SECOND + 500000002);
    now.mono_ns = at_ns;
    assert_non_null(tb_queue_next(queues, &now, 0, &key, &class_));
    /* A second's worth may come at once, however long it was quiet. */
    now.mono_ns = at_ns + 3600 * (uint64_t)SECOND;
    assert_non_null(tb_queue_next(queues, &now, 0, &key, &class_));
    assert_non_null(tb_queue_next(queues, &now, 0, &key, &class_));
    assert_null(tb_queue_next(queues, &now, 0, &key, &class_));
    assert_int_equal(tb_queue_left(queue), 4);
}

static void a_queue_in_use_is_never_given_to_another_token(void **state)
{
    struct tb_queues *queues = *state;
    for (int i = 1; i <= TB_QUEUES; i++)
        queue_of(queues, i)->n_held = 1;
    assert_null(queue_of(queues, 1000));
    assert_ptr_equal(queue_of(queues, 7), &queues->queues[6]);
    queues->queues[6].n_held = 0;
    put(&queues->queues[6], 2, 1, 0);
    assert_null(queue_of(queues, 1000));
    tb_queue_clear(&queues->queues[6]);
    assert_ptr_equal(queue_of(queues, 1000), &queues->queues[6]);
    assert_string_equal(queues->queues[6].token, "t1000");
}

#define MADE(name) cmocka_unit_test_setup_teardown(name, make_queues, drop_queues)

/* For requests of several items. */
static void more_of_a_queue_comes_in_its_order_and_may_go_back(void **state)
{
    struct tb_queues *queues = *state;
    struct tb_queue *queue = queue_of(queues, 1);
    put(queue_of(queues, 2), 0, 3, 0);
    put(queue, 1, 2, 0);
    put(queue, 0, 1, 500);
    struct tb_outbox_key key;
    int class_ = -1;
    assert_true(tb_queue_more(queue, &key, &class_));
    assert_int_equal(class_, 0);
    assert_true(tb_queue_more(queue, &key, &class_));
    assert_int_equal(class_, 1);
    assert_int_equal(key.seq, 0);
    tb_queue_put_back(queue, class_);
    assert_true(tb_queue_more(queue, &key, &class_));
    assert_int_equal(key.seq, 0);
    assert_true(tb_queue_more(queue, &key, &class_));
    assert_int_equal(key.seq, 1);
    assert_false(tb_queue_more(queue, &key, &class_));
    assert_int_equal(tb_queue_left(queue), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MADE(crashes_go_first_within_a_token),
        MADE(chatter_is_not_starved_by_errors_but_waits_for_crashes),
        MADE(tokens_take_turns),
        MADE(a_pause_holds_up_its_token_alone),
        MADE(a_token_whose_requests_hang_leaves_room_for_another),
        MADE(a_doubtful_token_sends_one_at_a_time),
        MADE(a_bucket_paces_its_token_and_loses_nothing),
        MADE(a_queue_in_use_is_never_given_to_another_token),
        MADE(more_of_a_queue_comes_in_its_order_and_may_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
