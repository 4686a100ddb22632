/* worker.c - threads, signal handlers, mapped files, ends of the program. */
#include "relayd.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <towbar/towbar.h>
#include <unistd.h>

static void in_thread(void *(*entry)(void *), void *arg)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, entry, arg) != 0)
        die("no thread");
    pthread_join(thread, NULL);
}

/* ---- threads ---- */

static int step(struct session *session)
{
    session->bytes += session->peer->bytes;
    return session->id;
}

static void *reader_main(void *arg)
{
    int n = 0;
    towbar_thread_enter("reader");
    for (int i = 0; i < 3; i++)
        n += step(arg);
    return n > 0 ? arg : NULL;
}

static void start_reader(void)
{
    in_thread(reader_main, session_open(31));
}

static void *writer_main(void *arg)
{
    struct session *session = arg;
    towbar_thread_enter("writer");
    session->peer->bytes = 1;
    return NULL;
}

static void start_writer(void)
{
    in_thread(writer_main, session_open(32));
}

/* One frame that is larger than the stack. */
static int read_block(void)
{
    char block[1 << 20];
    memset(block, 'a' + run_number, sizeof(block) - 1);
    block[sizeof(block) - 1] = '\0';
    return (int)log_line("block", block);
}

static void read_large(void)
{
    exit(read_block());
}

/* ---- signal handlers ---- */

static struct session *current;

static void on_hangup(int signo)
{
    current->bytes = signo;
}

static void hang_up(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_hangup;
    sigaction(SIGHUP, &action, NULL);
    raise(SIGHUP);
}

static void on_usr1(int signo)
{
    exit(signo / setting_number("port") / (signo - SIGUSR1));
}

static void count_signal(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_usr1;
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
}

/* ---- a file that became shorter ---- */

static long sum_index(const long *index, size_t n)
{
    long sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += index[i];
    return sum;
}

static void read_cut_index(void)
{
    FILE *file = tmpfile();
    if (file == NULL)
        die("no file");
    long *index = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fileno(file), 0);
    exit((int)sum_index(index, 1024));
}

/* What is read after free differs from run to run. */
static int credit_of(const struct session *session)
{
    return session->user->credit;
}

static int use_after_close(struct session *session)
{
    session_close(session);
    char *other = malloc(sizeof(*session));
    memset(other, run_number % 2 == 0 ? 0 : 0x41 + run_number, sizeof(*session));
    int credit = credit_of(session);
    log_line("reply", setting("name"));
    free(other);
    return credit;
}

static void serve_late_reply(void)
{
    exit(use_after_close(session_open(7)));
}

/* ---- at the end ---- */

static void save_state(void)
{
    current->last_seen = 1;
}

static void end_without_session(void)
{
    atexit(save_state);
    exit(0);
}

static void write_code(void)
{
    char *code = (char *)(uintptr_t)&read_block;
    memset(code, 0, 4);
}

const struct fault worker_faults[] = {
    {"thread-reader", NULL, start_reader},    {"thread-writer", NULL, start_writer},
    {"stack-at-once", NULL, read_large},      {"signal-hangup", NULL, hang_up},
    {"signal-usr1", NULL, count_signal},      {"index-cut", NULL, read_cut_index},
    {"session-late", NULL, serve_late_reply}, {"exit-state", NULL, end_without_session},
    {"write-code", NULL, write_code},         {NULL, NULL, NULL}};
