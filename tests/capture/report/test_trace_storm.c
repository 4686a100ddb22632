/* Signals, and deaths, in the middle of a change of the trace: what they see is whole, or nothing.
 */
#include "rig.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "capture/report/context.h"

#define W3C(digit) "00-" SIXTEEN(digit) SIXTEEN(digit) "-" SIXTEEN(digit) "-0" digit
#define SIXTEEN(digit) FOUR(digit) FOUR(digit) FOUR(digit) FOUR(digit)
#define FOUR(digit) digit digit digit digit

/* Signals as many, or as come in so long: on a machine that is busy each waits for its turn. */
enum { N_SIGNALS = 10000, STORM_S = 10, N_CRASHES = 24, ID_BYTES = 24 };

extern _Thread_local void *otel_thread_ctx_v1;

static atomic_int n_seen, n_none, n_torn, n_lost, is_over;

/* IDs of one byte that is repeated, with the flags that belong to it. */
static int is_whole(const unsigned char *image)
{
    for (int i = 1; i < ID_BYTES; i++) {
        if (image[i] != image[0])
            return 0;
    }
    return image[25] == (image[0] & 3) && (image[0] == 0x11 || image[0] == 0x22);
}

static void look(int signo)
{
    unsigned char image[TB_TRACE_IMAGE_BYTES];
    int kept = errno;
    (void)signo;
    const unsigned char *foreign = otel_thread_ctx_v1;
    if (tb_context_trace(image)) {
        atomic_fetch_add(&n_seen, 1);
        atomic_fetch_add(&n_torn, !is_whole(image));
        atomic_fetch_add(&n_torn, foreign != NULL && foreign[24] == 1 && !is_whole(foreign));
    } else {
        atomic_fetch_add(&n_none, 1);
    }
    towbar_trace_state before = towbar_trace_push(W3C("2")); /* a handler may have its own */
    towbar_trace_pop(&before);
    errno = kept;
}

/* One after the other, each a little later: those that wait for each other all hit the same place.
 */
static void *storm(void *target)
{
    enum { SPINS = 211 };
    for (unsigned n = 0; !atomic_load(&is_over); n++) {
        int n_before = atomic_load(&n_seen) + atomic_load(&n_none);
        (void)pthread_kill(*(pthread_t *)target, SIGUSR1);
        while (!atomic_load(&is_over) && atomic_load(&n_seen) + atomic_load(&n_none) == n_before)
            (void)sched_yield();
        for (volatile unsigned i = 0; i < n % SPINS; i++)
            ;
    }
    return NULL;
}

/* What this thread has made its own is its own, whatever a handler did meanwhile. */
static void expect(unsigned char byte)
{
    unsigned char image[TB_TRACE_IMAGE_BYTES];
    int has_trace = tb_context_trace(image);
    atomic_fetch_add(&n_lost, !has_trace || !is_whole(image) || image[0] != byte);
}

static void a_handler_sees_a_whole_trace_or_none_and_spoils_none(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = look};
    pthread_t self = pthread_self();
    pthread_t thread;
    uint64_t end_ns = tb_clock_mono_ns() + (uint64_t)STORM_S * TB_NS_PER_S;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, storm, &self), 0);
    while (atomic_load(&n_seen) + atomic_load(&n_none) < N_SIGNALS && tb_clock_mono_ns() < end_ns) {
        towbar_trace_state before = towbar_trace_push(W3C("1"));
        expect(0x11);
        towbar_trace_state mine = towbar_trace_capture();
        towbar_trace_push(W3C("2"));
        expect(0x22);
        towbar_trace_adopt(&mine);
        expect(0x11);
        towbar_trace_pop(&before);
    }
    atomic_store(&is_over, 1);
    pthread_join(thread, NULL);
    assert_int_equal(n_torn, 0);
    assert_int_equal(n_lost, 0);
    assert_true(n_seen > 0);
}

/* ---- deaths ---- */

static atomic_int is_begun;
static unsigned n_spins;

static void *shoot(void *target)
{
    while (!atomic_load(&is_begun))
        ;
    for (volatile unsigned i = 0; i < n_spins; i++)
        ;
    (void)syscall(SYS_tgkill, getpid(), *(pid_t *)target, SIGSEGV);
    return NULL;
}

static void die_while_pushing(struct rig *rig, unsigned round)
{
    pid_t self = (pid_t)syscall(SYS_gettid);
    pthread_t thread;
    struct sigaction action = {.sa_handler = SIG_DFL}; /* cmocka has its own */
    (void)sigaction(SIGSEGV, &action, NULL);
    n_spins = round * 997;
    if (towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0 ||
        pthread_create(&thread, NULL, shoot, &self) != 0)
        _exit(99);
    atomic_store(&is_begun, 1);
    for (;;) {
        towbar_trace_push(W3C("1"));
        towbar_trace_push(W3C("2"));
    }
}

static void a_death_in_a_push_has_a_whole_trace_or_none(void **state)
{
    struct rig *rig = *state;
    int n_crashes = 0;
    if (strstr(TEST_SANITIZE, "thread")) {
        print_message("this sanitizer holds signals back: skipped\n");
        skip();
    }
    for (unsigned round = 0; round < N_CRASHES; round++) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0)
            die_while_pushing(rig, round);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    }
    rig_read(rig);
    for (size_t i = 0; i < rig->n_records; i++) {
        struct tb_crash crash;
        unsigned char image[TB_TRACE_IMAGE_BYTES];
        const struct rig_record *record = &rig->records[i];
        if (record->kind != TB_KIND_CRASH)
            continue;
        assert_int_equal(tb_crash_unpack((const uint8_t *)record->data, record->len, &crash), 0);
        tb_trace_pack(&crash.context.trace, image);
        assert_true(!crash.has_trace || is_whole(image));
        assert_true(!crash.has_trace || crash.trace_started_ns > 0);
        tb_crash_done(&crash);
        n_crashes++;
    }
    assert_int_equal(n_crashes, N_CRASHES);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_handler_sees_a_whole_trace_or_none_and_spoils_none),
        CASE(a_death_in_a_push_has_a_whole_trace_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
