/* tail.h - one file that is read as it grows: which file it is, how far it was read, and reading
 * on.
 *
 * 1. What is passed over is in the spool or put aside, or docs/rollbar-files.md says that it is
 *    passed over.
 * 2. A file that was truncated, or made again, is told by its size, its birth time and the bytes
 *    before the offset: it is read from its beginning then, as another file.
 * 3. A call reads TB_TAIL_BUDGET bytes and one line at most. */
#ifndef TB_AGENT_FILES_TAIL_H
#define TB_AGENT_FILES_TAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/config/config.h"
#include "agent/files/files.h"
#include "agent/files/lines.h"
#include "agent/files/log_item.h"
#include "agent/files/log_rule.h"
#include "agent/files/place.h"
#include "agent/files/take.h"

enum { TB_TAIL_BUDGET = 4 << 20, TB_TAIL_STILL_MS = 1000 };

/* A path of the settings. */
struct tb_files_source {
    const char *path;                /* the config's */
    uint32_t key;                    /* tb_place_source */
    struct tb_log_rule *rule;        /* owned; NULL: of .rollbar files */
    const struct tb_config_log *log; /* the config's; of logs */
    enum tb_log_severity least;
    bool is_new; /* watched for the first time: of logs that are there now nothing is read */
    bool said_limit;
    int err; /* why its folder cannot be read; 0 */
};

/* What the kernel says of a file. */
struct tb_tail_facts {
    uint64_t dev, ino, born_ns, size;
    int64_t mtime_ns;
    unsigned mode, n_links;
};

struct tb_tail {
    struct tb_place place;
    struct tb_files_source *source; /* NULL: of a path that is in the settings no more */
    int fd;                         /* -1: not open */
    uint64_t scanned;               /* as in struct tb_lines_place */
    struct tb_tail_facts now;       /* at the last look */
    uint64_t done_size;             /* with which size and time it was read to its end */
    int64_t done_mtime_ns;
    uint64_t changed_ns; /* monotonic: when now was last another */
    uint64_t used_ns;    /* monotonic: when it was last read since it was opened; 0: not yet */
    unsigned sweep;      /* in which it was last seen */
    bool is_checked;     /* the bytes before the offset were looked at since the agent began */
    bool begins_at_end;  /* what is in it now is not read */
    bool has_begun;      /* it was opened once: there is a place to be kept */
    bool is_kept;        /* so is its id */
    uint64_t kept_offset;
    bool waits;    /* a message is open until it was still for a while */
    bool is_now;   /* found by a name that fits */
    bool is_stuck; /* it cannot be removed */
    int trouble;   /* why it is not read: a negative errno; 0 */
    int said;      /* the trouble that was logged */
    struct tb_tail *next;
};

/* What reading needs; one for all. */
struct tb_tail_reader {
    struct tb_take *take; /* borrowed */
    struct tb_lines lines;
    struct tb_log_message message;
    struct tb_files_counts *counts; /* borrowed */
    char host[256];
};

/* 0 or a negative errno. fd, or name in dirfd; links are not followed. */
int tb_tail_look(int dirfd, const char *name, struct tb_tail_facts *out);
/* Begins anew: another file, or the same one from its beginning. */
void tb_tail_reset(struct tb_tail *tail);
/* Opens name, which must be the file that tail->now tells of. 0; -ESTALE: it is another by now; or
 * another negative errno. A file that was never open begins at its beginning or at its end. */
int tb_tail_open(struct tb_tail *tail, int dirfd, const char *name);
/* Looks at the open file; when it is not what was read before it is reset. */
void tb_tail_check(struct tb_tail *tail);
/* Is there something to be read, or to be decided? */
bool tb_tail_has_work(const struct tb_tail *tail, uint64_t now_ns);
/* Reads on: 0 when its end was met; 1 when there is more; a negative errno when the spool takes
 * nothing now. */
int tb_tail_read(struct tb_tail_reader *reader, struct tb_tail *tail, uint64_t now_ns);

#endif
