/* How processes ended, asked as the pipeline asks; with children that really end so. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/deaths/deaths.h"
#include "agent/deaths/pidfd.h"
#include "agent/deaths/proc.h"
#include "base/clock.h"
#include "base/id.h"
#include "spool/dir.h"
#include "spool/slot.h"
#include "../spool/clock.h"
#include "../support/folder.h"

static const uint64_t long_ns = 3600 * (uint64_t)TB_NS_PER_S;

struct child {
    pid_t pid;
    struct tb_spool_record record; /* what its slot would become */
};

/* Also when the test fails: ctest waits for whoever has its output. */
static int wait_for_signal(void)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        (void)pause();
    return 0;
}

static int exit_at_once(void)
{
    return 7;
}

/* ---- counting ---- */

int __real_tb_pidfd_open(pid_t pid);
int __wrap_tb_pidfd_open(pid_t pid);

static int n_opened;
static int open_failure; /* 0: none */

int __wrap_tb_pidfd_open(pid_t pid)
{
    n_opened++;
    return open_failure != 0 ? open_failure : __real_tb_pidfd_open(pid);
}

static struct child start(int (*body)(void))
{
    struct child child = {.pid = fork()};
    struct tb_proc proc;
    if (child.pid == 0)
        _exit(body());
    assert_int_equal(tb_proc_read(child.pid, &proc), 0);
    child.record = (struct tb_spool_record){.file_id = (uint64_t)child.pid,
                                            .pid = child.pid,
                                            .uid = geteuid(),
                                            .start_ticks = proc.start_ticks,
                                            .is_this_boot = true};
    return child;
}

static struct tb_deaths *new_deaths(uint64_t patience_ns)
{
    struct tb_deaths *deaths = NULL;
    assert_int_equal(tb_deaths_new(NULL, patience_ns, &deaths), 0);
    return deaths;
}

static void end_by(const struct child *child, int signo)
{
    siginfo_t info;
    if (signo != 0)
        assert_int_equal(kill(child->pid, signo), 0);
    assert_int_equal(waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOWAIT), 0);
}

static void zombie_of_the_same_user_tells_its_signal(void **state)
{
    struct tb_deaths *deaths = new_deaths(long_ns);
    struct tb_death death;
    (void)state;
    struct child child = start(wait_for_signal);
    end_by(&child, SIGKILL);
    assert_int_equal(tb_deaths_ask(deaths, &child.record, &death), 0);
    assert_int_equal(death.how, TB_DEATH_SIGNALED);
    assert_int_equal(death.signo, SIGKILL);
    assert_false(death.was_watched);
    (void)waitpid(child.pid, NULL, 0);
    tb_deaths_free(deaths);
}

static void status_of_a_zombie_is_taken_too(void **state)
{
    struct tb_deaths *deaths = new_deaths(long_ns);
    struct tb_death death;
    (void)state;
    struct child child = start(exit_at_once);
    end_by(&child, 0);
    assert_int_equal(tb_deaths_ask(deaths, &child.record, &death), 0);
    assert_int_equal(death.how, TB_DEATH_EXITED);
    (void)waitpid(child.pid, NULL, 0);
    tb_deaths_free(deaths);
}

static int exit_well(void)
{
    return 0;
}

/* Status 0 in /proc may only mean that one may not know: the kernel tells when it is reaped. */
static void what_may_be_known_soon_is_asked_again(void **state)
{
    struct tb_deaths *deaths = new_deaths(long_ns);
    struct tb_death death;
    (void)state;
    struct child child = start(exit_well);
    end_by(&child, 0);
    int err = tb_deaths_ask(deaths, &child.record, &death);
    (void)waitpid(child.pid, NULL, 0);
    if (err == 0) { /* a kernel that never tells */
        assert_int_equal(death.how, TB_DEATH_UNKNOWN);
        skip();
    }
    assert_int_equal(err, -EAGAIN);
    assert_int_equal(tb_deaths_ask(deaths, &child.record, &death), 0);
    assert_int_equal(death.how, TB_DEATH_EXITED);
    assert_int_equal(tb_deaths_ask(deaths, &child.record, &death), 0); /* should it come again */
    assert_int_equal(death.how, TB_DEATH_EXITED);
    tb_deaths_free(deaths);
}

