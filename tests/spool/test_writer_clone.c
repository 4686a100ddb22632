/* Writers beside clones: processes that share the memory, the descriptors, both or neither. */
#include "support.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#if defined(__SANITIZE_THREAD__)
enum { KNOWS_CLONES = 0 };
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
enum { KNOWS_CLONES = 0 };
#else
enum { KNOWS_CLONES = 1 };
#endif
#else
enum { KNOWS_CLONES = 1 };
#endif

enum { N = 3000, FIRST = 2 * N, N_ALL, STACK_BYTES = 128 << 10 };

static struct tb_writer writer;
static uint8_t acked[N_ALL]; /* each byte has one writer */

/* Uses no thread-local memory, which a clone shares with its parent. Less than a file altogether.
 */
static void write_some(struct tb_writer *to, uint64_t base, uint64_t n)
{
    for (uint64_t i = base; i < base + n; i++) {
        uint8_t data[700];
        uint8_t uuid[16] = {0};
        size_t len = 8 + i * 7 % 600;
        tb_put64(uuid, i);
        make_payload(i, data, len);
        struct tb_append record = {
            .kind = TB_KIND_ITEM, .uuid = uuid, .time_ns = i + 1, .data = data, .len = len};
        acked[i] = tb_writer_append(to, &record) == 0;
    }
}

static int write_in_clone(void *arg)
{
    (void)arg;
    write_some(&writer, N, N);
    (void)syscall(SYS_exit, 0);
    return 0;
}

static void assert_all_are_there(struct fixture *fixture, size_t n_want)
{
    static uint8_t seen[N_ALL];
    memset(seen, 0, sizeof(seen));
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, sizeof(seen), 1), n_want);
    assert_memory_equal(seen, acked, sizeof(seen));
    assert_int_equal(stats_of(fixture).n_damaged, 0);
    assert_int_equal(stats_of(fixture).n_lost, 0);
    (void)tb_spool_collect(fixture->spool);
    close_spool(fixture);
}

static void start_beside(struct fixture *fixture, int flags)
{
    int status;
    if (!KNOWS_CLONES) {
        print_message("this sanitizer does not know clones: skipped\n");
        skip();
    }
    memset(acked, 0, sizeof(acked));
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    write_some(&writer, FIRST, 1); /* now both have the file */
    void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    assert_true(stack != MAP_FAILED);
    int pid = clone(write_in_clone, (uint8_t *)stack + STACK_BYTES, flags | SIGCHLD, NULL);
    assert_true(pid > 0);
    write_some(&writer, 0, N);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    munmap(stack, STACK_BYTES);
    tb_writer_close(&writer);
    assert_all_are_there(fixture, N_ALL);
}

static void a_clone_that_shares_memory_and_files_writes_side_by_side(void **state)
{
    start_beside(*state, CLONE_VM | CLONE_FILES);
}

static void a_clone_that_shares_memory_alone_writes_side_by_side(void **state)
{
    start_beside(*state, CLONE_VM);
}

static void a_vfork_child_writes_in_its_parents_file(void **state)
{
    start_beside(*state, CLONE_VM | CLONE_VFORK);
    assert_int_equal(count_files(*state, "in", ".seg"), 0);
}

/* The file that it opens is gone with it: the parent notices, and opens one. */
static void a_vfork_child_that_opened_the_file_leaves_a_whole_one(void **state)
{
    struct fixture *fixture = *state;
    int status;
    if (!KNOWS_CLONES) {
        print_message("this sanitizer does not know clones: skipped\n");
        skip();
    }
    memset(acked, 0, sizeof(acked));
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    assert_true(stack != MAP_FAILED);
    int pid = clone(write_in_clone, (uint8_t *)stack + STACK_BYTES,
                    CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    munmap(stack, STACK_BYTES);
    assert_int_equal(count_files(fixture, "in", ".seg"), 1);
    write_some(&writer, 0, N);
    tb_writer_close(&writer);
    assert_int_equal(count_files(fixture, "in", ".seg"), 2);
    assert_all_are_there(fixture, 2 * N);
}

/* Memory of its own, and nobody tells it but forget. The files may be shared or not. */
static void a_clone_with_memory_of_its_own_writes_its_own_file(void **state)
{
    struct fixture *fixture = *state;
    int status;
    memset(acked, 0, sizeof(acked));
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    write_some(&writer, FIRST, 1);
    long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    assert_true(pid >= 0);
    if (pid == 0) {
        tb_writer_forget(&writer);
        write_some(&writer, N, N);
        int bad = 0;
        for (int i = N; i < 2 * N; i++)
            bad |= !acked[i];
        (void)syscall(SYS_exit_group, bad);
    }
    write_some(&writer, 0, N);
    assert_int_equal(waitpid((pid_t)pid, &status, 0), pid);
    assert_int_equal(status, 0);
    memset(acked + N, 1, N);
    tb_writer_close(&writer);
    assert_int_equal(count_files(fixture, "in", ".seg"), 2);
    assert_all_are_there(fixture, N_ALL);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_clone_that_shares_memory_and_files_writes_side_by_side),
        CASE(a_clone_that_shares_memory_alone_writes_side_by_side),
        CASE(a_vfork_child_writes_in_its_parents_file),
        CASE(a_vfork_child_that_opened_the_file_leaves_a_whole_one),
        CASE(a_clone_with_memory_of_its_own_writes_its_own_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
