/* proc.c - see proc.h. Sources: proc_pid_stat(5), proc_pid_status(5), cgroups(7); the kernel's
 * Documentation/admin-guide/cgroup-v2.rst (memory.events) and cgroup-v1/memory.rst
 * (memory.oom_control); PF_EXITING in include/linux/sched.h. */
#include "agent/deaths/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"

enum {
    PATH_BYTES = 64,
    TEXT_BYTES = 64 << 10,
    FIELD_STATE = 3,
    FIELD_FLAGS = 9,
    FIELD_START = 22,
    FIELD_EXIT = 52,
    PF_EXITING = 4,
};

/* The second field is in brackets and may hold anything; at is behind it. NULL when there are not
 * so many. */
static const char *field(const char *at, int number)
{
    for (int f = FIELD_STATE - 1; at != NULL && f < number; f++) {
        at = strchr(at, ' ');
        at = at != NULL ? at + 1 : NULL;
    }
    return at;
}

int tb_proc_parse(const char *text, struct tb_proc *out)
{
    const char *bracket = strrchr(text, ')');
    const char *state = field(bracket, FIELD_STATE);
    const char *flags = field(bracket, FIELD_FLAGS);
    const char *start = field(bracket, FIELD_START);
    const char *code = field(bracket, FIELD_EXIT);
    if (start == NULL || *state == '\0')
        return -EBADMSG;
    *out = (struct tb_proc){.state = *state,
                            .start_ticks = strtoull(start, NULL, 10),
                            .exit_code = code != NULL ? (int)strtol(code, NULL, 10) : 0};
    out->is_ending = (strtoul(flags, NULL, 10) & PF_EXITING) != 0 || *state == 'Z' || *state == 'X';
    return 0;
}

/* What a file below /proc or /sys holds, NUL-terminated; free with tb_buf_done. */
static int slurp(const char *path, struct tb_buf *out)
{
    tb_buf_init(out, TEXT_BYTES);
    int err = tb_fd_slurp(AT_FDCWD, path, out);
    if (err)
        tb_buf_done(out);
    return err;
}

static int slurp_of(pid_t pid, const char *name, struct tb_buf *out)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    return slurp(path, out);
}

int tb_proc_read(pid_t pid, struct tb_proc *out)
{
    struct tb_buf text;
    int err = slurp_of(pid, "stat", &text);
    if (err)
        return err == -ESRCH ? -ENOENT : err;
    err = tb_proc_parse(tb_buf_str(&text), out);
    tb_buf_done(&text);
    return err;
}

int tb_proc_began_before(uint64_t start_ticks, uint64_t mono_ns)
{
    struct timespec boot;
    long per_second = sysconf(_SC_CLK_TCK);
    uint64_t now_ns = tb_clock_mono_ns();
    if (per_second <= 0 || clock_gettime(CLOCK_BOOTTIME, &boot) != 0 || mono_ns > now_ns)
        return 0;
    uint64_t ago_ns = now_ns - mono_ns;
    uint64_t up_ns = (uint64_t)boot.tv_sec * TB_NS_PER_S + (uint64_t)boot.tv_nsec;
    uint64_t then_ns = up_ns > ago_ns ? up_ns - ago_ns : 0;
    return start_ticks <= then_ns / (TB_NS_PER_S / (uint64_t)per_second);
}

int tb_proc_parse_uid(const char *text, uid_t uid)
{
    enum { N_IDS = 4 };
    const char *line = strstr(text, "\nUid:");
    const char *at = line != NULL ? line + strlen("\nUid:") : NULL;
    for (int i = 0; at != NULL && i < N_IDS; i++) {
        char *end = NULL;
        at += strspn(at, "\t ");
        if (*at < '0' || *at > '9')
            return 0;
        if (strtoull(at, &end, 10) == uid)
            return 1;
        at = end;
    }
    return 0;
}

int tb_proc_has_uid(pid_t pid, uid_t uid)
{
    struct tb_buf text;
    if (slurp_of(pid, "status", &text) != 0)
        return 0;
    int has = tb_proc_parse_uid(tb_buf_str(&text), uid);
    tb_buf_done(&text);
    return has;
}

/* ---- the OOM killer ---- */

/* Is memory one of the names between the commas? */
static int has_memory(const char *names, size_t len)
{
    const char *end = names + len;
    for (const char *at = names; at < end;) {
        size_t n = strcspn(at, ",:");
        if (n == strlen("memory") && memcmp(at, "memory", n) == 0)
            return 1;
        at += n + 1;
    }
    return 0;
}

/* Lines of NUMBER:CONTROLLERS:PATH; that of version 2 has none. A process of another namespace may
 * show "/../x", which is no place below ours. */
void tb_proc_parse_cgroup(const char *text, char path[TB_PROC_PATH])
{
    path[0] = '\0';
    for (const char *line = text; *line != '\0';) {
        int len = (int)strcspn(line, "\n");
        const char *names = memchr(line, ':', (size_t)len);
        const char *place =
            names != NULL ? memchr(names + 1, ':', (size_t)(line + len - names - 1)) : NULL;
        const char *end = line + len;
        line = *end == '\n' ? end + 1 : end;
        if (place == NULL || place[1] != '/' ||
            memmem(place, (size_t)(end - place), "/..", 3) != NULL)
            continue;
        names++;
        place++;
        int is_v1 = has_memory(names, (size_t)(place - 1 - names));
        if (!is_v1 && *names != ':')
            continue;
        int n = snprintf(path, TB_PROC_PATH, "/sys/fs/cgroup%s%.*s/%s", is_v1 ? "/memory" : "",
                         (int)(end - place), place, is_v1 ? "memory.oom_control" : "memory.events");
        if (n < 0 || n >= TB_PROC_PATH)
            path[0] = '\0';
        if (is_v1)
            return; /* where both are mounted memory belongs to it */
    }
}

void tb_proc_oom_path(pid_t pid, char path[TB_PROC_PATH])
{
    struct tb_buf text;
    path[0] = '\0';
    if (slurp_of(pid, "cgroup", &text) != 0)
        return;
    tb_proc_parse_cgroup(tb_buf_str(&text), path);
    tb_buf_done(&text);
}

int64_t tb_proc_parse_oom(const char *text)
{
    static const char key[] = "oom_kill ";
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] >= '0' &&
            line[strlen(key)] <= '9')
            return (int64_t)(strtoull(line + strlen(key), NULL, 10) & INT64_MAX);
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return -1;
}

int64_t tb_proc_oom(const char *path)
{
    struct tb_buf text;
    if (path[0] == '\0' || slurp(path, &text) != 0)
        return -1;
    int64_t n = tb_proc_parse_oom(tb_buf_str(&text));
    tb_buf_done(&text);
    return n;
}