static void patience_ends(void **state)
{
    struct tb_deaths *deaths = new_deaths(0);
    struct tb_death death;
    (void)state;
    struct child child = start(exit_well);
    end_by(&child, 0);
    assert_int_equal(tb_deaths_ask(deaths, &child.record, &death), 0);
    assert_int_equal(death.how, TB_DEATH_UNKNOWN);
    assert_true(death.why == TB_DEATH_NOT_REAPED || death.why == TB_DEATH_OLD_KERNEL);
    assert_true(death.found_wall_ns > 0);
    assert_int_equal(death.noticed_wall_ns, 0);
    (void)waitpid(child.pid, NULL, 0);
    tb_deaths_free(deaths);
}

static void one_that_lives_on_runs_another_program(void **state)
{
    struct tb_deaths *deaths = new_deaths(long_ns);
    struct tb_death death;
    (void)state;
    struct child child = start(wait_for_signal);
    assert_int_equal(tb_deaths_ask(deaths, &child.record, &death), 0);
    assert_int_equal(death.how, TB_DEATH_EXEC);
    end_by(&child, SIGKILL);
    (void)waitpid(child.pid, NULL, 0);
    tb_deaths_free(deaths);
}

/* A slot that names somebody else's process: another start, another user, a number out of range. */
static void stranger_is_not_looked_at(void **state)
{
    struct tb_deaths *deaths = new_deaths(long_ns);
    struct tb_death death;
    (void)state;
    struct child child = start(wait_for_signal);
    struct tb_spool_record records[7];
    for (size_t i = 0; i < 7; i++)
        records[i] = child.record;
    records[0].start_ticks++;
    records[1].uid = 4242424;
    records[2].pid = -1;
    records[3].pid = 0x3fffffff;
    records[4].start_ticks = UINT64_MAX; /* a spare */
    records[5].start_ticks = 0;
    records[5].created_mono_ns = 1; /* it is younger than its slot */
    records[6].start_ticks = 0;
    records[6].created_mono_ns = UINT64_MAX;
    for (size_t i = 0; i < 7; i++) {
        records[i].file_id = i;
        assert_int_equal(tb_deaths_ask(deaths, &records[i], &death), 0);
        assert_int_equal(death.how, TB_DEATH_UNKNOWN);
        assert_int_equal(death.why, TB_DEATH_UNSEEN);
        assert_true(death.found_wall_ns > 0);
        assert_int_equal(tb_deaths_count(deaths), 0);
    }
    end_by(&child, SIGKILL);
    (void)waitpid(child.pid, NULL, 0);
    tb_deaths_free(deaths);
}

static void machine_that_was_started_since_took_it_along(void **state)
{
    struct tb_deaths *deaths = new_deaths(long_ns);
    struct tb_death death;
    (void)state;
    struct tb_spool_record record = {.pid = getpid(), .start_ticks = 5, .names_boot = true};
    assert_int_equal(tb_deaths_ask(deaths, &record, &death), 0);
    assert_int_equal(death.how, TB_DEATH_OTHER_BOOT);
    record.names_boot = false; /* it saw no /proc */
    assert_int_equal(tb_deaths_ask(deaths, &record, &death), 0);
    assert_int_equal(death.how, TB_DEATH_UNKNOWN);
    tb_deaths_free(deaths);
}

/* ---- with a spool ---- */

struct watch {
    struct tb_spool *spool;
    struct tb_deaths *deaths;
    int in_fd;
    pid_t pid;
    char vmstat[128];
};

static void live_with_slot(int in_fd, int ready_fd, uint64_t (*ticks)(uint64_t), int (*body)(void))
{
    uint8_t boot[16] = {0};
    struct tb_proc proc;
    struct tb_slot slot = {.fd = -1};
    if (tb_proc_read(getpid(), &proc) != 0)
        _exit(1);
    if (ticks(proc.start_ticks) != 0) /* who does not know it does not know the boot either */
        tb_id_boot(boot);
    if (tb_slot_open(&slot, in_fd, boot, ticks(proc.start_ticks)) != 0)
        _exit(1);
    (void)!write(ready_fd, "x", 1);
    (void)body();
    _exit(1);
}

