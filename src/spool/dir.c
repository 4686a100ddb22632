/* dir.c - see dir.h. Every refusal names the path, the reason and what to do about it. */
#include "spool/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/id.h"
#include "spool/frame.h"
#include "spool/fs.h"
#include "spool/sys.h"

static int refuse(char why[TB_SPOOL_WHY], const char *path, int err, const char *remedy)
{
    char text[128];
    (void)snprintf(why, TB_SPOOL_WHY, "spool %.240s: %s; %s", path,
                   strerror_r(-err, text, sizeof(text)), remedy);
    return err;
}

static const char *producer_remedy(int err)
{
    if (err == -ENOENT)
        return "start towbard once so that it makes the folder, or set TOWBAR_SPOOL to a folder "
               "that this user may write to";
    if (err == -EACCES || err == -EPERM)
        return "start towbard as this user, or set TOWBAR_SPOOL to a folder that this user may "
               "write to";
    if (err == -ENOTDIR || err == -ELOOP)
        return "something that is not a folder stands there: move it away, or set TOWBAR_SPOOL to "
               "another path";
    if (err == -EROFS || err == -ENOSPC || err == -EDQUOT)
        return "set TOWBAR_SPOOL to a folder on a disk with room that may be written to";
    return "set TOWBAR_SPOOL to a folder that this user may write to";
}

static const char *agent_remedy(int err)
{
    if (err == -ENOENT)
        return "make the folder, or give another one with --spool";
    if (err == -EACCES || err == -EPERM)
        return "give the folder to the user that runs towbard (chown), or give another one with "
               "--spool";
    if (err == -ENOTDIR || err == -ELOOP)
        return "something that is not a folder stands there: move it away, or give another path "
               "with --spool";
    return "give a folder on a local disk with room with --spool";
}

static int refuse_remote(int fd, const char *path, char why[TB_SPOOL_WHY])
{
    struct statfs fs;
    const char *name;
    if (fstatfs(fd, &fs) < 0)
        return 0; /* where it cannot be asked the folder is taken as it is */
    if (tb_fs_judge((long)fs.f_type, &name) != TB_FS_REMOTE)
        return 0;
    (void)snprintf(why, TB_SPOOL_WHY,
                   "spool %.240s: it is on a %s file system, where a dying process can lose "
                   "records; choose a folder on a local disk (TOWBAR_SPOOL, --spool)",
                   path, name);
    return -EREMOTEIO;
}

/* Makes path and the parents that are missing. */
static int make_path(const char *path, mode_t mode)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0)
        return -ENOENT;
    if (len >= sizeof(part))
        return -ENAMETOOLONG;
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char kept = part[i];
        part[i] = '\0';
        if (mkdir(part, mode) < 0 && errno != EEXIST && access(part, F_OK) < 0)
            return -errno;
        part[i] = kept;
    }
    return 0;
}

