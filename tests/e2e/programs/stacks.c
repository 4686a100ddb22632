/* stacks.c - a crash whose stacks are long: a comparison for qsort, below two functions that call
 * each other DEPTH times, beside threads that wait in several ways. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <towbar/towbar.h>

enum { DEPTH = 20, N_NUMBERS = 64, N_POPPERS = 3, N_WORKERS = N_POPPERS + 2 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static int fds[2];
static volatile pid_t tids[N_WORKERS];
static volatile int sink;

__attribute__((noinline)) static void pop(void)
{
    pthread_mutex_lock(&lock);
    for (;;)
        pthread_cond_wait(&more, &lock);
}

__attribute__((noinline)) static void look(void)
{
    struct pollfd what = {.fd = fds[0], .events = POLLIN};
    (void)poll(&what, 1, -1);
    sink++;
}

__attribute__((noinline)) static void take(void)
{
    char c;
    sink += (int)read(fds[0], &c, 1);
}

static void *work(void *arg)
{
    size_t i = (size_t)arg;
    tids[i] = (pid_t)syscall(SYS_gettid);
    if (i < N_POPPERS)
        pop();
    else if (i == N_POPPERS)
        look();
    else
        take();
    return NULL;
}

/* In the kernel and asleep, as /proc says. */
static int is_asleep(pid_t tid)
{
    char path[64];
    char text[512];
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' && end[2] == 'S';
}

static int compare(const void *a, const void *b)
{
    if (*(const int *)a == *(const int *)b)
        return 0;
    return *(volatile int *)8; /* here: compare */
}

__attribute__((noinline)) static int sort(void)
{
    int numbers[N_NUMBERS];
    for (int i = 0; i < N_NUMBERS; i++)
        numbers[i] = N_NUMBERS - i;
    qsort(numbers, N_NUMBERS, sizeof(numbers[0]), compare);
    return numbers[0] + sink; /* no tail call */
}

__attribute__((noinline)) static int parse_value(int depth);

__attribute__((noinline)) static int parse_list(int depth)
{
    return parse_value(depth - 1) + sink;
}

static int parse_value(int depth)
{
    return (depth == 0 ? sort() : parse_list(depth)) + sink;
}

int main(void)
{
    pthread_t threads[N_WORKERS];
    if (pipe(fds) != 0 || towbar_init(NULL) != 0)
        return 1;
    for (size_t i = 0; i < N_WORKERS; i++) {
        if (pthread_create(&threads[i], NULL, work, (void *)i) != 0)
            return 1;
        while (tids[i] == 0 || !is_asleep(tids[i]))
            sched_yield();
    }
    return parse_value(DEPTH);
}
