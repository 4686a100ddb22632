/* Tags and alternate stacks of threads. */
#include "rig.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/prctl.h>

#include "capture/crash/block.h"
#include "capture/threads/thread.h"
#include "towbar/towbar.h"

/* AddressSanitizer would give every thread an alternate stack of its own. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "use_sigaltstack=0";
}

static void assert_scopes(const char *expected, size_t len)
{
    char text[TB_SCOPES_BYTES];
    assert_int_equal(tb_thread_scopes(text, sizeof(text)), len);
    assert_memory_equal(text, expected, len);
}

static void tags_form_a_stack(void **state)
{
    (void)state;
    assert_scopes("", 0);
    int before = towbar_scope_push("a", "%d", 1);
    assert_int_equal(before, 0);
    assert_int_equal(towbar_scope_push("b", "%s", "two"), 1);
    assert_scopes("a\0001\0b\0two", 10);
    {
        TOWBAR_SCOPE("c", "3");
        assert_scopes("a\0001\0b\0two\0c\0003", 14);
    }
    assert_scopes("a\0001\0b\0two", 10);
    towbar_scope_pop(1);
    assert_scopes("a\0001", 4);
    towbar_scope_pop(before);
    assert_scopes("", 0);
    towbar_scope_pop(7); /* deeper than it is: nothing */
    assert_scopes("", 0);
}

static void seventeenth_tag_is_counted_but_not_kept(void **state)
{
    (void)state;
    char text[TB_SCOPES_BYTES];
    for (int i = 0; i < 20; i++)
        assert_int_equal(towbar_scope_push("k", "%d", i), i);
    assert_int_equal(tb_thread_scopes(text, sizeof(text)), 10 * 4 + 6 * 5);
    towbar_scope_pop(17);
    assert_int_equal(tb_thread_scopes(text, sizeof(text)), 10 * 4 + 6 * 5);
    towbar_scope_pop(2);
    assert_scopes("k\0000\0k\0001", 8);
    towbar_scope_pop(0);
}

static void long_tag_is_cut_between_characters(void **state)
{
    (void)state;
    char text[TB_SCOPES_BYTES];
    char value[301];
    for (size_t i = 0; i < 300; i += 3)
        memcpy(value + i, "\xe2\x82\xac", 3); /* euro sign */
    value[300] = '\0';
    TOWBAR_SCOPE("k", "%s", value);
    size_t len = tb_thread_scopes(text, sizeof(text));
    assert_int_equal(len, 2 + 198 + 1);
    assert_memory_equal(text + 2, value, 198);
    assert_int_equal(text[len - 1], '\0');
}

static void too_little_room_leaves_whole_tags(void **state)
{
    (void)state;
    char text[8];
    TOWBAR_SCOPE("a", "1");
    TOWBAR_SCOPE("b", "234");
    assert_int_equal(tb_thread_scopes(text, sizeof(text)), 4);
}

static void *enter(void *arg)
{
    char name[16];
    stack_t now;
    int *bad = arg;
    *bad += towbar_thread_enter("worker-%d of many", 3) != 0;
    prctl(PR_GET_NAME, name);
    *bad += strcmp(name, "worker-3 of man") != 0;
    *bad +=
        sigaltstack(NULL, &now) != 0 || (now.ss_flags & SS_DISABLE) || now.ss_size < (256 << 10);
    memset(now.ss_sp, 1, now.ss_size);      /* all of it is there */
    *bad += towbar_thread_enter(NULL) != 0; /* again: the same stack */
    stack_t again;
    *bad += sigaltstack(NULL, &again) != 0 || again.ss_sp != now.ss_sp;
    towbar_scope_push("k", "v");
    return NULL;
}

static size_t count_mappings(void)
{
    size_t n = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    assert_non_null(file);
    for (int c = getc(file); c != EOF; c = getc(file))
        n += c == '\n';
    fclose(file);
    return n;
}

static void run_enter(void)
{
    pthread_t thread;
    int bad = 0;
    assert_int_equal(pthread_create(&thread, NULL, enter, &bad), 0);
    pthread_join(thread, NULL);
    assert_int_equal(bad, 0);
}

static void thread_gets_a_name_and_a_stack_and_leaves_nothing(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip(); /* it maps something for every thread itself */
#endif
    for (int i = 0; i < 3; i++)
        run_enter(); /* the C library keeps a stack of its own for the next thread */
    size_t before = count_mappings();
    for (int i = 0; i < 50; i++)
        run_enter();
    assert_in_range(count_mappings(), before - 20, before + 20);
}

static void *enter_with_own_stack(void *arg)
{
    static char own[1 << 16];
    int *bad = arg;
    stack_t stack = {.ss_sp = own, .ss_size = sizeof(own)};
    stack_t now;
    *bad += sigaltstack(&stack, NULL) != 0;
    *bad += towbar_thread_enter(NULL) != 0;
    *bad += sigaltstack(NULL, &now) != 0 || now.ss_sp != own;
    return NULL;
}

