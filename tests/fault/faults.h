/* faults.h - puts a test between the spool and the system: counts its calls, makes one fail, cuts a
 * write short, kills the process before, after or within one, or tells what was written.
 *
 * 1. Without a plan every call goes through as it is.
 * 2. Calls are counted from 1 in the order in which they come, those of the plan's groups only, and
 *    also those of other threads.
 * 3. A call that fails has had no effect; close excepted, which frees the descriptor whatever it
 *    says, as Linux does. */
#ifndef TEST_FAULT_FAULTS_H
#define TEST_FAULT_FAULTS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum fault_what {
    FAULT_NONE, /* only counts */
    FAULT_ERROR,
    FAULT_ERRORS, /* this call and all that follow */
    FAULT_SHORT,  /* a read or write does a part; other calls go through */
    FAULT_KILL_BEFORE,
    FAULT_KILL_AFTER,
    FAULT_KILL_WITHIN, /* a write is cut at a page boundary; other calls: as AFTER */
    FAULT_N_WHAT
};

enum fault_group {
    FAULT_WRITE = 1,  /* changes a file, a folder or a lock */
    FAULT_READ = 2,   /* looks at one */
    FAULT_CLOSE = 4,  /* gives a descriptor back */
    FAULT_MEMORY = 8, /* malloc and its kin */
    FAULT_CALLS = FAULT_WRITE | FAULT_READ | FAULT_CLOSE,
};

struct fault_plan {
    enum fault_what what;
    unsigned groups;
    long at; /* 1 is the first call; 0 none */
    int err; /* an errno, positive */
};

void faults_arm(const struct fault_plan *plan);
/* Ends the plan; how many calls were counted. */
long faults_disarm(void);
/* The call that the plan met, or NULL when there were fewer. */
const char *faults_hit(void);

/* While set, there is no inotify (EMFILE, not counted): the reader must look for itself. */
void faults_blind(int is_blind);

/* Does work once, right after the next time that the reader has asked for a file's lock. */
void faults_after_lock_was_asked(void (*work)(void));

/* What the spool did to files, told after it was done. Descriptors are open, names as given. */
enum fault_op_kind {
    OP_CREATE, /* fd is the new file, in dirfd under name */
    OP_WRITE,  /* fd, offset, parts */
    OP_SIZE,   /* fd has another size now */
    OP_MKDIR,  /* dirfd, name */
    OP_RENAME, /* dirfd, name to dirfd2, name2 */
    OP_UNLINK, /* dirfd, name */
    OP_SYNC,   /* fd, a file or a folder */
};
struct fault_op {
    enum fault_op_kind kind;
    int fd, dirfd, dirfd2;
    const char *name, *name2;
    const void *data;
    size_t len;
    uint64_t offset;
};
/* Told of every change from now on; NULL ends that. */
void faults_watch(void (*watcher)(const struct fault_op *op));

/* ---- for calls.c ---- */

/* What shall become of a call. */
struct fault_verdict {
    int err;     /* not 0: fail with this errno */
    int is_cut;  /* do a part of it */
    int is_last; /* die when it was done */
};
struct fault_verdict faults_before(const char *name, enum fault_group group);
void faults_after(const struct fault_verdict *verdict);
/* The bytes that a cut transfer of len at offset does: up to a page boundary, else half. */
size_t faults_cut(const struct fault_verdict *verdict, uint64_t offset, size_t len);
void faults_tell(const struct fault_op *op);
int faults_is_watched(void);
int faults_is_blind(void);
void faults_lock_was_asked(void);

#endif
