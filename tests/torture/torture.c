/* torture.c - dies in the way that its argument names; "list" prints the table. */
#include "torture.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <towbar/towbar.h>

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

enum { LINE_BYTES = 512, IDLE_STACK_BYTES = 256 << 10 };

volatile int sink;
volatile int zero;
int is_bare;
const char *program_folder;
static void (*volatile chained)(void);

static const struct family *const families[] = {
    &faults, &aborts,   &stacks, &sent,    &handlers, &locks,   &libraries,
    &ends,   &children, &world,  &sandbox, &threads,  &siblings};
enum { N_FAMILIES = sizeof(families) / sizeof(families[0]) };

/* ---- what modes use ---- */

void say(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (n > 0)
        (void)!write(STDOUT_FILENO, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

void init_towbar(void)
{
    if (is_bare)
        return;
    int err = towbar_init(NULL);
    if (err)
        say("towbar_init: %d %s\n", err, towbar_status());
}

void push_trace(void)
{
    if (is_bare)
        return;
    (void)towbar_trace_push(TRACE);
    towbar_note(TOWBAR_INFO, "the last note of the torture");
}

KEEP static void chain_here(void)
{
    chained();
    sink++;
}

KEEP static void chain_middle(void)
{
    chain_here();
    sink += 2;
}

KEEP static void chain_outer(void)
{
    chain_middle();
    sink += 3;
}

void chain(void (*deed)(void))
{
    chained = deed;
    chain_outer();
}

KEEP void null_write(void)
{
    *(volatile int *)(size_t)(zero + 16) = 1;
}

void reap(pid_t pid)
{
    int status = 0;
    if (waitpid(pid, &status, 0) != pid)
        say("no child\n");
    else if (WIFSIGNALED(status))
        say("killed %d%s\n", WTERMSIG(status), WCOREDUMP(status) ? " core" : "");
    else
        say("exited %d\n", WEXITSTATUS(status));
}

struct job {
    void (*deed)(void);
    int enters;
};

static void *run_job(void *arg)
{
    const struct job *job = arg;
    if (job->enters && !is_bare)
        (void)towbar_thread_enter("worker");
    push_trace();
    chain(job->deed);
    return NULL;
}

void chain_in_thread(void (*deed)(void), int enters, size_t stack_bytes)
{
    struct job job = {deed, enters};
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    if (stack_bytes > 0)
        pthread_attr_setstacksize(&attributes, stack_bytes);
    if (pthread_create(&thread, &attributes, run_job, &job) != 0)
        say("no thread\n");
    else
        pthread_join(thread, NULL);
}

void spawn(void *(*body)(void *), void *arg)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, IDLE_STACK_BYTES);
    if (pthread_create(&thread, &attributes, body, arg) != 0)
        say("no thread\n");
    else
        pthread_detach(thread);
}

void wait_forever(void)
{
    for (;;)
        pause();
}

void catch_with(int signo, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_flags = flags};
    action.sa_handler = handler;
    sigaction(signo, &action, NULL);
}

/* ---- the table ---- */

static void print_text(const char *text)
{
    printf("\t%s", text ? text : "");
}

static void list(void)
{
    for (size_t f = 0; f < N_FAMILIES; f++) {
        for (size_t i = 0; i < families[f]->n; i++) {
            const struct mode *mode = &families[f]->modes[i];
            printf("%s\t%s\t%d\t%d", families[f]->name, mode->name, mode->signal, mode->flags);
            print_text(mode->frames);
            print_text(mode->siblings);
            print_text(mode->fails);
            print_text(mode->what);
            print_text(mode->why);
            print_text(mode->says);
            print_text(mode->title);
            printf("\n");
        }
    }
}

static const struct mode *find(const char *name)
{
    for (size_t f = 0; f < N_FAMILIES; f++) {
        for (size_t i = 0; i < families[f]->n; i++) {
            if (strcmp(families[f]->modes[i].name, name) == 0)
                return &families[f]->modes[i];
        }
    }
    return NULL;
}

static void *idle(void *arg)
{
    pthread_barrier_wait(arg);
    wait_forever();
    return NULL;
}

static void start_idle_threads(unsigned n)
{
    static pthread_barrier_t barrier;
    if (n == 0)
        return;
    pthread_barrier_init(&barrier, NULL, n + 1);
    for (unsigned i = 0; i < n; i++)
        spawn(idle, &barrier);
    pthread_barrier_wait(&barrier);
}

/* A watcher has to see it before it dies. */
static void live_a_while(const struct mode *mode)
{
    const char *ms = getenv("TORTURE_LIVE_MS");
    if (ms && (mode->flags & (UNSEEN | UNKNOWN_LATER)))
        usleep((useconds_t)strtoul(ms, NULL, 10) * 1000);
}

static void find_folder(void)
{
    static char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    char *slash = n > 0 ? strrchr(path, '/') : NULL;
    if (slash)
        *slash = '\0';
    program_folder = path;
}

int main(int argc, char **argv)
{
    const char *n_threads = getenv("TORTURE_THREADS");
    const struct mode *mode = argc == 2 ? find(argv[1]) : NULL;
    is_bare = getenv("TORTURE_BARE") != NULL;
    find_folder();
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        list();
        return 0;
    }
    if (!mode) {
        fprintf(stderr, "torture MODE | list\n");
        return 2;
    }
    if (mode->before)
        mode->before();
    init_towbar();
    push_trace();
    live_a_while(mode);
    start_idle_threads(n_threads ? (unsigned)strtoul(n_threads, NULL, 10) : 0);
    if (mode->flags & ALONE)
        mode->run();
    else
        chain(mode->run);
    return 0;
}
