/* rig.h - runs a program of tests/capture/programs with a spool of its own, and reads that. */
#ifndef TB_TEST_CAPTURE_RIG_H
#define TB_TEST_CAPTURE_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/pack.h"
#include "record/crash.h"
#include "record/process.h"
#include "spool/reader.h"
#include "towbar/towbar.h"
#include "unwind/walk.h"

enum { RIG_TEXT = 1 << 16, RIG_RECORDS = 64, RIG_ENV = 16 };

struct rig_record {
    int kind, class_, flags;
    pid_t pid;
    char *data; /* NUL added behind */
    size_t len;
    struct tb_process process; /* of the record; generation 0 when there is none */
};

struct rig {
    char folder[64]; /* holds spool/ and what the programs leave */
    char spool[80];
    int wants_unseen;         /* deaths that nobody saw are records too */
    const char *program;      /* victim, victim_static, ... */
    const char *env[RIG_ENV]; /* NAME=VALUE, besides the usual; NULL ends */
    char out[RIG_TEXT];       /* of the last run: standard output, then standard error */
    char err[RIG_TEXT];
    pid_t pid;
    int status;
    struct rig_record records[RIG_RECORDS];
    size_t n_records;
    struct tb_spool_stats stats;
};

static inline int rig_setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    if (!rig)
        return -1;
    strcpy(rig->folder, "/tmp/tb-capture-XXXXXX");
    if (!mkdtemp(rig->folder))
        return -1;
    snprintf(rig->spool, sizeof(rig->spool), "%s/spool", rig->folder);
    rig->program = "victim";
    *state = rig;
    return 0;
}

static inline int rig_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void rig_forget(struct rig *rig)
{
    for (size_t i = 0; i < rig->n_records; i++) {
        free(rig->records[i].data);
        tb_process_done(&rig->records[i].process);
    }
    rig->n_records = 0;
}

