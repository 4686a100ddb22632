/* The writer: what it acknowledged is on disk, whoever else writes, dies, forks or steals. */
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "clock.h"

enum {
    N_THREADS = 4,
    PER_THREAD = 2000,
    HANDLER_BASE = N_THREADS * PER_THREAD,
    HANDLER_MAX = 5000
};

static struct tb_writer shared;
static atomic_uchar acked[HANDLER_BASE + HANDLER_MAX];
static atomic_uint n_handler;

static void on_alarm(int signo)
{
    (void)signo;
    static const uint8_t payload[64] = "written by a signal handler";
    int kept = errno;
    unsigned n = atomic_fetch_add(&n_handler, 1);
    uint8_t uuid[16] = {0};
    tb_put64(uuid, HANDLER_BASE + n);
    struct tb_append record = {
        .kind = TB_KIND_DROPCOUNT, .uuid = uuid, .data = payload, .len = sizeof(payload)};
    if (n < HANDLER_MAX && tb_writer_append(&shared, &record) == 0)
        atomic_store(&acked[HANDLER_BASE + n], 1);
    errno = kept;
}

static void *write_many(void *arg)
{
    uint64_t base = (uint64_t)(uintptr_t)arg * PER_THREAD;
    for (uint64_t i = 0; i < PER_THREAD; i++) {
        if (append_sized(&shared, base + i, 8 + (base + i) * 13 % 3000) == 0)
            atomic_store(&acked[base + i], 1);
    }
    return NULL;
}

static void set_alarm(suseconds_t every_us)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval timer = {{0, every_us}, {0, every_us}};
    sigemptyset(&action.sa_mask);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void threads_and_a_signal_handler_lose_nothing_that_was_acknowledged(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[N_THREADS];
    static uint8_t seen[HANDLER_BASE + HANDLER_MAX];
    tb_writer_init(&shared, TB_CLASS_WARNING, fixture->dirfd);
    set_alarm(300);
    for (uintptr_t i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, (void *)i), 0);
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    set_alarm(0);
    tb_writer_close(&shared);

    struct tb_spool_record record;
    open_spool(fixture);
    while (tb_spool_next(fixture->spool, &record) == 0) {
        uint64_t n = tb_get64(record.uuid);
        assert_true(n < sizeof(seen));
        if (n < HANDLER_BASE)
            assert_int_equal(check_record(&record), n);
        else
            assert_int_equal(record.kind, TB_KIND_DROPCOUNT);
        seen[n]++;
    }
    unsigned n_acked = 0;
    for (size_t n = 0; n < sizeof(seen); n++) {
        assert_int_equal(seen[n], acked[n]);
        n_acked += acked[n];
    }
    assert_true(n_acked > HANDLER_BASE / 2);
    assert_true(atomic_load(&n_handler) > 0);
    assert_int_equal(stats_of(fixture).n_damaged, 0);
    assert_int_equal(stats_of(fixture).n_lost, 0);
}

/* What a process that will be killed leaves behind in shared memory. */
struct promise {
    atomic_ulong started; /* it runs */
    atomic_ulong n_acked; /* records 0 .. n_acked - 1 were acknowledged */
};

static void write_until_killed(int dirfd, struct promise *promise)
{
    struct tb_writer writer;
    tb_writer_init(&writer, TB_CLASS_ERROR, dirfd);
    atomic_store(&promise->started, 1);
    for (uint64_t n = 0;; n++) {
        size_t len = n % 16 == 0 ? 60000 : 100 + n * 97 % 9000;
        if (append_sized(&writer, n, len) < 0)
            _exit(1);
        atomic_store(&promise->n_acked, n + 1);
    }
}

/* Lets the writer run for that long; every other time it is read meanwhile, while it writes. */
static size_t run_for(struct fixture *fixture, uint64_t ns, int read, uint8_t *seen, size_t n_seen)
{
    uint64_t until = tb_clock_mono_ns() + ns;
    size_t n = 0;
    do {
        struct tb_spool_record record;
        if (!read || tb_spool_next(fixture->spool, &record) < 0) {
            sched_yield();
            continue;
        }
        uint64_t number = check_record(&record);
        assert_true(number < n_seen);
        seen[number]++;
        tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
        n++;
    } while (tb_clock_mono_ns() < until);
    return n;
}

