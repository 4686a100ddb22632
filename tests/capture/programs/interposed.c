/* interposed.c - threads as a host makes them, while the library stands in front of pthread_create
 * and thrd_create; for tests/capture/hooks/test_interpose.c. Says what it saw, and exits with 0
 * when its threads behaved as they do without the library. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include <towbar/towbar.h>

#include "interposed.h"

enum { N_FRAMES = 32, ROUNDS = 200 };

int bad;
volatile int sink;

size_t stack_bytes(void)
{
    stack_t now;
    return sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE) ? now.ss_size : 0;
}

static size_t count_mappings(void)
{
    size_t n = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    for (int c = file ? getc(file) : EOF; c != EOF; c = getc(file))
        n += c == '\n';
    if (file)
        fclose(file);
    return n;
}

/* Frames of libtowbar on this stack, and of others. */
static void count_frames(size_t *n_ours, size_t *n_others)
{
    void *frames[N_FRAMES];
    Dl_info about;
    int n = backtrace(frames, N_FRAMES);
    *n_ours = 0;
    *n_others = 0;
    for (int i = 0; i < n; i++) {
        if (dladdr(frames[i], &about) && strstr(about.dli_fname, "libtowbar"))
            ++*n_ours;
        else
            ++*n_others;
    }
}

static void *look(void *arg)
{
    size_t n_ours;
    size_t n_others;
    EXPECT(errno == 0);
    count_frames(&n_ours, &n_others);
    printf("%s-stack %zu\n%s-ours %zu\n%s-others %zu\n", (char *)arg, stack_bytes(), (char *)arg,
           n_ours, (char *)arg, n_others);
    return arg;
}

static int look_c11(void *arg)
{
    (void)look(arg);
    return -77;
}

static void look_in(char *name, const pthread_attr_t *attr)
{
    pthread_t thread;
    void *result = NULL;
    errno = 99;
    EXPECT(pthread_create(&thread, attr, look, name) == 0);
    EXPECT(errno == 99);
    EXPECT(pthread_join(thread, &result) == 0);
    EXPECT(result == name);
}

/* ---- the ways to start and to end ---- */

static void stacks(void)
{
    static char small_name[] = "small";
    printf("first-stack %zu\n", stack_bytes());
    static char posix[] = "posix";
    pthread_attr_t attr;
    look_in(posix, NULL);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 2 * (size_t)PTHREAD_STACK_MIN);
    look_in(small_name, &attr);
    EXPECT(dlclose(dlopen(NULL, RTLD_LAZY)) == 0);
    pthread_attr_destroy(&attr);
}

/* Which ThreadSanitizer does not know. */
static void c11(void)
{
    static char name[] = "c11";
    thrd_t thread;
    int result = 0;
    EXPECT(thrd_create(&thread, look_c11, name) == thrd_success);
    EXPECT(thrd_join(thread, &result) == thrd_success);
    EXPECT(result == -77);
}

static void *leave(void *arg)
{
    pthread_exit(arg);
}

static void *wait_for_ever(void *arg)
{
    sem_post(arg);
    for (;;)
        pause();
    return NULL;
}

static void *post(void *arg)
{
    sem_post(arg);
    return NULL;
}

static void *name_of(void *arg)
{
    pthread_attr_t attr;
    size_t bytes = 0;
    EXPECT(pthread_getattr_np(pthread_self(), &attr) == 0);
    EXPECT(pthread_attr_getstacksize(&attr, &bytes) == 0);
    EXPECT(bytes >= *(size_t *)arg && bytes < 2 * *(size_t *)arg);
    pthread_attr_destroy(&attr);
    return NULL;
}

static int first_free_cpu(void)
{
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof(cpus), &cpus);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &cpus))
            return i;
    }
    return CPU_SETSIZE - 1;
}