static void stack_that_the_host_set_stays(void **state)
{
    (void)state;
    pthread_t thread;
    int bad = 0;
    assert_int_equal(pthread_create(&thread, NULL, enter_with_own_stack, &bad), 0);
    pthread_join(thread, NULL);
    assert_int_equal(bad, 0);
}

/* ---- blocks of threads that are created (what interpose.c does) ---- */

static int knows(uint32_t tid)
{
    uint32_t ids[TB_THREAD_IDS];
    size_t n = tb_thread_ids(ids, TB_THREAD_IDS);
    int n_found = 0;
    for (size_t i = 0; i < n; i++)
        n_found += ids[i] == tid;
    return n_found;
}

static void *enter_and_look(void *arg)
{
    uint32_t *tid = arg;
    *tid = (uint32_t)gettid();
    if (knows(*tid) != 0 || towbar_thread_enter(NULL) != 0 || knows(*tid) != 1)
        *tid = 0;
    return NULL;
}

static void thread_is_known_by_its_id_until_it_ends(void **state)
{
    (void)state;
    pthread_t thread;
    uint32_t tid = 0;
    (void)towbar_thread_enter(NULL);
    assert_int_equal(knows((uint32_t)gettid()), 1);
    assert_int_equal(pthread_create(&thread, NULL, enter_and_look, &tid), 0);
    pthread_join(thread, NULL);
    assert_int_not_equal(tid, 0);
    assert_int_equal(knows(tid), 0);
    assert_int_equal(knows((uint32_t)gettid()), 1);
    assert_int_equal(tb_thread_ids(&tid, 0), 0);
}

static atomic_int n_entered;
static atomic_int may_end;

static void *enter_and_wait(void *arg)
{
    (void)towbar_thread_enter(NULL);
    atomic_fetch_add(&n_entered, 1);
    while (!atomic_load(&may_end))
        sched_yield();
    return arg;
}

static int look_as_child(void)
{
    uint32_t ids[TB_THREAD_IDS];
    size_t n = tb_thread_ids(ids, TB_THREAD_IDS);
    return n == 3 ? 0 : 1;
}

static int look_as_forked_child(void)
{
    uint32_t ids[TB_THREAD_IDS];
    tb_thread_forked();
    return tb_thread_ids(ids, TB_THREAD_IDS) == 1 && ids[0] == (uint32_t)gettid() ? 0 : 1;
}

static int status_of_child(int (*body)(void))
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(body());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void fork_child_knows_itself_alone(void **state)
{
    (void)state;
    pthread_t threads[2];
    (void)towbar_thread_enter(NULL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, enter_and_wait, NULL), 0);
    while (atomic_load(&n_entered) < 2)
        sched_yield();
    assert_int_equal(status_of_child(look_as_child), 0); /* nobody told it yet */
    assert_int_equal(status_of_child(look_as_forked_child), 0);
    atomic_store(&may_end, 1);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

static void nothing_is_prepared_unless_it_is_wanted(void **state)
{
    (void)state;
    assert_null(tb_thread_prepare());
    tb_thread_cover(1);
    struct tb_thread *thread = tb_thread_prepare();
    assert_non_null(thread);
    tb_thread_cover(0);
    assert_null(tb_thread_prepare());
    tb_block_drop(thread);
}

static void *start_with_block(void *block)
{
    struct tb_thread *thread = block;
    stack_t now;
    uint32_t tid = (uint32_t)gettid();
    errno = 77;
    tb_thread_start(thread);
    int is_good = errno == 77 && tb_thread_self(0) == thread && knows(tid) == 1 &&
                  thread->depth == 0 && sigaltstack(NULL, &now) == 0 &&
                  !(now.ss_flags & SS_DISABLE) && (char *)now.ss_sp > thread->map &&
                  (char *)now.ss_sp + now.ss_size <= (char *)thread;
    towbar_scope_push("k", "v");
    return is_good ? thread : NULL;
}

/* Its thread may have a few steps to the end when it is joined. */
static void block_of_an_ended_thread_is_used_again(void **state)
{
    (void)state;
    enum { ROUNDS = 1000 };
    void *blocks[ROUNDS];
    int n = 0;
    tb_thread_cover(1);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t thread;
        void *result = NULL;
        struct tb_thread *block = tb_thread_prepare();
        assert_int_equal(pthread_create(&thread, NULL, start_with_block, block), 0);
        pthread_join(thread, &result);
        assert_ptr_equal(result, block);
        int is_known = 0;
        for (int k = 0; k < n; k++)
            is_known |= blocks[k] == block;
        if (!is_known)
            blocks[n++] = block;
    }
    tb_thread_cover(0);
    assert_in_range(n, 1, 100);
}

/* ---- what a thread may do to its block at its end ---- */

enum { N_PREPARED = 200 };

static pthread_key_t late_key; /* its destructor comes after the library's */

struct ending {
    stack_t stack; /* the library's, that the thread put aside */
    const struct tb_thread *block;
    int is_shared;
    volatile sig_atomic_t n_handled;
};

static struct ending *ending;

