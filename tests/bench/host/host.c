/* host.c - see host.h. */
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "deep.h"

enum { THREADS_MAX = 256, ROLLUP_BYTES = 4096, WARM = 1000, APART = 10000 };

/* ---- what a process is made of ---- */

static int count_entries(const char *path)
{
    DIR *folder = opendir(path);
    int n = -1; /* the one that reads it */
    if (!folder)
        return -1;
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        n += entry->d_name[0] != '.';
    closedir(folder);
    return n;
}

static double anonymous_bytes(void)
{
    char text[ROLLUP_BYTES];
    int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    const char *line = strstr(text, "\nAnonymous:");
    return line ? (double)strtoull(line + strlen("\nAnonymous:"), NULL, 10) * 1024 : -1;
}

static void report_first(void *arg)
{
    *(int *)arg = host_report(1);
}

static int footprint(const char *folder, int argument, double *results)
{
    char spool[HOST_PATH];
    (void)argument;
    (void)snprintf(spool, sizeof(spool), "%s/spool", folder);
    int err = host_start(spool);
    results[HOST_FDS_INIT] = count_entries("/proc/self/fd");
    if (err == 0)
        (void)bench_deep(HOST_DEPTH, report_first, &err);
    results[HOST_FDS_ERROR] = count_entries("/proc/self/fd");
    results[HOST_THREADS] = count_entries("/proc/self/task");
    results[HOST_ANONYMOUS_BYTES] = anonymous_bytes();
    return err;
}

/* ---- death ---- */

struct last_words {
    double *died_us;
    int is_warm;
    int err;
};

/* Reports first, if wanted, then dies: what the error needed of this stack, the crash needs too. */
static void report_and_die(void *arg)
{
    static int *volatile nowhere;
    struct last_words *last = arg;
    if (last->is_warm && (last->err = host_report(1)) != 0)
        return;
    *last->died_us = (double)tb_clock_mono_ns() / 1000;
    *nowhere = 1;
}

static pthread_barrier_t all;

static void pause_for_ever(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&all);
    for (;;)
        (void)pause();
}

static void *wait_for_ever(void *depth)
{
    if ((intptr_t)depth > 0)
        (void)bench_deep((int)(intptr_t)depth, pause_for_ever, NULL);
    pause_for_ever(NULL);
    return NULL;
}

/* are_apart: no two of them with equal stacks. */
static int start_threads(int n, int are_apart)
{
    pthread_t id;
    int err = n > 0 ? pthread_barrier_init(&all, NULL, (unsigned)n + 1) : 0;
    for (int i = 0; i < n && err == 0; i++)
        err = pthread_create(&id, NULL, wait_for_ever,
                             (void *)(intptr_t)(are_apart ? HOST_DEPTH / 2 + i : 0));
    if (n > 0 && err == 0)
        pthread_barrier_wait(&all);
    return -err;
}

/* argument is the number of other threads; WARM more when it is to report an error before, APART
 * more when each of them stands somewhere else. */
static int die(const char *folder, int argument, double *results)
{
    const struct rlimit no_core = {0, 0};
    struct last_words last = {.died_us = results, .is_warm = argument % APART >= WARM};
    char spool[HOST_PATH];
    (void)snprintf(spool, sizeof(spool), "%s/spool", folder);
    if (setrlimit(RLIMIT_CORE, &no_core) != 0)
        return -errno;
    int err = host_start(spool);
    if (err || (err = start_threads(argument % WARM, argument >= APART)))
        return err;
    (void)bench_deep(HOST_DEPTH, report_and_die, &last);
    return last.err;
}

/* ---- start ---- */

static const struct host_role common[] = {{"footprint", footprint}, {"die", die}};

static double *map_results(const char *folder)
{
    char path[HOST_PATH];
    (void)snprintf(path, sizeof(path), "%s/results", folder);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return MAP_FAILED;
    double *results = mmap(NULL, HOST_RESULTS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return results;
}

static int run(const struct host_role *roles, size_t n, char **argv, double *results)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(roles[i].name, argv[1]) == 0)
            return -roles[i].run(argv[2], (int)strtol(argv[3], NULL, 10), results);
    }
    return -1;
}

/* PROGRAM ROLE FOLDER NUMBER: ends with the errno, 0 when all is well. */
int main(int argc, char **argv)
{
    double *results = argc == 4 ? map_results(argv[2]) : MAP_FAILED;
    if (results == MAP_FAILED)
        return EINVAL;
    int status = run(common, sizeof(common) / sizeof(common[0]), argv, results);
    if (status < 0)
        status = run(host_roles, host_n_roles, argv, results);
    return status < 0 ? EINVAL : status;
}
