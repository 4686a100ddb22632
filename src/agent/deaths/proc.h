/* proc.h - what /proc says of a process that may end at any moment, or be another by now. The
 * parsers are pure and take text from anywhere. */
#ifndef TB_AGENT_PROC_H
#define TB_AGENT_PROC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { TB_PROC_PATH = 512 };

struct tb_proc {
    char state;           /* 'R', 'S', 'Z', ... */
    int is_ending;        /* it is on its way out, or a zombie */
    uint64_t start_ticks; /* field 22 */
    int exit_code;        /* as wait gives it; 0 also when it lives, or this user may not know it */
};

/* The text of /proc/PID/stat: 0 or -EBADMSG. */
int tb_proc_parse(const char *text, struct tb_proc *out);
/* 0, -ENOENT when there is none, or another negative errno. */
int tb_proc_read(pid_t pid, struct tb_proc *out);
/* Was one of these start_ticks there at that time of the monotonic clock? That clock stands while
 * the machine sleeps: what started between two sleeps after it may be taken for earlier. */
int tb_proc_began_before(uint64_t start_ticks, uint64_t mono_ns);
/* Is uid one of the four of the text of /proc/PID/status? */
int tb_proc_parse_uid(const char *text, uid_t uid);
int tb_proc_has_uid(pid_t pid, uid_t uid);

/* ---- the OOM killer ---- */

#define TB_PROC_OOM_HOST "/proc/vmstat"

/* The file that counts its victims in the memory cgroup that the text of /proc/PID/cgroup names; ""
 * when there is none. */
void tb_proc_parse_cgroup(const char *text, char path[TB_PROC_PATH]);
void tb_proc_oom_path(pid_t pid, char path[TB_PROC_PATH]);
/* The number in the line "oom_kill N" of vmstat, memory.events or memory.oom_control; -1 for none.
 */
int64_t tb_proc_parse_oom(const char *text);
int64_t tb_proc_oom(const char *path);

#endif