static void fill_stack(int signo)
{
    volatile char room[8 << 10];
    for (size_t i = 0; i < sizeof(room); i++)
        room[i] = (char)signo;
    ending->n_handled++;
}

/* More are prepared here than are ever kept: none is this thread's, whose stack is there still. */
static void put_stack_back(void *arg)
{
    struct tb_thread *blocks[N_PREPARED];
    ending = arg;
    for (int i = 0; i < N_PREPARED; i++) {
        blocks[i] = tb_thread_prepare();
        ending->is_shared += blocks[i] == ending->block;
    }
    for (int i = 0; i < N_PREPARED; i++)
        tb_block_drop(blocks[i]);
    (void)sigaltstack(&ending->stack, NULL);
    raise(SIGUSR1);
    (void)sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
}

static void *put_stack_aside(void *arg)
{
    static char own[64 << 10];
    struct ending *mine = arg;
    stack_t stack = {.ss_sp = own, .ss_size = sizeof(own)};
    (void)towbar_thread_enter(NULL);
    mine->block = tb_thread_self(0);
    (void)sigaltstack(&stack, &mine->stack);
    pthread_setspecific(late_key, mine);
    return NULL;
}

static void block_is_nobody_elses_while_its_thread_runs_destructors(void **state)
{
    (void)state;
    pthread_t thread;
    struct ending mine = {.n_handled = 0};
    struct sigaction before;
    struct sigaction action = {.sa_handler = fill_stack, .sa_flags = SA_ONSTACK};
    assert_int_equal(pthread_key_create(&late_key, put_stack_back), 0);
    sigaction(SIGUSR1, &action, &before);
    tb_thread_cover(1);
    assert_int_equal(pthread_create(&thread, NULL, put_stack_aside, &mine), 0);
    pthread_join(thread, NULL);
    tb_thread_cover(0);
    sigaction(SIGUSR1, &before, NULL);
    pthread_key_delete(late_key);
    assert_int_equal(mine.is_shared, 0);
    assert_int_equal(mine.n_handled, 1);
    assert_non_null(mine.block);
    assert_in_range((uintptr_t)mine.stack.ss_sp, (uintptr_t)mine.block->map, (uintptr_t)mine.block);
}

/* ---- mappings ---- */

static void blocks_given_back_leave_no_mappings(void **state)
{
    (void)state;
    struct tb_thread *blocks[N_PREPARED];
    tb_thread_cover(1);
    int before = tb_thread_self(0) != NULL;
    while (tb_block_count() > before) { /* threads that were joined may be at their last step */
        (void)tb_block_give_back(NULL);
        sched_yield();
    }
    assert_int_equal(tb_block_give_back(NULL), 0);
    for (int i = 0; i < N_PREPARED; i++) {
        blocks[i] = tb_thread_prepare();
        assert_non_null(blocks[i]);
    }
    assert_int_equal(tb_block_count(), before + N_PREPARED);
    for (int i = 1; i < N_PREPARED; i++)
        tb_block_drop(blocks[i]);
    assert_int_equal(tb_block_count(), before + 1 + 64); /* the spares */
    errno = 77;
    assert_int_equal(tb_block_give_back(blocks[0]), 1 + 64);
    tb_thread_cover(0);
    assert_int_equal(errno, 77);
    assert_int_equal(tb_block_count(), before);
}

static void guard_below_the_stack_has_64_kib(void **state)
{
    (void)state;
    tb_thread_cover(1);
    struct tb_thread *thread = tb_thread_prepare();
    tb_thread_cover(0);
    char *stack = tb_block_stack(thread);
    int pipe_ends[2];
    assert_true(stack - thread->map >= 64 << 10);
    assert_true((char *)thread - stack >= 256 << 10);
    assert_int_equal(pipe(pipe_ends), 0);
    for (char *at = thread->map; at < stack; at += 4096) /* the kernel reads it, or says EFAULT */
        assert_int_equal(write(pipe_ends[1], at, 1), -1);
    assert_int_equal(write(pipe_ends[1], stack, 1), 1);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    tb_block_drop(thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_form_a_stack),
        cmocka_unit_test(seventeenth_tag_is_counted_but_not_kept),
        cmocka_unit_test(long_tag_is_cut_between_characters),
        cmocka_unit_test(too_little_room_leaves_whole_tags),
        cmocka_unit_test(thread_gets_a_name_and_a_stack_and_leaves_nothing),
        cmocka_unit_test(stack_that_the_host_set_stays),
        cmocka_unit_test(thread_is_known_by_its_id_until_it_ends),
        cmocka_unit_test(fork_child_knows_itself_alone),
        cmocka_unit_test(nothing_is_prepared_unless_it_is_wanted),
        cmocka_unit_test(block_of_an_ended_thread_is_used_again),
        cmocka_unit_test(block_is_nobody_elses_while_its_thread_runs_destructors),
        cmocka_unit_test(blocks_given_back_leave_no_mappings),
        cmocka_unit_test(guard_below_the_stack_has_64_kib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
