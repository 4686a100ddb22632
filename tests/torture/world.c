/* world.c - the process has lost descriptors, rights, room, or what its files were. */
#include "torture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <towbar/towbar.h>

enum { NOBODY = 65534 };

static const char *spool_folder(void)
{
    const char *folder = getenv("TOWBAR_SPOOL");
    return folder ? folder : "/tmp";
}

static void limit(int what, rlim_t value)
{
    struct rlimit limits = {value, value};
    if (setrlimit(what, &limits) != 0)
        say("setrlimit: %s\n", strerror(errno));
}

/* ---- descriptors ---- */

KEEP static void close_from_3(void)
{
    closefrom(3);
    null_write();
}

KEEP static void close_all(void)
{
    closefrom(0);
    null_write();
}

KEEP static void close_and_reuse(void)
{
    closefrom(3);
    for (int fd = 3; fd < 600; fd++)
        (void)!open("/dev/null", O_RDWR);
    null_write();
}

KEEP static void use_up_descriptors(void)
{
    limit(RLIMIT_NOFILE, 1024);
    while (dup(0) >= 0)
        sink++;
    null_write();
}

KEEP static void forbid_descriptors(void)
{
    limit(RLIMIT_NOFILE, 0);
    null_write();
}

/* As most services are limited: 1024, which the process itself may raise. */
KEEP static void use_up_allowed(void)
{
    struct rlimit limits;
    getrlimit(RLIMIT_NOFILE, &limits);
    limits.rlim_cur = 600;
    setrlimit(RLIMIT_NOFILE, &limits);
    while (dup(0) >= 0)
        sink++;
    null_write();
}

static void use_up_in_child(void (*deed)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        chain(deed);
        _exit(1);
    }
    reap(pid);
}

static void use_up_allowed_in_child(void)
{
    use_up_in_child(use_up_allowed);
}

static void use_up_all_in_child(void)
{
    use_up_in_child(use_up_descriptors);
}

static void close_standard(void)
{
    close(0);
    close(1);
    close(2);
}

static void forbid_all_by_umask(void)
{
    umask(0777);
}

/* ---- rights ---- */

static void become_nobody(void)
{
    if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
        setresuid(NOBODY, NOBODY, NOBODY) != 0)
        say("setuid: %s\n", strerror(errno));
}

static void enter_empty_folder(void)
{
    char name[] = "/tmp/torture.XXXXXX";
    if (!mkdtemp(name) || chmod(name, 0755) != 0 || chroot(name) != 0 || chdir("/") != 0)
        say("chroot: %s\n", strerror(errno));
}

KEEP static void as_nobody(void)
{
    become_nobody();
    null_write();
}

KEEP static void in_chroot(void)
{
    enter_empty_folder();
    null_write();
}

KEEP static void dropped(void)
{
    enter_empty_folder();
    become_nobody();
    closefrom(3);
    null_write();
}

KEEP static void as_dropped_worker(void)
{
    enter_empty_folder();
    become_nobody();
    null_write();
}

/* As nginx, sshd and postfix have it: root starts, a child without rights works. */
static void in_dropped_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        chain(as_nobody);
        _exit(1);
    }
    reap(pid);
}

static void in_chrooted_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        chain(as_dropped_worker);
        _exit(1);
    }
    reap(pid);
}

static void in_closed_child_that(void (*deed)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        enter_empty_folder();
        become_nobody();
        deed();
        closefrom(3);
        chain(null_write);
        _exit(1);
    }
    reap(pid);
}

static void do_nothing(void)
{
}

static void use_library(void)
{
    if (!is_bare)
        towbar_note(TOWBAR_INFO, "a worker");
}

static void in_closed_child(void)
{
    in_closed_child_that(do_nothing);
}

static void in_closed_child_with_note(void)
{
    in_closed_child_that(use_library);
}

KEEP static void not_dumpable(void)
{
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    null_write();
}

/* ---- room ---- */

KEEP static void no_memory(void)
{
    limit(RLIMIT_AS, 1);
    char *volatile block = malloc(1 << 20);
    *(volatile char *)block = 1;
}

KEEP static void no_memory_in_thread(void)
{
    limit(RLIMIT_AS, 1);
    limit(RLIMIT_DATA, 1);
    null_write();
}

KEEP static void no_file_size(void)
{
    limit(RLIMIT_FSIZE, 0);
    null_write();
}

static void no_file_size_in_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        chain(no_file_size);
        _exit(1);
    }
    reap(pid);
}

KEEP static void no_core(void)
{
    limit(RLIMIT_CORE, 0);
    null_write();
}

KEEP static void no_processes(void)
{
    limit(RLIMIT_NPROC, 0);
    null_write();
}

KEEP static void no_stack(void)
{
    limit(RLIMIT_STACK, 64 << 10);
    null_write();
}

KEEP static void no_locked_memory(void)
{
    limit(RLIMIT_MEMLOCK, 0);
    limit(RLIMIT_SIGPENDING, 0);
    null_write();
}