static void killed_writers_lose_no_acknowledged_record(void **state)
{
    struct fixture *fixture = *state;
    enum { N_KILLS = 30, N_KILLS_LONG = 500, MAX_RECORDS = 200000 };
    unsigned n_kills = getenv("TOWBAR_LONG") ? N_KILLS_LONG : N_KILLS;
    struct promise *promise =
        mmap(NULL, sizeof(*promise), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(promise != MAP_FAILED);
    uint8_t *seen = malloc(MAX_RECORDS);
    size_t n_all = 0;
    open_spool(fixture);
    for (unsigned kill_number = 0; kill_number < n_kills; kill_number++) {
        memset(promise, 0, sizeof(*promise));
        memset(seen, 0, MAX_RECORDS);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            write_until_killed(fixture->dirfd, promise);
        while (!atomic_load(&promise->started))
            sched_yield();
        uint64_t moment_ns = kill_number * 7919 % 97 * (uint64_t)500000;
        size_t n = run_for(fixture, moment_ns, kill_number % 2, seen, MAX_RECORDS);
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        n += drain(fixture->spool, seen, MAX_RECORDS, 1);
        for (size_t i = 0; i < atomic_load(&promise->n_acked); i++)
            assert_int_equal(seen[i], 1);
        assert_in_range(n, promise->n_acked, promise->n_acked + 1);
        n_all += n;
        (void)tb_spool_collect(fixture->spool);
    }
    /* One that died between creating its file and the header leaves it empty: it is given time. */
    pass_ms(6000);
    (void)drain(fixture->spool, seen, MAX_RECORDS, 1);
    (void)tb_spool_collect(fixture->spool);
    assert_int_equal(count_files(fixture, "in", ".seg"), 0);
    assert_int_equal(stats_of(fixture).n_quarantined, 0);
    assert_true(n_all > n_kills);
    free(seen);
    munmap(promise, sizeof(*promise));
}

static void a_fork_child_writes_a_file_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    struct tb_writer writer;
    uint8_t seen[4] = {0};
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append(&writer, 0), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int old_fd = tb_writer_fd(&writer);
        tb_writer_forget(&writer);
        int closed = fcntl(old_fd, F_GETFD) < 0;
        int err = append(&writer, 1);
        tb_writer_close(&writer);
        _exit(closed && err == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(append(&writer, 2), 0);
    assert_int_equal(count_files(fixture, "in", ".seg"), 2);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 4, 1), 3);
    assert_memory_equal(seen, "\1\1\1\0", 4);
    assert_int_equal(tb_spool_collect(fixture->spool), 1); /* the child's; the parent lives */
    tb_writer_close(&writer);
}

static void files_are_rotated_and_sealed_when_full(void **state)
{
    struct fixture *fixture = *state;
    enum { N = 40, LEN = 400000 };
    struct tb_writer writer;
    uint8_t seen[N] = {0};
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    for (uint64_t n = 0; n < N; n++)
        assert_int_equal(append_sized(&writer, n, LEN), 0);
    assert_int_equal(append_sized(&writer, N, TB_PAYLOAD_MAX_BYTES + 1), -EMSGSIZE);
    assert_int_equal(count_files(fixture, "in", ".seg"), 4);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, N, 1), N);
    assert_int_equal(tb_spool_collect(fixture->spool), 3);
    tb_writer_close(&writer);
    assert_int_equal(drain(fixture->spool, seen, N, 1), 0);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    for (int n = 0; n < N; n++)
        assert_int_equal(seen[n], 1);
    assert_int_equal(stats_of(fixture).n_lost, 0);
    assert_int_equal(stats_of(fixture).n_damaged, 0);
}