static void ends(void)
{
    sem_t ready;
    pthread_t thread;
    pthread_attr_t attr;
    cpu_set_t none;
    void *result = NULL;
    size_t bytes = 1 << 20;
    sem_init(&ready, 0, 0);
    EXPECT(pthread_create(&thread, NULL, leave, &bytes) == 0);
    EXPECT(pthread_join(thread, &result) == 0 && result == &bytes);
    EXPECT(pthread_create(&thread, NULL, wait_for_ever, &ready) == 0);
    sem_wait(&ready);
    EXPECT(pthread_cancel(thread) == 0);
    EXPECT(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, bytes);
    EXPECT(pthread_create(&thread, &attr, name_of, &bytes) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    EXPECT(pthread_create(&thread, &attr, post, &ready) == 0);
    sem_wait(&ready);
    /* One that cannot be created says so. */
    size_t before = count_mappings();
    CPU_ZERO(&none);
    CPU_SET(first_free_cpu(), &none);
    pthread_attr_destroy(&attr);
    pthread_attr_init(&attr);
    pthread_attr_setaffinity_np(&attr, sizeof(none), &none);
    for (int i = 0; i < ROUNDS; i++)
        EXPECT(pthread_create(&thread, &attr, leave, NULL) == EINVAL);
    EXPECT(count_mappings() < before + 10);
    pthread_attr_destroy(&attr);
    sem_destroy(&ready);
}

/* ---- what stays behind ---- */

static pthread_barrier_t all_there;

static void *meet(void *arg)
{
    pthread_barrier_wait(&all_there);
    return stack_bytes() > 0 ? arg : NULL;
}

static void create_many(size_t n)
{
    enum { MOST = 64 };
    pthread_t threads[MOST];
    void *result;
    pthread_barrier_init(&all_there, NULL, (unsigned)n);
    for (size_t i = 0; i < n; i++)
        EXPECT(pthread_create(&threads[i], NULL, meet, &bad) == 0);
    for (size_t i = 0; i < n; i++)
        EXPECT(pthread_join(threads[i], &result) == 0 && result == &bad);
    pthread_barrier_destroy(&all_there);
}

static void many(void)
{
    create_many(60);
    size_t before = count_mappings();
    for (int i = 0; i < 20; i++)
        create_many(60);
    EXPECT(count_mappings() <= before + 20); /* the C library keeps some stacks */
}

static void exit_in_handler(int signo)
{
    (void)signo;
    pthread_exit(&bad);
}

void *raise_in_thread(void *arg)
{
    raise(SIGUSR1);
    return arg;
}

static void leave_in_handlers(void)
{
    pthread_t thread;
    void *result;
    for (int i = 0; i < ROUNDS; i++) {
        EXPECT(pthread_create(&thread, NULL, raise_in_thread, NULL) == 0);
        EXPECT(pthread_join(thread, &result) == 0 && result == &bad);
    }
}

static void handlers(void)
{
    struct sigaction action = {.sa_handler = exit_in_handler, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    leave_in_handlers();
    size_t before = count_mappings();
    leave_in_handlers();
    EXPECT(count_mappings() <= before + 20);
}

/* ---- crashes ---- */

__attribute__((noinline)) static int overflow(int depth)
{
    volatile char room[256];
    room[0] = (char)depth;
    int below = overflow(depth + 1);
    return below + room[0];
}

static void *overflow_in_thread(void *arg)
{
    sink = overflow(0);
    return arg;
}

static int overflow_c11(void *arg)
{
    sink = overflow(0);
    return arg != NULL;
}

static void overflow_posix(void)
{
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, overflow_in_thread, NULL) == 0);
    pthread_join(thread, NULL);
}

static void overflow_other(void)
{
    thrd_t thread;
    EXPECT(thrd_create(&thread, overflow_c11, NULL) == thrd_success);
    thrd_join(thread, NULL);
}

/* ---- cost ---- */

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void cost(void)
{
    static sem_t unused;
    enum { N_BATCHES = 200, N = 100 };
    pthread_t thread;
    double best = 1e9;
    for (int batch = 0; batch < N_BATCHES; batch++) {
        double start = now_us();
        for (int i = 0; i < N; i++) {
            EXPECT(pthread_create(&thread, NULL, post, &unused) == 0);
            EXPECT(pthread_join(thread, NULL) == 0);
        }
        double each = (now_us() - start) / N;
        best = each < best ? each : best;
    }
    printf("create-join %.2f us\n", best);
}

/* Threads of a fork child that has not called the library yet. */
static void in_child(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        create_many(20);
        stacks();
        fflush(stdout);
        _exit(bad);
    }
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
}

static void shut_down(void)
{
    towbar_shutdown();
    stacks();
}

static const struct {
    const char *name;
    void (*run)(void);
} modes[] = {
    {"stacks", stacks},
    {"c11", c11},
    {"ends", ends},
    {"many", many},
    {"handlers", handlers},
    {"overflow", overflow_posix},
    {"cost", cost},
    {"overflow-c11", overflow_other},
    {"shut-down", shut_down},
    {"child", in_child},
    {"dlclose-beside", dlclose_beside},
    {"much-stack", much_stack},
    {"too-much-stack", too_much_stack},
    {"locked", locked},
    {"no-room", no_room},
    {"no-room-c11", no_room_c11},
};

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    int is_off = strncmp(mode, "off-", 4) == 0;
    mode += is_off ? 4 : 0;
    int is_unhandled = strncmp(mode, "unhandled-", 10) == 0;
    mode += is_unhandled ? 10 : 0;
    int err = is_off ? 0 : towbar_init(TOWBAR_OPTIONS(.no_crash_handler = is_unhandled));
    if (err) {
        fprintf(stderr, "towbar_init: %d %s\n", err, towbar_status());
        return 90;
    }
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(mode, modes[i].name) == 0) {
            modes[i].run();
            return bad;
        }
    }
    return 91;
}
