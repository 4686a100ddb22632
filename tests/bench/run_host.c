/* run_host.c - see run_host.h. BENCH_PROGRAMS is the folder of the programs of host/. */
#include "run_host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int run_host_init(struct run_host *run, const char *parent)
{
    char path[BENCH_PATH + 16];
    *run = (struct run_host){.results = MAP_FAILED};
    int err = bench_folder(parent, run->folder);
    if (err < 0)
        return err;
    (void)snprintf(path, sizeof(path), "%s/results", run->folder);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    err = fd < 0 || ftruncate(fd, HOST_RESULTS_BYTES) != 0 ? -errno : 0;
    if (err == 0)
        run->results = mmap(NULL, HOST_RESULTS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (err == 0 && run->results == MAP_FAILED)
        err = -errno;
    if (fd >= 0)
        close(fd);
    if (err < 0)
        bench_remove(run->folder);
    return err;
}

int run_host(struct run_host *run, enum run_host_program program, const char *role, int argument)
{
    static const char *const paths[] = {[RUN_HOST] = BENCH_PROGRAMS "/towbar-bench-host",
                                        [RUN_BARE] = BENCH_PROGRAMS "/towbar-bench-bare"};
    char number[16];
    (void)snprintf(number, sizeof(number), "%d", argument);
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        (void)execl(paths[program], paths[program], role, run->folder, number, (char *)NULL);
        _exit(ENOENT);
    }
    while (waitpid(pid, &run->status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    run->ended_us = bench_us();
    return WIFEXITED(run->status) ? -WEXITSTATUS(run->status) : 0;
}

void run_host_done(struct run_host *run)
{
    munmap(run->results, HOST_RESULTS_BYTES);
    bench_remove(run->folder);
}

int run_host_once(const char *parent, enum run_host_program program, const char *role, int argument,
                  double *out)
{
    struct run_host run;
    int err = run_host_init(&run, parent);
    if (err < 0)
        return err;
    err = run_host(&run, program, role, argument);
    *out = run.results[0];
    run_host_done(&run);
    return err;
}
