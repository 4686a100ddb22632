/* lib.c - see lib.h: the gate, and what this process is. */
#include "capture/lib.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "capture/report/context.h"
#include "capture/hooks/fork.h"
#include "capture/report/loss.h"
#include "capture/modules/modules.h"
#include "capture/report/notes.h"
#include "capture/crash/spare.h"
#include "capture/text.h"
#include "spool/fs.h"
#include "spool/sys.h"

enum { STAT_BYTES = 1024, START_TICKS_FIELD = 22 };
enum { OPENER_STEPS = 100, OPENER_STEP_NS = 100 * 1000, OPENER_STUCK_NS = TB_NS_PER_S };
enum { SLOT_RETRY_NS = TB_NS_PER_S, STORER_STUCK_NS = TB_NS_PER_S };

struct tb_lib tb_lib; /* zeros: 25 KB that need not be in the file */

void tb_lib_prepare(void)
{
    if (tb_lib.is_prepared)
        return;
    tb_lib.dirfd = -1;
    tb_lib.slot.fd = -1;
    tb_lib.is_prepared = 1;
}

int tb_lib_enter(void)
{
    if (atomic_load(&tb_lib.state) != TB_LIB_ON)
        return -ENOTCONN;
    if (tb_fork_is_unseen())
        tb_fork_forget();
    atomic_fetch_add(&tb_lib.n_users, 1);
    if (atomic_load(&tb_lib.state) != TB_LIB_ON) {
        tb_lib_leave();
        return -ENOTCONN;
    }
    int err = atomic_load(&tb_lib.is_orphan) ? tb_fork_adopt() : 0;
    if (err)
        tb_lib_leave();
    return err;
}

void tb_lib_leave(void)
{
    atomic_fetch_sub(&tb_lib.n_users, 1);
}

void tb_lib_touch(void)
{
    int kept = errno;
    if (atomic_load_explicit(&tb_lib.state, memory_order_relaxed) == TB_LIB_ON &&
        (atomic_load_explicit(&tb_lib.is_orphan, memory_order_relaxed) || tb_fork_is_unseen()) &&
        tb_lib_enter() == 0)
        tb_lib_leave();
    errno = kept;
}