static inline int rig_teardown(void **state)
{
    struct rig *rig = *state;
    rig_forget(rig);
    nftw(rig->folder, rig_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(rig);
    return 0;
}

static inline void rig_read_file(const char *path, char *out)
{
    FILE *file = fopen(path, "r");
    out[0] = '\0';
    if (!file)
        return;
    out[fread(out, 1, RIG_TEXT - 1, file)] = '\0';
    fclose(file);
}

/* In the child. Sanitizers leave the fatal signals to us, and say nothing at exit. */
static inline void rig_exec(const struct rig *rig, const char *way)
{
    char path[512];
    char out[96];
    char spool[96];
    char plugin[512];
    const struct rlimit core = {RLIM_INFINITY, RLIM_INFINITY};
    const char *env[RIG_ENV + 8] = {"PATH=/usr/bin:/bin"};
    const char *const argv[] = {rig->program, way, NULL};
    size_t n = 1;
    snprintf(out, sizeof(out), "%s/out", rig->folder);
    int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(fd, STDOUT_FILENO);
    snprintf(out, sizeof(out), "%s/err", rig->folder);
    int err_fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(err_fd, STDERR_FILENO);
    close(fd);
    close(err_fd);
    (void)!chdir(rig->folder);
    setrlimit(RLIMIT_CORE, &core);
    snprintf(spool, sizeof(spool), "TOWBAR_SPOOL=%s", rig->spool);
    snprintf(plugin, sizeof(plugin), "VICTIM_PLUGIN=%s/tests/programs/plugin.so", TEST_BIN);
    env[n++] = plugin;
    env[n++] = "ASAN_OPTIONS=handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigfpe=0:"
               "handle_sigill=0:handle_sigtrap=0:allow_user_segv_handler=1:use_sigaltstack=0:"
               "detect_leaks=0:disable_coredump=0";
    env[n++] = "TSAN_OPTIONS=handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigfpe=0:"
               "handle_sigill=0:handle_sigtrap=0:allow_user_segv_handler=1:disable_coredump=0";
    env[n++] = "UBSAN_OPTIONS=handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigfpe=0:"
               "handle_sigill=0:handle_sigtrap=0:disable_coredump=0";
    env[n++] = spool;
    for (size_t i = 0; rig->env[i]; i++)
        env[n++] = rig->env[i]; /* getenv takes the first: these can only add */
    snprintf(path, sizeof(path), "%s/tests/programs/%s", TEST_BIN, rig->program);
    execve(path, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
    _exit(126);
}

static inline void rig_start(struct rig *rig, const char *way)
{
    rig->pid = fork();
    assert_true(rig->pid >= 0);
    if (rig->pid == 0)
        rig_exec(rig, way);
}

static inline void rig_finish(struct rig *rig)
{
    char path[96];
    assert_int_equal(waitpid(rig->pid, &rig->status, 0), rig->pid);
    snprintf(path, sizeof(path), "%s/out", rig->folder);
    rig_read_file(path, rig->out);
    snprintf(path, sizeof(path), "%s/err", rig->folder);
    rig_read_file(path, rig->err);
}

static inline void rig_run(struct rig *rig, const char *way)
{
    rig_start(rig, way);
    rig_finish(rig);
    if (WIFEXITED(rig->status) && WEXITSTATUS(rig->status) == 126)
        fail_msg("%s is not built", rig->program);
}

static inline void rig_keep(struct rig *rig, struct tb_spool *spool,
                            const struct tb_spool_record *record)
{
    const uint8_t *context;
    size_t context_len;
    struct rig_record *kept = &rig->records[rig->n_records++];
    memset(kept, 0, sizeof(*kept));
    kept->kind = record->kind;
    kept->class_ = record->class_;
    kept->flags = record->flags;
    kept->pid = record->pid;
    kept->len = record->len;
    kept->data = malloc(record->len + 1);
    assert_non_null(kept->data);
    memcpy(kept->data, record->data, record->len);
    kept->data[record->len] = '\0';
    if (tb_spool_context(spool, record, 0, &context, &context_len) == 0)
        assert_int_equal(tb_process_unpack(context, context_len, &kept->process), 0);
}

/* What the reader says of a process that was killed or ended without a word: nobody wrote it, and
 * it is counted (stats.n_vanished). */
static inline bool rig_is_unseen(const struct tb_spool_record *record)
{
    return record->kind == TB_KIND_CRASH && tb_get64(record->uuid) == record->file_id;
}

/* Reads all that was written to the spool; returns how many records. */
static inline size_t rig_read(struct rig *rig)
{
    char why[TB_SPOOL_WHY] = "";
    struct tb_spool *spool;
    struct tb_spool_record record;
    rig_forget(rig);
    int err = tb_spool_open(rig->spool, TB_SPOOL_CREATE, &spool, why);
    if (err)
        fail_msg("%s: %s", rig->spool, why);
    while (rig->n_records < RIG_RECORDS && tb_spool_next(spool, &record) == 0) {
        if (rig->wants_unseen || !rig_is_unseen(&record))
            rig_keep(rig, spool, &record);
    }
    tb_spool_stats(spool, &rig->stats);
    tb_spool_close(spool);
    assert_int_equal(rig->stats.n_damaged, 0);
    return rig->n_records;
}

/* The record of that kind, which must be the only one. */
static inline const struct rig_record *rig_only(struct rig *rig, int kind)
{
    const struct rig_record *found = NULL;
    rig_read(rig);
    for (size_t i = 0; i < rig->n_records; i++) {
        if (rig->records[i].kind != kind)
            continue;
        assert_null(found);
        found = &rig->records[i];
    }
    if (!found)
        fail_msg("no record of kind %d among %zu; %s%s", kind, rig->n_records, rig->out, rig->err);
    return found;
}

static inline struct tb_crash rig_crash(struct rig *rig)
{
    struct tb_crash crash;
    const struct rig_record *record = rig_only(rig, TB_KIND_CRASH);
    assert_int_equal(tb_crash_unpack((const uint8_t *)record->data, record->len, &crash), 0);
    return crash;
}

/* Runs a tool in the folder, its words in out and err; its exit status, or -1 when it is not here.
 */
static inline int rig_tool(struct rig *rig, const char *const argv[])
{
    char path[96];
    rig->pid = fork();
    assert_true(rig->pid >= 0);
    if (rig->pid == 0) {
        (void)!chdir(rig->folder);
        dup2(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
        dup2(open("err", O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    rig_finish(rig);
    snprintf(path, sizeof(path), "%s/core", rig->folder);
    (void)unlink(path);
    return WIFEXITED(rig->status) && WEXITSTATUS(rig->status) != 127 ? WEXITSTATUS(rig->status)
                                                                     : -1;
}

/* The number after "name " in the output of the last run. */
static inline uint64_t rig_said(const struct rig *rig, const char *name, int base)
{
    char line[96];
    snprintf(line, sizeof(line), "%s ", name);
    const char *at = strstr(rig->out, line);
    if (!at)
        fail_msg("no %s in: %s%s", name, rig->out, rig->err);
    return strtoull(at + strlen(line), NULL, base);
}

static inline void rig_assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no %s in: %s", part, text);
}

/* Runs in a child of its own, which ends with what body returns. */
static inline int rig_in_child(int (*body)(struct rig *rig), struct rig *rig)
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(body(rig));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* 0, or 1 and a word on it when part is not in the status. */
static inline int rig_check_status(const char *part)
{
    if (strstr(towbar_status(), part))
        return 0;
    print_error("no \"%s\" in: %s\n", part, towbar_status());
    return 1;
}

#endif
