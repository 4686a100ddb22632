/* Claims: held by a number in a frame, broken when that is gone. */
#include "rig.h"

#include <pthread.h>

#include "capture/crash/claim.h"

static void claim_is_had_by_one(void **state)
{
    (void)state;
    struct tb_claim claim = {.owner = 0};
    volatile uint64_t number = tb_claim_number();
    assert_false(tb_claim_break(&claim)); /* a free one is not abandoned */
    assert_true(tb_claim_try(&claim));
    assert_false(tb_claim_try(&claim));
    assert_false(tb_claim_break(&claim)); /* nor is one that is not held yet */
    tb_claim_hold(&claim, &number);
    assert_false(tb_claim_try(&claim));
    assert_false(tb_claim_break(&claim));
    tb_claim_end(&claim);
    assert_true(tb_claim_try(&claim));
}

static void claim_whose_number_is_gone_is_broken_once(void **state)
{
    (void)state;
    struct tb_claim claim = {.owner = 0};
    volatile uint64_t number = tb_claim_number();
    volatile uint64_t another = tb_claim_number();
    assert_int_not_equal(number, another);
    assert_true(tb_claim_try(&claim));
    tb_claim_hold(&claim, &number);
    number = 0;
    assert_true(tb_claim_break(&claim));
    assert_false(tb_claim_break(&claim));
    tb_claim_hold(&claim, &another);
    assert_false(tb_claim_break(&claim));
}

static void claim_on_a_stack_that_was_unmapped_is_broken(void **state)
{
    (void)state;
    struct tb_claim claim = {.owner = 0};
    assert_true(tb_claim_try(&claim));
    volatile uint64_t number = tb_claim_number();
    tb_claim_hold(&claim, &number);
    atomic_store(&claim.number_at, 16);
    assert_true(tb_claim_break(&claim));
}

static void *break_it(void *claim)
{
    return tb_claim_break(claim) ? claim : NULL;
}

static void claim_of_another_thread_is_left_alone(void **state)
{
    (void)state;
    struct tb_claim claim = {.owner = 0};
    volatile uint64_t number = tb_claim_number();
    pthread_t thread;
    void *broken;
    assert_true(tb_claim_try(&claim));
    tb_claim_hold(&claim, &number);
    number = 0;
    assert_int_equal(pthread_create(&thread, NULL, break_it, &claim), 0);
    pthread_join(thread, &broken);
    assert_null(broken);
    assert_true(tb_claim_break(&claim));
}

static void *claim_it(void *claim)
{
    return tb_claim_try(claim) ? claim : NULL;
}

static void fork_child_ends_the_claims_of_others_alone(void **state)
{
    (void)state;
    struct tb_claim own = {.owner = 0};
    struct tb_claim other = {.owner = 0};
    pthread_t thread;
    void *claimed;
    assert_true(tb_claim_try(&own));
    assert_int_equal(pthread_create(&thread, NULL, claim_it, &other), 0);
    pthread_join(thread, &claimed);
    assert_ptr_equal(claimed, &other);
    tb_claim_forked(&own);
    tb_claim_forked(&other);
    assert_false(tb_claim_try(&own));
    assert_true(tb_claim_try(&other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claim_is_had_by_one),
        cmocka_unit_test(claim_whose_number_is_gone_is_broken_once),
        cmocka_unit_test(claim_on_a_stack_that_was_unmapped_is_broken),
        cmocka_unit_test(claim_of_another_thread_is_left_alone),
        cmocka_unit_test(fork_child_ends_the_claims_of_others_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