/* Field 22 of /proc/self/stat, or 0. The second field is in brackets and may hold anything. */
static uint64_t read_start_ticks(void)
{
    char text[STAT_BYTES];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < START_TICKS_FIELD; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

static uint64_t start_wall_ns(uint64_t ticks)
{
    struct timespec boot;
    uint64_t now = tb_clock_wall_ns();
    long per_second = sysconf(_SC_CLK_TCK);
    if (ticks == 0 || per_second <= 0 || clock_gettime(CLOCK_BOOTTIME, &boot) != 0)
        return now;
    uint64_t up = (uint64_t)boot.tv_sec * TB_NS_PER_S + (uint64_t)boot.tv_nsec;
    uint64_t start = ticks * (TB_NS_PER_S / (uint64_t)per_second);
    return start < up ? now - (up - start) : now;
}

void tb_lib_describe(void)
{
    struct tb_process *about = &tb_lib.about;
    ssize_t n = readlink("/proc/self/exe", tb_lib.exe, sizeof(tb_lib.exe) - 1);
    if (n > 0)
        tb_lib.exe[n] = '\0';
    else if (tb_lib.exe[0] == '\0') /* no /proc: the name it was called by */
        (void)tb_text_copy(tb_lib.exe, sizeof(tb_lib.exe), program_invocation_name);
    if (gethostname(tb_lib.host, sizeof(tb_lib.host)) != 0)
        tb_lib.host[0] = '\0';
    tb_lib.host[sizeof(tb_lib.host) - 1] = '\0';
    *about = (struct tb_process){.pid = (uint32_t)getpid(),
                                 .uid = (uint32_t)geteuid(),
                                 .exe = tb_lib.exe,
                                 .host = tb_lib.host,
                                 .service = tb_lib.service,
                                 .environment = tb_lib.environment,
                                 .version = tb_lib.version,
                                 .root = tb_lib.root};
    tb_id_boot(tb_lib.boot_id);
    about->start_ticks = read_start_ticks();
    about->start_wall_ns = start_wall_ns(about->start_ticks);
}

void tb_lib_keep_dir(void)
{
    struct stat st;
    tb_lib.dir_dev = 0;
    tb_lib.dir_ino = 0;
    if (fstat(tb_lib.dirfd, &st) != 0)
        return;
    tb_lib.dir_dev = st.st_dev;
    tb_lib.dir_ino = st.st_ino;
}

static int is_dir_ours(void)
{
    return tb_lib.dir_ino != 0 && tb_sys_is_same(tb_lib.dirfd, tb_lib.dir_dev, tb_lib.dir_ino);
}

/* 0, or -EAGAIN when another thread, or the code that this handler interrupted, stays at it. One
 * that stays for very long has left by siglongjmp or died: two at once lose a descriptor at worst.
 */
static int become_opener(void)
{
    const struct timespec step = {0, OPENER_STEP_NS};
    int self = tb_sys_gettid();
    for (int i = 0; i < OPENER_STEPS; i++) {
        int holder = 0;
        uint64_t now = tb_clock_mono_ns();
        int is_ours = atomic_compare_exchange_strong(&tb_lib.opener, &holder, self);
        if (!is_ours && now - atomic_load(&tb_lib.opener_since_ns) >= OPENER_STUCK_NS)
            is_ours = atomic_compare_exchange_strong(&tb_lib.opener, &holder, self);
        if (is_ours) {
            atomic_store(&tb_lib.opener_since_ns, now);
            return 0;
        }
        if (holder == self)
            return -EAGAIN;
        (void)syscall(SYS_nanosleep, &step, NULL);
    }
    return -EAGAIN;
}

static int is_remote(int fd)
{
    struct statfs fs;
    const char *name;
    return syscall(SYS_fstatfs, fd, &fs) == 0 &&
           tb_fs_judge((long)fs.f_type, &name) == TB_FS_REMOTE;
}

/* The folder at the path of the old one, or of one that could not be opened so far; -1 when there
 * is none. */
static int open_dir(void)
{
    char path[TB_LIB_PATH + 4];
    size_t len = tb_text_copy(path, TB_LIB_PATH, tb_lib.spool);
    memcpy(path + len, "/in", 4);
    int fd = tb_sys_open_high(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd >= 0 && is_remote(fd)) {
        tb_sys_close(fd);
        fd = -EREMOTEIO;
    }
    atomic_store(&tb_lib.dir_error, fd < 0 ? -fd : 0);
    return fd < 0 ? -1 : fd;
}

/* One that was removed, while it is open here; another may stand at its path by now. The old number
 * stays open: a thread may be about to use it, and between a check and its closing the host may
 * have given it to a file of its own. That costs a descriptor for each time that somebody removes
 * the folder. */
static void replace_removed(void)
{
    struct stat st;
    if (tb_sys_fstat(tb_lib.dirfd, &st) != 0 || st.st_nlink > 0)
        return;
    int fd = open_dir();
    if (fd < 0)
        return;
    tb_lib.dirfd = fd;
    tb_lib_keep_dir();
}

void tb_lib_check_dir(void)
{
    if (become_opener() != 0)
        return;
    if (is_dir_ours()) {
        replace_removed();
    } else {
        tb_lib.dirfd = open_dir(); /* what has the old number now is the host's: left alone */
        tb_lib_keep_dir();
    }
    for (int i = 0; i < TB_N_CLASSES; i++) /* one that is busy says -ESTALE again, and is next */
        (void)tb_writer_move(&tb_lib.writers[i], tb_lib.dirfd);
    atomic_store(&tb_lib.opener, 0);
}

void tb_lib_close_dir(void)
{
    if (is_dir_ours())
        tb_sys_close(tb_lib.dirfd);
    tb_lib.dirfd = -1;
    tb_lib.dir_ino = 0;
}

void tb_lib_init_writers(void)
{
    for (int i = 0; i < TB_N_CLASSES; i++) {
        struct tb_writer *writer = &tb_lib.writers[i];
        tb_writer_init(writer, i, tb_lib.dirfd);
        memcpy(writer->boot_id, tb_lib.boot_id, sizeof(writer->boot_id));
        writer->start_ticks = tb_lib.about.start_ticks;
    }
}

static struct tb_slot new_slot = {.fd = -1}; /* of the one that makes it: others see it whole */

static void publish_slot(void)
{
    enum { REST = offsetof(struct tb_slot, fd) };
    uint8_t *map = new_slot.map;
    memcpy((char *)&tb_lib.slot + REST, (const char *)&new_slot + REST, sizeof(new_slot) - REST);
    atomic_store(&tb_lib.stored, 0);
    atomic_store(&tb_lib.slot.map, map);
    new_slot = (struct tb_slot){.fd = -1};
}

int tb_lib_make_slot(uint64_t start_ticks)
{
    int err = 0;
    if (atomic_flag_test_and_set(&tb_lib.making))
        return -EBUSY;
    int dir_error = atomic_load(&tb_lib.dir_error);
    if (!tb_lib.slot.map && dir_error)
        err = -dir_error;
    else if (!tb_lib.slot.map)
        err = tb_slot_open(&new_slot, tb_lib.dirfd, tb_lib.boot_id, start_ticks);
    if (new_slot.map)
        publish_slot();
    atomic_store(&tb_lib.slot_error, -err);
    atomic_flag_clear(&tb_lib.making);
    return err;
}

int tb_lib_open_slot(void)
{
    int err = tb_lib_make_slot(tb_lib.about.start_ticks);
    atomic_store(&tb_lib.slot_ns, tb_clock_mono_ns());
    if (err)
        return err;
    tb_lib_store_modules();
    tb_loss_store();
    tb_notes_write_anew();
    return 0;
}

void tb_lib_retry_slot(void)
{
    uint64_t last = atomic_load(&tb_lib.slot_ns);
    tb_spare_look();
    if (tb_lib.slot.map)
        return;
    uint64_t now = tb_clock_mono_ns();
    if (now - last < SLOT_RETRY_NS || !atomic_compare_exchange_strong(&tb_lib.slot_ns, &last, now))
        return;
    tb_lib_check_dir();
    (void)tb_lib_open_slot();
}

void tb_lib_forget_slot(void)
{
    tb_slot_close(&tb_lib.slot, 0);
    tb_slot_close(&new_slot, 0);
    atomic_flag_clear(&tb_lib.making);
    atomic_store(&tb_lib.slot_error, 0);
    atomic_store(&tb_lib.slot_ns, 0);
    atomic_store(&tb_lib.storing, 0);
    atomic_store(&tb_lib.stored, 0);
}

/* When this one began, which is its token too; 0 when somebody is at it. */
static uint64_t become_storer(void)
{
    uint64_t now = tb_clock_mono_ns();
    uint64_t since = 0;
    if (atomic_compare_exchange_strong(&tb_lib.storing, &since, now))
        return now;
    if (since < now && now - since >= STORER_STUCK_NS &&
        atomic_compare_exchange_strong(&tb_lib.storing, &since, now))
        return now;
    return 0;
}

void tb_lib_store_modules(void)
{
    struct tb_modules *modules = tb_modules_take();
    uint64_t generation = modules ? modules->process.generation : 0;
    uint64_t since = 0;
    if (modules && tb_lib.slot.map && generation != atomic_load(&tb_lib.stored))
        since = become_storer();
    if (modules && since) {
        (void)tb_slot_renew(&tb_lib.slot, generation, modules->record, modules->record_len);
        atomic_store(&tb_lib.stored, generation);
        /* One that was taken for gone may have written over the other's bytes: once more. */
        if (!atomic_compare_exchange_strong(&tb_lib.storing, &since, 0))
            atomic_store(&tb_lib.stored, 0);
    }
    tb_modules_give(modules);
}