static uint64_t as_they_are(uint64_t ticks)
{
    return ticks;
}

/* A client that lives so, known to the agent. */
static void begin(struct watch *watch, uint64_t (*ticks)(uint64_t), int (*body)(void))
{
    char why[TB_SPOOL_WHY];
    char word;
    int ready[2];
    struct tb_spool_record record;
    assert_int_equal(tb_spool_open(in_folder("spool"), TB_SPOOL_CREATE, &watch->spool, why), 0);
    watch->in_fd = open(in_folder("spool/in"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(pipe(ready), 0);
    watch->pid = fork();
    if (watch->pid == 0)
        live_with_slot(watch->in_fd, ready[1], ticks, body);
    close(ready[1]);
    assert_int_equal(read(ready[0], &word, 1), 1);
    close(ready[0]);
    assert_int_equal(tb_spool_next(watch->spool, &record), -EAGAIN);
    assert_int_equal(tb_deaths_new(watch->spool, long_ns, &watch->deaths), 0);
    snprintf(watch->vmstat, sizeof(watch->vmstat), "%s", in_folder("vmstat"));
    tb_deaths_count_victims_in(watch->deaths, watch->vmstat);
}

static void look(struct watch *watch)
{
    while (tb_deaths_look(watch->deaths) != 0)
        continue;
}

static struct tb_death end(struct watch *watch)
{
    struct tb_death death;
    struct tb_spool_record record;
    assert_int_equal(kill(watch->pid, SIGKILL), 0);
    assert_int_equal(waitpid(watch->pid, NULL, 0), watch->pid);
    assert_int_equal(tb_spool_next(watch->spool, &record), 0);
    assert_int_equal(tb_deaths_ask(watch->deaths, &record, &death), 0);
    tb_deaths_free(watch->deaths);
    tb_spool_close(watch->spool);
    close(watch->in_fd);
    return death;
}

static void assert_is_killed(const struct tb_death *death)
{
    assert_true(death->was_watched);
    assert_true(death->noticed_wall_ns > 0);
    if (death->how != TB_DEATH_UNKNOWN) { /* the kernel tells */
        assert_int_equal(death->how, TB_DEATH_SIGNALED);
        assert_int_equal(death->signo, SIGKILL);
        assert_false(death->has_core);
    }
}

static void client_that_is_killed_is_known_by_its_signal(void **state)
{
    struct watch watch;
    (void)state;
    begin(&watch, as_they_are, wait_for_signal);
    look(&watch);
    assert_int_equal(tb_deaths_count(watch.deaths), 1);
    assert_true(tb_deaths_look(watch.deaths) > 0); /* not so soon */
    struct tb_death death = end(&watch);
    assert_is_killed(&death);
}

static uint64_t unknown(uint64_t ticks)
{
    (void)ticks;
    return 0;
}

static void client_that_does_not_know_its_start_is_known_by_its_signal(void **state)
{
    struct watch watch;
    (void)state;
    begin(&watch, unknown, wait_for_signal);
    look(&watch);
    assert_int_equal(tb_deaths_count(watch.deaths), 1);
    struct tb_death death = end(&watch);
    assert_is_killed(&death);
}

static void count_victims(int n)
{
    char text[32];
    snprintf(text, sizeof(text), "oom_kill %d\n", n);
    (void)put_file("vmstat", text);
}

static void victim_of_the_oom_killer_before_now_was_another(void **state)
{
    struct watch watch;
    (void)state;
    count_victims(1);
    begin(&watch, as_they_are, wait_for_signal);
    look(&watch);
    count_victims(2);
    for (int i = 0; i < 3; i++)
        look(&watch);
    assert_false(end(&watch).oom_on_host);
}

/* The count moves before its victim has had the signal. */
static void victim_that_was_counted_at_the_last_look_is_this_one(void **state)
{
    struct watch watch;
    (void)state;
    count_victims(1);
    begin(&watch, as_they_are, wait_for_signal);
    look(&watch);
    count_victims(2);
    look(&watch);
    assert_true(end(&watch).oom_on_host);
}

static void *wait_as_thread(void *arg)
{
    (void)wait_for_signal();
    return arg;
}

/* What a process that is being torn down looks like: ending, and not yet dead. */
static int leave_threads_behind(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, wait_as_thread, NULL) != 0)
        return 1;
    syscall(SYS_exit, 0);
    return 1;
}