static void room_is_taken_beforehand_and_doubles(void **state)
{
    struct fixture *fixture = *state;
    struct tb_writer writer;
    struct stat st;
    uint64_t sizes[8] = {0};
    size_t n_sizes = 0;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    for (uint64_t n = 0; n < 400; n++) {
        assert_int_equal(append_sized(&writer, n, 10000), 0);
        assert_int_equal(fstat(tb_writer_fd(&writer), &st), 0);
        if (n_sizes == 0 || sizes[n_sizes - 1] != (uint64_t)st.st_size)
            sizes[n_sizes++] = (uint64_t)st.st_size;
        assert_in_range(n_sizes, 1, 5);
    }
    assert_int_equal(n_sizes, 5);
    for (size_t i = 0; i < n_sizes; i++)
        assert_int_equal(sizes[i], (256 << 10) << i);
    tb_writer_close(&writer);
}

static void the_largest_record_fits(void **state)
{
    struct fixture *fixture = *state;
    struct tb_writer writer;
    uint8_t seen[1] = {0};
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append_sized(&writer, 0, TB_PAYLOAD_MAX_BYTES), 0);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 1, 1), 1);
    tb_writer_close(&writer);
}

static int append_with_context(struct tb_writer *writer, uint64_t generation, const char *context)
{
    struct tb_append record = {.kind = TB_KIND_NATIVE,
                               .data = "{}",
                               .len = 2,
                               .context = context,
                               .context_len = strlen(context),
                               .generation = generation};
    return tb_writer_append(writer, &record);
}

static void assert_context(struct fixture *fixture, const struct tb_spool_record *record,
                           uint64_t generation, const char *want)
{
    const uint8_t *data;
    size_t len;
    assert_int_equal(tb_spool_context(fixture->spool, record, generation, &data, &len), 0);
    assert_int_equal(len, strlen(want));
    assert_memory_equal(data, want, len);
}

static void each_file_has_the_process_record_of_each_generation_once(void **state)
{
    struct fixture *fixture = *state;
    struct tb_writer writer;
    struct tb_spool_record record;
    const uint8_t *data;
    size_t len;
    struct stat before;
    struct stat after;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append_with_context(&writer, 7, "seven"), 0);
    assert_int_equal(append_with_context(&writer, 7, "seven again"), 0);
    assert_int_equal(append_with_context(&writer, 9, "nine, and not a multiple of eight"), 0);
    open_spool(fixture);
    fstat(tb_writer_fd(&writer), &before);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        assert_int_equal(record.kind, TB_KIND_NATIVE);
        assert_context(fixture, &record, 7, "seven");
        assert_context(fixture, &record, 0, i < 2 ? "seven" : "nine, and not a multiple of eight");
        assert_int_equal(tb_spool_context(fixture->spool, &record, 8, &data, &len), -ENOENT);
    }
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    /* A new file begins with it again. */
    tb_writer_close(&writer);
    assert_int_equal(append_with_context(&writer, 9, "nine"), 0);
    fstat(tb_writer_fd(&writer), &after);
    assert_true(before.st_ino != after.st_ino);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_context(fixture, &record, 9, "nine");
    tb_writer_close(&writer);
    assert_int_equal(stats_of(fixture).n_damaged, 0);
}

static void a_descriptor_that_the_host_reused_is_left_alone(void **state)
{
    struct fixture *fixture = *state;
    struct tb_writer writer;
    uint8_t seen[3] = {0};
    char stolen_path[96];
    char content[8];
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append(&writer, 0), 0);
    int fd = tb_writer_fd(&writer);
    (void)snprintf(stolen_path, sizeof(stolen_path), "%s/database", fixture->path);
    int database = open(stolen_path, O_RDWR | O_CREAT, 0600);
    assert_int_equal(write(database, "precious", 8), 8);
    assert_int_equal(dup2(database, fd), fd); /* closes ours */
    assert_int_equal(append(&writer, 1), 0);
    assert_int_not_equal(tb_writer_fd(&writer), fd);
    close(tb_writer_fd(&writer));
    assert_int_equal(append(&writer, 2), 0);
    tb_writer_close(&writer);
    assert_true(fcntl(fd, F_GETFD) >= 0); /* nor was it closed */
    assert_int_equal(pread(database, content, 8, 0), 8);
    assert_memory_equal(content, "precious", 8);
    assert_int_equal(lseek(database, 0, SEEK_END), 8);
    close(fd);
    close(database);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 3, 1), 3);
    assert_int_equal(tb_spool_collect(fixture->spool), 3);
}