static int join(char out[PATH_MAX], const char *folder, const char *name)
{
    int n = snprintf(out, PATH_MAX, "%s/%s", folder, name);
    return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int tb_spool_dir_open(const char *spool, int create, char why[TB_SPOOL_WHY])
{
    char in[PATH_MAX];
    int err = join(in, spool, "in");
    if (err < 0)
        return refuse(why, spool, err, producer_remedy(err));
    if (create && access(in, F_OK) < 0 && (err = make_path(in, 0700)) < 0)
        return refuse(why, in, err, producer_remedy(err));
    /* O_PATH: a shared drop box may be written to but not read. */
    int fd = tb_sys_open_high(AT_FDCWD, in, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0)
        return refuse(why, in, fd, producer_remedy(fd));
    if ((err = refuse_remote(fd, in, why)) < 0)
        goto out;
    if (faccessat(AT_FDCWD, in, W_OK | X_OK, AT_EACCESS) < 0)
        err = refuse(why, in, -errno, producer_remedy(-errno));
out:
    if (err < 0)
        tb_fd_close(&fd);
    return err < 0 ? err : fd;
}

/* Is it as tb_spool_dir_open makes it, for a program of this user that came before the agent? Any
 * other mode is somebody's wish. The setgid bit may come from the folder above. */
static int is_private(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
           (st.st_mode & (07777 & ~(mode_t)S_ISGID)) == 0700;
}

/* Makes SPOOL itself when it is missing. Producers of other users must be able to walk through a
 * shared one, whatever the umask. */
static int make_spool(const char *spool, int shared)
{
    int err = access(spool, F_OK) < 0 ? make_path(spool, shared ? 0755 : 0700) : 0;
    if (err < 0 || !shared)
        return err;
    int fd = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return 0; /* one that may be walked through, but not listed */
    if (is_private(fd) && fchmod(fd, 0755) < 0)
        err = -errno;
    tb_fd_close(&fd);
    return err;
}

/* On btrfs even a byte that has its room needs new room to be written, and a store to the mapped
 * slot of a crash is refused with SIGBUS when the disk is full; except in files of this kind, and
 * those made in the folder from now on are. Other file systems refuse the flag. */
static void forbid_copy_on_write(int fd)
{
    int flags;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
        return;
    flags |= FS_NOCOW_FL;
    (void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

/* Opens SPOOL/name, making it with exactly mode when it is missing. A private one gets it too. */
static int open_or_make(const char *spool, const char *name, mode_t mode, int *out,
                        char why[TB_SPOOL_WHY])
{
    char path[PATH_MAX];
    int err = join(path, spool, name);
    if (err < 0)
        return refuse(why, spool, err, agent_remedy(err));
    int made = mkdir(path, 0700) == 0;
    if (!made && errno != EEXIST)
        return refuse(why, path, -errno, agent_remedy(-errno));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return refuse(why, path, -errno, agent_remedy(-errno));
    /* fchmod: mkdir's mode is cut by the umask and drops the setgid bit. */
    if ((made || is_private(fd)) && fchmod(fd, mode) < 0)
        err = refuse(why, path, -errno, agent_remedy(-errno));
    if (err == 0 && faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0)
        err = refuse(why, path, -errno, agent_remedy(-errno));
    if (err == 0)
        err = refuse_remote(fd, path, why);
    if (err < 0) {
        tb_fd_close(&fd);
        return err;
    }
    forbid_copy_on_write(fd);
    *out = fd;
    return 0;
}

int tb_spool_dir_agent(const char *spool, int shared, int *in_fd, int *agent_fd,
                       char why[TB_SPOOL_WHY])
{
    int in = -1;
    int agent = -1;
    int err = make_spool(spool, shared);
    if (err < 0)
        return refuse(why, spool, err, agent_remedy(err));
    if ((err = open_or_make(spool, "in", shared ? 03733 : 0700, &in, why)) < 0 ||
        (err = open_or_make(spool, "agent", 0700, &agent, why)) < 0) {
        tb_fd_close(&in);
        return err;
    }
    *in_fd = in;
    *agent_fd = agent;
    return 0;
}

void tb_spool_name(int class_, const unsigned char boot_id[16], unsigned number, const char *suffix,
                   char out[TB_SPOOL_NAME])
{
    unsigned char random[8];
    char digits[12];
    size_t at = sizeof(digits);
    tb_id_random(random, sizeof(random));
    out[0] = (char)('0' + class_);
    out[1] = '-';
    tb_hex(boot_id, 4, out + 2);
    out[10] = '-';
    tb_hex(random, sizeof(random), out + 11);
    out[27] = '-';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    size_t len = 28;
    while (at < sizeof(digits))
        out[len++] = digits[at++];
    out[len++] = '.';
    for (size_t i = 0; suffix[i] && len < TB_SPOOL_NAME - 1; i++)
        out[len++] = suffix[i];
    out[len] = '\0';
}

int tb_spool_name_parse(const char *name, int *kind)
{
    static const char hex[] = "0123456789abcdef";
    static const char *const suffixes[] = {
        [TB_FILE_SEGMENT] = ".seg", [TB_FILE_SLOT] = ".slot", [TB_FILE_MORE] = ".more"};
    if (name[0] < '0' || name[0] >= '0' + TB_N_CLASSES || name[1] != '-')
        return -1;
    if (strspn(name + 2, hex) != 8 || name[10] != '-')
        return -1;
    if (strspn(name + 11, hex) != 16 || name[27] != '-')
        return -1;
    size_t n_digits = strspn(name + 28, "0123456789");
    const char *suffix = name + 28 + n_digits;
    if (n_digits < 1 || n_digits > 10)
        return -1;
    int found = 0;
    while (found <= TB_FILE_MORE && strcmp(suffix, suffixes[found]) != 0)
        found++;
    if (found > TB_FILE_MORE || (found != TB_FILE_SEGMENT && name[0] != '0'))
        return -1;
    *kind = found;
    return name[0] - '0';
}

int tb_spool_name_beside(const char *name, const char *suffix, char out[TB_SPOOL_NAME])
{
    const char *dot = strrchr(name, '.');
    size_t stem = dot ? (size_t)(dot - name) + 1 : 0;
    size_t len = strlen(suffix);
    if (stem == 0 || stem + len >= TB_SPOOL_NAME)
        return -EINVAL;
    memcpy(out, name, stem);
    memcpy(out + stem, suffix, len + 1);
    return 0;
}