static void victim_that_takes_long_to_die_keeps_its_count(void **state)
{
    struct watch watch;
    struct tb_proc proc = {.is_ending = 0};
    (void)state;
    count_victims(1);
    begin(&watch, as_they_are, leave_threads_behind);
    look(&watch);
    while (!proc.is_ending)
        assert_int_equal(tb_proc_read(watch.pid, &proc), 0);
    count_victims(2);
    for (int i = 0; i < 3; i++)
        look(&watch);
    struct tb_death death = end(&watch);
    assert_true(death.oom_on_host);
    assert_is_killed(&death);
}

/* Slots that are locked and whose start time is that of no process. */
static void clients_that_cannot_be_watched_are_tried_once_and_a_few_at_a_time(void **state)
{
    enum { N = 100, LOOKS = 6 };
    static const int expected[LOOKS] = {32, 64, 96, 100, 100, 100};
    static struct tb_slot slots[N];
    char why[TB_SPOOL_WHY];
    uint8_t boot[16];
    struct tb_spool *spool = NULL;
    struct tb_deaths *deaths = NULL;
    (void)state;
    tb_id_boot(boot);
    assert_int_equal(tb_spool_open(in_folder("spool"), TB_SPOOL_CREATE, &spool, why), 0);
    int in_fd = open(in_folder("spool/in"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < N; i++)
        assert_int_equal(tb_slot_open(&slots[i], in_fd, boot, 1), 0);
    struct tb_spool_record record;
    assert_int_equal(tb_spool_next(spool, &record), -EAGAIN);
    assert_int_equal(tb_deaths_new(spool, long_ns, &deaths), 0);
    n_opened = 0;
    for (int i = 0; i < LOOKS; i++) {
        pass_ms(3600 * 1000);
        assert_int_equal(tb_deaths_look(deaths), 0);
        assert_int_equal(n_opened, expected[i]);
    }
    assert_int_equal(tb_deaths_count(deaths), 0);
    tb_deaths_free(deaths);
    for (int i = 0; i < N; i++)
        tb_slot_close(&slots[i], 1);
    tb_spool_close(spool);
    close(in_fd);
}

static void client_for_which_no_descriptor_was_left_is_tried_again(void **state)
{
    struct tb_slot slot;
    struct tb_proc self;
    char why[TB_SPOOL_WHY];
    uint8_t boot[16];
    struct tb_spool *spool = NULL;
    struct tb_deaths *deaths = NULL;
    struct tb_spool_record record;
    (void)state;
    tb_id_boot(boot);
    assert_int_equal(tb_proc_read(getpid(), &self), 0);
    assert_int_equal(tb_spool_open(in_folder("spool"), TB_SPOOL_CREATE, &spool, why), 0);
    int in_fd = open(in_folder("spool/in"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(tb_slot_open(&slot, in_fd, boot, self.start_ticks), 0);
    assert_int_equal(tb_spool_next(spool, &record), -EAGAIN);
    assert_int_equal(tb_deaths_new(spool, long_ns, &deaths), 0);
    open_failure = -EMFILE;
    assert_int_equal(tb_deaths_look(deaths), 0);
    assert_int_equal(tb_deaths_count(deaths), 0);
    open_failure = 0;
    pass_ms(3600 * 1000);
    assert_int_equal(tb_deaths_look(deaths), 0);
    assert_int_equal(tb_deaths_count(deaths), 1);
    tb_deaths_free(deaths);
    tb_slot_close(&slot, 1);
    tb_spool_close(spool);
    close(in_fd);
}

/* A process of that user with a slot of its own: it says when it is there. */
static pid_t start_as(int in_fd, const uint8_t boot[16], uid_t uid)
{
    int ends[2];
    char there;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct tb_slot slot;
        struct tb_proc self;
        if (tb_proc_read(getpid(), &self) != 0 || setegid(uid) != 0 || seteuid(uid) != 0 ||
            tb_slot_open(&slot, in_fd, boot, self.start_ticks) != 0 || seteuid(0) != 0 ||
            setresuid(uid, uid, uid) != 0 || write(ends[1], "x", 1) != 1)
            _exit(1);
        _exit(wait_for_signal());
    }
    assert_int_equal(read(ends[0], &there, 1), 1);
    close(ends[0]);
    close(ends[1]);
    return pid;
}

/* One user cannot have all places: who comes later gets some of them. */
static void places_are_shared_by_user(void **state)
{
    enum { N = 70, CAP = 50, OTHER = 12345, N_OTHER = 3 };
    static struct tb_slot slots[N];
    struct rlimit before;
    struct tb_proc self;
    char why[TB_SPOOL_WHY];
    uint8_t boot[16];
    struct tb_spool *spool = NULL;
    struct tb_deaths *deaths = NULL;
    struct tb_spool_record record;
    pid_t others[N_OTHER];
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit few = {.rlim_cur = CAP * 8, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    tb_id_boot(boot);
    assert_int_equal(tb_proc_read(getpid(), &self), 0);
    assert_int_equal(tb_spool_open(in_folder("spool"), TB_SPOOL_CREATE, &spool, why), 0);
    int in_fd = open(in_folder("spool/in"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(fchmod(in_fd, 03777), 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(tb_slot_open(&slots[i], in_fd, boot, self.start_ticks), 0);
    assert_int_equal(tb_spool_next(spool, &record), -EAGAIN);
    assert_int_equal(tb_deaths_new(spool, long_ns, &deaths), 0);
    for (int i = 0; i < 4; i++, pass_ms(3600 * 1000))
        assert_int_equal(tb_deaths_look(deaths), 0);
    assert_int_equal(tb_deaths_count(deaths), CAP);

    for (int i = 0; i < N_OTHER; i++)
        others[i] = start_as(in_fd, boot, OTHER);
    pass_ms(3600 * 1000);
    assert_int_equal(tb_spool_next(spool, &record), -EAGAIN);
    for (int i = 0; i < 2; i++, pass_ms(3600 * 1000))
        assert_int_equal(tb_deaths_look(deaths), 0);
    assert_int_equal(tb_deaths_count(deaths), CAP);
    for (int i = 0; i < N_OTHER; i++) {
        struct tb_death death;
        assert_int_equal(kill(others[i], SIGKILL), 0);
        siginfo_t info;
        assert_int_equal(waitid(P_PID, (id_t)others[i], &info, WEXITED | WNOWAIT), 0);
        pass_ms(3600 * 1000);
        assert_int_equal(tb_spool_next(spool, &record), 0);
        assert_int_equal(record.uid, OTHER);
        (void)tb_deaths_ask(deaths, &record, &death);
        assert_int_equal(waitpid(others[i], NULL, 0), others[i]);
        assert_int_equal(tb_deaths_ask(deaths, &record, &death), 0);
        assert_true(death.was_watched);
    }
    tb_deaths_free(deaths);
    for (int i = 0; i < N; i++)
        tb_slot_close(&slots[i], 1);
    tb_spool_close(spool);
    close(in_fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, make_test_folder, remove_test_folder)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zombie_of_the_same_user_tells_its_signal),
        cmocka_unit_test(status_of_a_zombie_is_taken_too),
        cmocka_unit_test(what_may_be_known_soon_is_asked_again),
        cmocka_unit_test(patience_ends),
        cmocka_unit_test(one_that_lives_on_runs_another_program),
        cmocka_unit_test(stranger_is_not_looked_at),
        cmocka_unit_test(machine_that_was_started_since_took_it_along),
        IN_FOLDER(clients_that_cannot_be_watched_are_tried_once_and_a_few_at_a_time),
        IN_FOLDER(places_are_shared_by_user),
        IN_FOLDER(client_for_which_no_descriptor_was_left_is_tried_again),
        IN_FOLDER(client_that_is_killed_is_known_by_its_signal),
        IN_FOLDER(client_that_does_not_know_its_start_is_known_by_its_signal),
        IN_FOLDER(victim_of_the_oom_killer_before_now_was_another),
        IN_FOLDER(victim_that_was_counted_at_the_last_look_is_this_one),
        IN_FOLDER(victim_that_takes_long_to_die_keeps_its_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
