/* bench_footprint.c - what a process pays for having the library in it: time, bytes, descriptors.
 *
 * Each figure is of new processes, with the library less that of the same program without it. */
#include "bench.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "run_host.h"
#include "spool/dir.h"
#include "spool/frame.h"

enum { STARTS = 9, HEADERS_MAX = 64 };

/* ---- start ---- */

/* A slot's file alone, made as tb_slot_open does. Microseconds, or a negative errno. */
static double make_file(const char *folder, int number)
{
    static const uint8_t zeros[TB_SLOT_BYTES];
    char path[BENCH_PATH + 16];
    (void)snprintf(path, sizeof(path), "%s/bare.%d", folder, number);
    double start = bench_us();
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int err = fallocate(fd, 0, 0, TB_SLOT_BYTES) < 0 && errno != EOPNOTSUPP ? -errno : 0;
    if (err == 0)
        err = tb_fd_pwrite_all(fd, zeros, sizeof(zeros), 0);
    void *map = mmap(NULL, TB_SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (err == 0 && map == MAP_FAILED)
        err = -errno;
    double took = bench_us() - start;
    if (map != MAP_FAILED)
        munmap(map, TB_SLOT_BYTES);
    close(fd);
    return err < 0 ? err : took;
}

/* Of a process that finds the spool's folders made, as they are after the first one. */
static int start_once(const char *folder, double *took)
{
    struct run_host run;
    char path[BENCH_PATH + 16];
    char why[TB_SPOOL_WHY];
    int err = run_host_init(&run, folder);
    if (err < 0)
        return err;
    (void)snprintf(path, sizeof(path), "%s/spool", run.folder);
    int dirfd = tb_spool_dir_open(path, 1, why);
    err = dirfd < 0 ? dirfd : run_host(&run, RUN_HOST, "init", 0);
    *took = run.results[0];
    tb_fd_close(&dirfd);
    run_host_done(&run);
    return err;
}

static int init(const char *folder, struct bench_round *out)
{
    double ours[STARTS];
    double limit[STARTS];
    for (int i = 0; i < STARTS; i++) {
        int err = start_once(folder, &ours[i]);
        limit[i] = make_file(folder, i);
        if (err < 0 || limit[i] < 0)
            return err < 0 ? err : (int)limit[i];
    }
    for (int i = 0; i < STARTS; i++) {
        char path[BENCH_PATH + 16];
        (void)snprintf(path, sizeof(path), "%s/bare.%d", folder, i);
        (void)unlink(path);
    }
    out->ours = bench_percentile(ours, STARTS, 50);
    out->limit = bench_percentile(limit, STARTS, 50);
    return 0;
}

/* ---- size ---- */

static int run_strip(const char *from, const char *to)
{
    int status = 0;
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        (void)execlp("strip", "strip", "-o", to, from, (char *)NULL);
        _exit(127);
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOENT;
}

/* Without strip: up to the end of the last segment that is loaded, and the table of sections is
 * left out. */
static double loaded_bytes(const char *path)
{
    Elf64_Ehdr head;
    Elf64_Phdr segments[HEADERS_MAX];
    double end = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (pread(fd, &head, sizeof(head), 0) != sizeof(head) || head.e_phnum > HEADERS_MAX ||
        pread(fd, segments, head.e_phnum * sizeof(segments[0]), (off_t)head.e_phoff) !=
            (ssize_t)(head.e_phnum * sizeof(segments[0])))
        end = -ENODATA;
    for (int i = 0; end >= 0 && i < head.e_phnum; i++) {
        double here = (double)(segments[i].p_offset + segments[i].p_filesz);
        if (segments[i].p_type == PT_LOAD && here > end)
            end = here;
    }
    close(fd);
    return end;
}

static int size_stripped(const char *folder, struct bench_round *out)
{
    char path[BENCH_PATH + 16];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%s/stripped", folder);
    if (run_strip(BENCH_LIBRARY, path) == 0 && stat(path, &st) == 0)
        out->ours = (double)st.st_size;
    else
        out->ours = loaded_bytes(BENCH_LIBRARY);
    (void)unlink(path);
    return out->ours < 0 ? (int)out->ours : 0;
}

/* ---- what a process has more ---- */

static int footprint(const char *folder, struct bench_round *out, int which)
{
    static const enum run_host_program programs[] = {RUN_HOST, RUN_BARE};
    double found[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        struct run_host run;
        int err = run_host_init(&run, folder);
        if (err < 0)
            return err;
        err = run_host(&run, programs[i], "footprint", 0);
        found[i] = run.results[which];
        run_host_done(&run);
        if (err < 0 || found[i] < 0)
            return err < 0 ? err : -ENODATA;
    }
    out->ours = found[0] - found[1];
    return 0;
}

static int memory(const char *folder, struct bench_round *out)
{
    return footprint(folder, out, HOST_ANONYMOUS_BYTES);
}

static int threads(const char *folder, struct bench_round *out)
{
    return footprint(folder, out, HOST_THREADS);
}

static int descriptors_init(const char *folder, struct bench_round *out)
{
    return footprint(folder, out, HOST_FDS_INIT);
}

static int descriptors_error(const char *folder, struct bench_round *out)
{
    return footprint(folder, out, HOST_FDS_ERROR);
}

const struct bench bench_footprint[] = {
    {"capture.init", "us", init},
    {"capture.size.stripped", "B", size_stripped},
    {"capture.memory", "B", memory},
    {"capture.threads", "", threads},
    {"capture.descriptors.init", "", descriptors_init},
    {"capture.descriptors.error", "", descriptors_error},
};
const size_t bench_footprint_n = sizeof(bench_footprint) / sizeof(bench_footprint[0]);
