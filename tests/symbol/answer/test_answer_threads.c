/* test_answer_threads.c - what of the other threads is in an answer, with few, many and false ones.
 */
#include "support.h"

#include "base/clock.h"
#include "base/pack.h"
#include "stopped.h"

enum {
    N_MANY = 1000,
    MANY_BITS = 10, /* tells N_MANY stacks apart */
    MANY_BYTES = 24 << 10,
};

static void frames_of_threads_have_no_source_and_no_build_id(void **state)
{
    (void)state;
    struct tb_crash crash = crash_with(captured, N_THREADS);
    cJSON *answer = ask_crash(&crash);
    const cJSON *waits = frame_of(group_with(answer, captured[0].tid), "wait_for_work");
    assert_null(cJSON_GetObjectItem(waits, "code"));
    assert_null(cJSON_GetObjectItem(waits, "context"));
    assert_null(cJSON_GetObjectItem(waits, "build_id"));
    /* The library is only in stacks of threads, and is listed with its build id. */
    assert_string_not_equal(symbols_of(answer, "libc.so.6"), "");
    cJSON_Delete(answer);
}

static void the_crash_is_the_same_with_and_without_threads(void **state)
{
    (void)state;
    struct tb_crash crash = crash_with(captured, N_THREADS);
    cJSON *with = ask_crash(&crash);
    crash.n_threads = 0;
    cJSON *without = ask_crash(&crash);
    assert_null(threads_of(without));
    assert_true(cJSON_Compare(cJSON_GetObjectItem(with, "frames"),
                              cJSON_GetObjectItem(without, "frames"), true));
    assert_string_equal(text_of(with, "unwound_by"), text_of(without, "unwound_by"));
    cJSON_Delete(with);
    cJSON_Delete(without);
}

/* ---- many ---- */

static struct tb_crash_thread many[N_MANY];
static uint8_t *many_stacks;
static uint64_t many_top;

__attribute__((noinline)) static void take_context(size_t i)
{
    ucontext_t context;
    struct tb_crash_thread *thread = &many[i];
    assert_int_equal(getcontext(&context), 0);
    struct tb_unwind_regs regs = live_regs(&context);
    *thread = (struct tb_crash_thread){.tid = (uint32_t)i + 1, .stack_address = regs.sp};
    thread->regs[REG_RIP] = regs.ip;
    thread->regs[REG_RSP] = regs.sp;
    thread->regs[REG_RBP] = regs.bp;
    thread->stack = many_stacks + i * MANY_BYTES;
    thread->stack_len = many_top - regs.sp < MANY_BYTES ? many_top - regs.sp : MANY_BYTES;
    thread->flags = TB_CRASH_STACK_CUT;
    assert_int_equal(live_read(NULL, regs.sp, many_stacks + i * MANY_BYTES, thread->stack_len), 0);
}

static void turn_right(size_t i, int depth);

/* The path through these two tells the stacks apart. */
__attribute__((noinline)) static void turn_left(size_t i, int depth)
{
    if (depth == 0)
        take_context(i);
    else if (i >> (depth % MANY_BITS) & 1)
        turn_right(i, depth - 1);
    else
        turn_left(i, depth - 1);
    sink++;
}

__attribute__((noinline)) static void turn_right(size_t i, int depth)
{
    if (depth == 0)
        take_context(i);
    else if (i >> (depth % MANY_BITS) & 1)
        turn_right(i, depth - 1);
    else
        turn_left(i, depth - 1);
    sink--;
}

static void make_many(void)
{
    many_stacks = calloc(N_MANY, MANY_BYTES);
    assert_non_null(many_stacks);
    many_top = (uint64_t)(uintptr_t)__builtin_frame_address(0);
    for (size_t i = 0; i < N_MANY; i++)
        turn_left(i, 28);
}