KEEP static void no_pending_abort(void)
{
    limit(RLIMIT_SIGPENDING, 0);
    abort();
}

/* ---- the spool ---- */

static void fill_file(const char *folder)
{
    static char block[1 << 16];
    char path[600];
    snprintf(path, sizeof(path), "%s/in/filler", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    while (fd >= 0 && write(fd, block, sizeof(block)) > 0)
        sink++;
    while (fd >= 0 && write(fd, block, 512) > 0)
        sink++;
}

/* The slot must be read where it is, so the full disk is what the spool is on. */
static void small_disk(void)
{
    char in[600];
    struct stat st;
    snprintf(in, sizeof(in), "%s/in", spool_folder());
    if (stat(spool_folder(), &st) != 0 ||
        mount("none", spool_folder(), "tmpfs", 0, "size=512k,mode=755") != 0 ||
        mkdir(in, 0700) != 0 || chown(spool_folder(), st.st_uid, st.st_gid) != 0 ||
        chown(in, st.st_uid, st.st_gid) != 0 || chmod(in, 03733) != 0)
        say("mount: %s\n", strerror(errno));
}

KEEP static void fill_disk(void)
{
    fill_file(spool_folder());
    null_write();
}

KEEP static void make_read_only(void)
{
    if (mount("none", spool_folder(), NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0)
        sink++; /* a file is open for writing: as for every daemon */
    null_write();
}

/* What a stranger does to our files. */
static void spoil_files(int removes)
{
    char path[1200];
    snprintf(path, sizeof(path), "%s/in", spool_folder());
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        snprintf(path, sizeof(path), "%s/in/%s", spool_folder(), entry->d_name);
        if (entry->d_name[0] != '.' && (removes ? unlink(path) : truncate(path, 0)) != 0)
            say("file: %s\n", strerror(errno));
    }
}

KEEP static void remove_files(void)
{
    spoil_files(1);
    null_write();
}

KEEP static void cut_files(void)
{
    spoil_files(0);
    null_write();
}

KEEP static void without_folder(void)
{
    char name[] = "/tmp/torture.XXXXXX";
    if (!mkdtemp(name) || chdir(name) != 0 || rmdir(name) != 0)
        say("folder: %s\n", strerror(errno));
    null_write();
}

static const struct mode modes[] = {
    MODE("closefrom", "after closefrom(3)", NULL_WRITE, .run = close_from_3,
         .frames = "null_write close_from_3" CHAIN, .signal = SIGSEGV, .flags = SHORT),
    MODE("close-all", "after all descriptors were closed", NULL_WRITE, .run = close_all,
         .frames = "null_write close_all" CHAIN, .signal = SIGSEGV),
    MODE("close-reuse", "after all were closed and used again", NULL_WRITE, .run = close_and_reuse,
         .frames = "null_write close_and_reuse" CHAIN, .signal = SIGSEGV),
    MODE("no-descriptors", "no descriptor is left", NULL_WRITE, .run = use_up_descriptors,
         .frames = "null_write use_up_descriptors" CHAIN, .signal = SIGSEGV, .flags = SHORT),
    MODE("descriptors-forbidden", "RLIMIT_NOFILE 0", NULL_WRITE, .run = forbid_descriptors,
         .frames = "null_write forbid_descriptors" CHAIN, .signal = SIGSEGV),
    MODE("fork-no-descriptors", "no descriptor is left, in a forked child", NULL_WRITE,
         .run = use_up_allowed_in_child, .frames = "null_write use_up_allowed" CHAIN,
         .signal = SIGSEGV, .flags = ALONE | SHORT | NO_THREADS),
    MODE("fork-no-descriptors-hard", "the same where the hard limit is reached", NULL_WRITE,
         .run = use_up_all_in_child, .frames = "null_write use_up_descriptors" CHAIN,
         .signal = SIGSEGV, .flags = ALONE | NO_THREADS),
    MODE("no-standard", "standard descriptors closed before init", NULL_WRITE,
         .before = close_standard, .run = null_write, .frames = "null_write" CHAIN,
         .signal = SIGSEGV),
    MODE("umask", "umask 0777 before init", NULL_WRITE, .before = forbid_all_by_umask,
         .run = null_write, .frames = "null_write" CHAIN, .signal = SIGSEGV),
    MODE("setuid", "setuid to nobody", NULL_WRITE, .run = as_nobody,
         .frames = "null_write as_nobody" CHAIN, .signal = SIGSEGV, .flags = ROOT_ONLY | SHORT),
    MODE("chroot", "chroot to an empty folder", NULL_WRITE, .run = in_chroot,
         .frames = "null_write in_chroot" CHAIN, .signal = SIGSEGV, .flags = ROOT_ONLY | SHORT),
    MODE("dropped", "chroot, nobody, descriptors closed", NULL_WRITE, .run = dropped,
         .frames = "null_write dropped" CHAIN, .signal = SIGSEGV, .flags = ROOT_ONLY),
    MODE("fork-setuid", "a forked child as nobody", NULL_WRITE, .run = in_dropped_child,
         .frames = "null_write as_nobody" CHAIN, .signal = SIGSEGV,
         .flags = ALONE | ROOT_ONLY | SHORT | NO_THREADS),
    MODE("fork-chroot", "a forked child, chrooted, as nobody", NULL_WRITE, .run = in_chrooted_child,
         .frames = "null_write as_dropped_worker" CHAIN, .signal = SIGSEGV,
         .flags = ALONE | ROOT_ONLY | NO_THREADS),
    MODE("fork-chroot-closed", "the same, its descriptors closed", NULL_WRITE,
         .run = in_closed_child, .frames = "null_write" CHAIN, .signal = SIGSEGV,
         .flags = ALONE | ROOT_ONLY | NO_THREADS),
    MODE("fork-chroot-closed-note", "the same after a note", NULL_WRITE,
         .run = in_closed_child_with_note, .frames = "null_write" CHAIN, .signal = SIGSEGV,
         .flags = ALONE | ROOT_ONLY | NO_THREADS),
    MODE("not-dumpable", "PR_SET_DUMPABLE 0", NULL_WRITE, .run = not_dumpable,
         .frames = "null_write not_dumpable" CHAIN, .signal = SIGSEGV),
    MODE("no-memory", "malloc fails at RLIMIT_AS, unchecked",
         SAYS("near-NULL write at 0x", "SIGSEGV in no_memory"), AT(no_memory), .signal = SIGSEGV,
         .flags = SHORT | NO_SANITIZER),
    MODE("no-memory-at-all", "RLIMIT_AS and RLIMIT_DATA 1", NULL_WRITE, .run = no_memory_in_thread,
         .frames = "null_write no_memory_in_thread" CHAIN, .signal = SIGSEGV,
         .flags = NO_SANITIZER),
    MODE("no-file-size", "RLIMIT_FSIZE 0", NULL_WRITE, .run = no_file_size,
         .frames = "null_write no_file_size" CHAIN, .signal = SIGSEGV, .flags = SHORT),
    MODE("fork-no-file-size", "RLIMIT_FSIZE 0 in a forked child", NULL_WRITE,
         .run = no_file_size_in_child, .frames = "null_write no_file_size" CHAIN, .signal = SIGSEGV,
         .flags = ALONE | NO_THREADS),
    MODE("no-core", "RLIMIT_CORE 0", NULL_WRITE, .run = no_core,
         .frames = "null_write no_core" CHAIN, .signal = SIGSEGV, .flags = SHORT),
    MODE("no-processes", "RLIMIT_NPROC 0", NULL_WRITE, .run = no_processes,
         .frames = "null_write no_processes" CHAIN, .signal = SIGSEGV, .flags = NO_THREADS),
    MODE("no-stack", "RLIMIT_STACK below what is used", NULL_WRITE, .run = no_stack,
         .frames = "null_write no_stack" CHAIN, .signal = SIGSEGV),
    MODE("no-sigpending", "RLIMIT_SIGPENDING and RLIMIT_MEMLOCK 0", NULL_WRITE,
         .run = no_locked_memory, .frames = "null_write no_locked_memory" CHAIN, .signal = SIGSEGV),
    MODE("no-sigpending-abort", "abort() with RLIMIT_SIGPENDING 0",
         SAYS("^abort.. was called$", "SIGABRT in no_pending_abort"), UNDER(no_pending_abort),
         .signal = SIGABRT),
    MODE("full-disk", "the spool's file system is full", NULL_WRITE, .before = small_disk,
         .run = fill_disk, .frames = "null_write fill_disk" CHAIN, .signal = SIGSEGV,
         .flags = ROOT_ONLY | OWN_SPOOL),
    MODE("read-only-disk", "the spool's file system made read-only", NULL_WRITE,
         .before = small_disk, .run = make_read_only, .frames = "null_write make_read_only" CHAIN,
         .signal = SIGSEGV, .flags = ROOT_ONLY | OWN_SPOOL),
    MODE("files-removed", "somebody removed the files of the spool", .run = remove_files,
         .signal = SIGSEGV, .flags = ROOT_ONLY | OWN_SPOOL, .fails = "report",
         .why = "there is nothing that the agent could find"),
    MODE("files-cut", "somebody cut the files of the spool", .run = cut_files, .signal = SIGSEGV,
         .flags = ROOT_ONLY | OWN_SPOOL | SHORT, .fails = "report",
         .why = "there is nothing that the agent could find"),
    MODE("no-folder", "the current folder was removed", NULL_WRITE, .run = without_folder,
         .frames = "null_write without_folder" CHAIN, .signal = SIGSEGV),
};

const struct family world = {"world", modes, sizeof(modes) / sizeof(modes[0])};
