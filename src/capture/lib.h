/* lib.h - the state of the library in this process, and the gate that every use of it passes.
 *
 *   OFF       nothing is open; enter says -ENOTCONN
 *   STARTING  one thread is in towbar_init
 *   ON        dirfd, writers and slot may be used between enter and leave
 *   STOPPING  one thread is in towbar_shutdown and waits for those who are inside
 *
 * A fork child inherits ON without files of its own; the first call in it (enter or touch) makes
 * them. A child that shares the parent's memory (vfork) uses the parent's. */
#ifndef TB_CAPTURE_LIB_H
#define TB_CAPTURE_LIB_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "record/process.h"
#include "spool/slot.h"
#include "spool/writer.h"

enum tb_lib_state { TB_LIB_OFF, TB_LIB_STARTING, TB_LIB_ON, TB_LIB_STOPPING };
enum { TB_LIB_PATH = 4096, TB_LIB_NAME = 256, TB_LIB_WHY = 640 };

struct tb_lib {
    atomic_int state;     /* enum tb_lib_state */
    atomic_uint n_users;  /* between enter and leave */
    atomic_int is_orphan; /* 0; 1 in a fork child that has no files of its own yet; -tid of the
                             thread that makes them */
    atomic_int pid;       /* whose the slot and the writers are */
    atomic_int dirfd;     /* SPOOL/in */
    atomic_int dir_error; /* why it cannot be opened for now, an errno, or 0 */
    dev_t dir_dev;        /* what dirfd was: a host that closes all descriptors reuses numbers */
    ino_t dir_ino;
    atomic_int opener;                /* tid of the thread that opens dirfd anew, or 0 */
    _Atomic uint64_t opener_since_ns; /* monotonic */
    _Atomic uint64_t storing; /* when the one that stores modules into the slot began, monotonic;
                                 0: nobody */
    _Atomic uint64_t stored;  /* generation of what is there */
    struct tb_writer writers[TB_N_CLASSES];
    struct tb_slot slot;      /* filled once: what has a map does not change but by its calls */
    atomic_flag making;       /* one at a time makes the slot */
    atomic_int slot_error;    /* why it could not be made, an errno, or 0 */
    _Atomic uint64_t slot_ns; /* monotonic: when that was tried last */
    atomic_int *wiped; /* 0 in a child whose memory is a copy (MADV_WIPEONFORK), else 1; or NULL */
    /* For quiet.h: a filter may kill for a call, for good; a fault of ours comes to us. */
    atomic_int may_be_filtered, is_guarded;
    uint8_t boot_id[16];
    struct tb_process about; /* process record without modules; texts point below */
    char spool[TB_LIB_PATH];
    char exe[TB_LIB_PATH];
    char host[TB_LIB_NAME], service[TB_LIB_NAME], environment[TB_LIB_NAME], version[TB_LIB_NAME];
    char root[TB_LIB_PATH];
    char why[TB_LIB_WHY]; /* why init failed, or what is not as it should be since; or "" */
    int is_prepared;      /* what is not zero at first has been set */
    int has_handler;      /* crash handler on */
    int has_rows;         /* libunwind found */
    int has_sync;         /* errors and critical reports wait for the disk */
    int forgets_trace;    /* fork children begin without one */
    _Atomic uint64_t n_lost[TB_N_CLASSES]; /* reports that did not get to the disk, by class */
    atomic_int last_error;                 /* of those */
};

extern struct tb_lib tb_lib;

/* 0 when the library is on: then call tb_lib_leave. -ENOTCONN, or -EAGAIN, else. Signal-safe but
 * for the first call in a fork child. */
int tb_lib_enter(void);
void tb_lib_leave(void);
/* For calls that need no files: lets a fork child get its own. Keeps errno. */
void tb_lib_touch(void);

/* Before anything of tb_lib is used but by the calls above. */
void tb_lib_prepare(void);
/* Fills tb_lib.about for this process. Not signal-safe. */
void tb_lib_describe(void);
/* Remembers what dirfd is. */
void tb_lib_keep_dir(void);
/* Opens it anew by its path when it is something else by now or was removed, and lets the writers
 * use that: a folder that took the place of the old one is ours from then on. dirfd is -1 when
 * there is none. Signal-safe; threads may race for it. */
void tb_lib_check_dir(void);
/* Closes dirfd, unless its number is the host's by now. */
void tb_lib_close_dir(void);
/* Makes the writers ready to write into dirfd as the process that describe saw. Nobody may use them
 * meanwhile. */
void tb_lib_init_writers(void);
/* Makes the crash slot of this process if there is none. 0 or a negative errno, -EBUSY when another
 * thread, or the code that this handler interrupted, makes it: one that leaves by siglongjmp
 * meanwhile ends that, and crashes make their own. Signal-safe. */
int tb_lib_make_slot(uint64_t start_ticks);
/* The same, with the process record and the number of losses in it. */
int tb_lib_open_slot(void);
/* The same for a process that has none, at most once a second; lets a spare go that was taken.
 * Signal-safe. */
void tb_lib_retry_slot(void);
/* In a fork child: the parent's is let go. Signal-safe. */
void tb_lib_forget_slot(void);
/* Stores the current module table into the slot, unless it is there or somebody is at it; one that
 * stays at it for a second has left by siglongjmp. To be called with each report, so that what was
 * left out comes with the next. Signal-safe. */
void tb_lib_store_modules(void);
/* Opens SPOOL/in and fills tb_lib.spool: wanted, or what docs/limits.md says when it is NULL or
 * empty. The descriptor, or a negative errno; what the user should know of it is then in why, and
 * may be in the first case. An error that may pass is in tb_lib.dir_error too. (spool.c) */
int tb_lib_open_spool(const char *wanted, char why[TB_LIB_WHY]);

#endif