static void a_thousand_different_stacks_take_what_the_crash_leaves(void **state)
{
    (void)state;
    make_many();
    struct tb_crash crash = crash_with(many, N_MANY);
    uint64_t start_ns = tb_clock_mono_ns();
    cJSON *answer = ask_crash(&crash);
    print_message("%d threads of 30 frames: %d ms\n", N_MANY,
                  (int)((tb_clock_mono_ns() - start_ns) / TB_NS_PER_MS));
    int n_whole = 0;
    int n_short = 0;
    const cJSON *group;
    cJSON_ArrayForEach(group, threads_of(answer))
    {
        int n_omitted = number_of(group, "frames_omitted");
        assert_int_equal(n_frames_of(group) == 10, n_omitted > 0);
        n_whole += n_omitted == 0;
        n_short += n_omitted > 0;
        assert_string_equal(text_of(frame_at(group, 0), "method"), "take_context");
    }
    assert_true(n_whole > 10);
    assert_true(n_short > 10);
    assert_true(number_of(answer, "threads_omitted") > 0);
    assert_int_equal(count_threads(answer), N_MANY);
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "crash_with");
    assert_string_not_equal(symbols_of(answer, "symbol_test_answer_threads"), "");
    cJSON_Delete(answer);
    free(many_stacks);
}

/* The crash, with as much room as it takes and some more. */
static cJSON *ask_within(const struct tb_crash *crash, size_t cap)
{
    static char reply[REPLY_BYTES];
    struct tb_json json;
    assert_true(cap <= sizeof(reply));
    tb_json_init(&json, reply, cap);
    assert_int_equal(tb_symbol_crash(&config, &process, crash, &json), 0);
    assert_int_equal(tb_json_finish(&json), 0);
    cJSON *answer = cJSON_Parse(reply);
    assert_non_null(answer);
    return answer;
}

static void a_crash_that_fills_the_answer_loses_nothing_to_threads(void **state)
{
    (void)state;
    struct tb_crash crash = crash_with(captured, 0);
    static char reply[REPLY_BYTES];
    struct tb_json json;
    tb_json_init(&json, reply, sizeof(reply));
    assert_int_equal(tb_symbol_crash(&config, &process, &crash, &json), 0);
    assert_int_equal(tb_json_finish(&json), 0);
    cJSON *alone = cJSON_Parse(reply);
    int n_with = 0;
    int n_without = 0;
    crash.n_threads = N_THREADS;
    for (size_t more = 8; more < 24 << 10; more += more < 512 ? 24 : 1009) {
        cJSON *answer = ask_within(&crash, json.len + more);
        assert_true(cJSON_Compare(cJSON_GetObjectItem(answer, "frames"),
                                  cJSON_GetObjectItem(alone, "frames"), true));
        if (cJSON_HasObjectItem(answer, "threads"))
            assert_int_equal(count_threads(answer), N_THREADS);
        n_with += cJSON_GetArraySize(threads_of(answer)) == 3;
        n_without += !cJSON_HasObjectItem(answer, "threads");
        cJSON_Delete(answer);
    }
    assert_true(n_with > 0);
    assert_true(n_without > 0);
    cJSON_Delete(alone);
}

static void fifty_of_one_pool_are_kept_before_single_ones(void **state)
{
    (void)state;
    struct tb_crash_thread threads[60];
    for (size_t i = 0; i < 60; i++) {
        threads[i] = captured[i < 5 ? DIVER : i < 10 ? SPINNER : 0];
        threads[i].tid = (uint32_t)i + 1;
    }
    struct tb_crash crash = crash_with(threads, 60);
    cJSON *answer = ask_crash(&crash);
    static const int first[] = {11, 6, 1}; /* as many threads: the shorter stack first */
    assert_int_equal(cJSON_GetArraySize(threads_of(answer)), 3);
    for (int g = 0; g < 3; g++) {
        const cJSON *tids = cJSON_GetObjectItem(cJSON_GetArrayItem(threads_of(answer), g), "tids");
        assert_int_equal(cJSON_GetArraySize(tids), g == 0 ? 50 : 5);
        assert_int_equal(cJSON_GetArrayItem(tids, 0)->valueint, first[g]);
    }
    cJSON_Delete(answer);
}