static void a_folder_that_the_host_closed_is_not_written_to(void **state)
{
    struct fixture *fixture = *state;
    struct tb_writer writer;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    int other = open("/tmp", O_PATH | O_DIRECTORY);
    dup2(other, fixture->dirfd);
    close(other);
    assert_int_equal(append(&writer, 0), -ESTALE);
    close(fixture->dirfd);
    assert_int_equal(append(&writer, 0), -ESTALE);
    assert_int_equal(tb_writer_fd(&writer), -1);
    fixture->dirfd = -1;
}

static void a_writer_goes_on_in_the_folder_it_is_moved_to(void **state)
{
    struct fixture *fixture = *state;
    struct tb_writer writer;
    uint8_t seen[2] = {0};
    tb_writer_init(&writer, TB_CLASS_ERROR, -1);
    assert_int_equal(append(&writer, 0), -ESTALE);
    assert_int_equal(tb_writer_move(&writer, fixture->dirfd), 0);
    assert_int_equal(append(&writer, 0), 0);
    assert_int_equal(tb_writer_move(&writer, -1), 0);
    assert_int_equal(append(&writer, 1), 0); /* the file that is open needs no folder */
    tb_writer_close(&writer);
    assert_int_equal(append(&writer, 2), -ESTALE);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 2, 1), 2);
}

static void a_file_size_limit_is_kept_without_a_signal(void **state)
{
    struct fixture *fixture = *state;
    struct tb_writer writer;
    uint8_t seen[20] = {0};
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append_sized(&writer, 0, 100), 0);
    pid_t child = fork();
    if (child == 0) {
        /* SIGXFSZ would end this child: it is not ignored. */
        tb_writer_forget(&writer);
        struct rlimit limit = {50000, 50000};
        setrlimit(RLIMIT_FSIZE, &limit);
        int failed = append_sized(&writer, 1, 60000) != -EFBIG;
        for (uint64_t n = 2; n < 20; n++)
            failed |= append_sized(&writer, n, 9000) != 0;
        limit.rlim_cur = 0;
        setrlimit(RLIMIT_FSIZE, &limit);
        failed |= append_sized(&writer, 1, 100) != -EFBIG;
        tb_writer_close(&writer);
        _exit(failed);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    tb_writer_close(&writer);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 20, 1), 19);
    assert_int_equal(stats_of(fixture).n_lost, 0);
    assert_int_equal(stats_of(fixture).n_damaged, 0);
}

static void the_agents_group_may_read_whatever_the_umask(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t boot[16];
    struct tb_writer writer;
    struct tb_slot slot;
    struct stat st;
    mode_t mask = umask(077);
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append(&writer, 0), 0);
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, boot, 0), 0);
    umask(mask);
    assert_int_equal(fstat(tb_writer_fd(&writer), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(fstat(slot.fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    tb_writer_close(&writer);
    tb_slot_close(&slot, 1);
}

static void an_unwritable_folder_says_so(void **state)
{
    struct fixture *fixture = *state;
    struct tb_writer writer;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    char in[80];
    (void)snprintf(in, sizeof(in), "%s/in", fixture->path);
    rmdir(in);
    assert_int_equal(append(&writer, 0), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            threads_and_a_signal_handler_lose_nothing_that_was_acknowledged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(killed_writers_lose_no_acknowledged_record, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_fork_child_writes_a_file_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_are_rotated_and_sealed_when_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(room_is_taken_beforehand_and_doubles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_largest_record_fits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_file_has_the_process_record_of_each_generation_once,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_descriptor_that_the_host_reused_is_left_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_writer_goes_on_in_the_folder_it_is_moved_to, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_folder_that_the_host_closed_is_not_written_to, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_size_limit_is_kept_without_a_signal, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_agents_group_may_read_whatever_the_umask, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_unwritable_folder_says_so, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