static uint64_t random_u64(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005 + 1442695040888963407;
    return *seed ^ (*seed >> 29);
}

static void threads_that_lie_cost_the_crash_nothing(void **state)
{
    enum { N_LIARS = 1000, LIAR_BYTES = 640 };
    (void)state;
    struct tb_crash_thread *liars = calloc(N_LIARS, sizeof(*liars));
    uint8_t *bytes = calloc(N_LIARS, LIAR_BYTES);
    uint64_t seed = 7;
    assert_non_null(liars);
    assert_non_null(bytes);
    for (size_t i = 0; i < N_LIARS; i++) {
        struct tb_crash_thread *liar = &liars[i];
        *liar = captured[i % N_THREADS];
        liar->tid = (uint32_t)i + 1;
        liar->flags = (uint32_t)random_u64(&seed);
        memset(liar->name, (int)random_u64(&seed) | 1, sizeof(liar->name) - 1);
        liar->stack = bytes + i * LIAR_BYTES;
        liar->stack_len = random_u64(&seed) % (LIAR_BYTES + 1);
        /* Words that look like code, so that guesses find something. */
        for (size_t w = 0; w + 8 <= LIAR_BYTES; w += 8)
            tb_put64(bytes + i * LIAR_BYTES + w,
                     captured[i % N_THREADS].regs[REG_RIP] + random_u64(&seed) % 4096);
        if (i % 3 == 0)
            liar->stack_address = liar->regs[REG_RSP] = UINT64_MAX - random_u64(&seed) % 1024;
        else
            liar->stack_address = liar->regs[REG_RSP];
        if (i % 5 == 0)
            liar->regs[REG_RBP] = liar->regs[REG_RSP] + random_u64(&seed) % 256;
        if (i % 7 == 0)
            liar->regs[REG_RIP] += random_u64(&seed) % 100000;
        if (i % 11 == 0)
            liar->stack_address = UINT64_MAX;
    }
    struct tb_crash crash = crash_with(liars, N_LIARS);
    uint64_t start_ns = tb_clock_mono_ns();
    cJSON *answer = ask_crash(&crash);
    print_message("%d threads that lie: %d ms\n", N_LIARS,
                  (int)((tb_clock_mono_ns() - start_ns) / TB_NS_PER_MS));
    assert_int_equal(count_threads(answer), N_LIARS);
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "crash_with");
    cJSON_Delete(answer);
    free(bytes);
    free(liars);
}

static void a_death_that_nobody_saw_has_an_answer(void **state)
{
    (void)state;
    struct tb_crash crash = {0};
    struct tb_crash_thread empty = {.tid = 1};
    cJSON *answer = ask_crash(&crash);
    assert_null(threads_of(answer));
    cJSON_Delete(answer);
    crash.threads = &empty;
    crash.n_threads = 1;
    answer = ask_crash(&crash);
    assert_int_equal(count_threads(answer), 1);
    cJSON_Delete(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_threads_have_no_source_and_no_build_id),
        cmocka_unit_test(the_crash_is_the_same_with_and_without_threads),
        cmocka_unit_test(a_thousand_different_stacks_take_what_the_crash_leaves),
        cmocka_unit_test(a_crash_that_fills_the_answer_loses_nothing_to_threads),
        cmocka_unit_test(fifty_of_one_pool_are_kept_before_single_ones),
        cmocka_unit_test(threads_that_lie_cost_the_crash_nothing),
        cmocka_unit_test(a_death_that_nobody_saw_has_an_answer),
    };
    return cmocka_run_group_tests(tests, capture_all, tear_down);
}
