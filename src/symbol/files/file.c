/* file.c - see file.h. */
#include "symbol/files/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"

enum { NOBODY = INT32_MAX }; /* whoever that is: owners' rights are not asked for */

/* What the kernel makes up as it is read, and often by the rights of the one who reads or opened
 * it: mode and owner of such a file say little of who may know its content. */
static const uint32_t pseudo[] = {
    PROC_SUPER_MAGIC, SYSFS_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC, CGROUP_SUPER_MAGIC,
    CGROUP2_SUPER_MAGIC, SECURITYFS_MAGIC, SELINUX_MAGIC, SMACK_MAGIC, PSTOREFS_MAGIC,
    EFIVARFS_MAGIC, BPF_FS_MAGIC, RDTGROUP_SUPER_MAGIC, BINFMTFS_MAGIC, NSFS_MAGIC,
    DEVPTS_SUPER_MAGIC, AUTOFS_SUPER_MAGIC, OPENPROM_SUPER_MAGIC, USBDEVICE_SUPER_MAGIC,
    SOCKFS_MAGIC, PIPEFS_MAGIC, ANON_INODE_FS_MAGIC, DMA_BUF_MAGIC, DEVMEM_MAGIC, SECRETMEM_MAGIC,
    /* without a name in linux/magic.h: */
    0x62656570, /* configfs */
    0x65735543, /* fusectl */
    0x19800202, /* mqueue */
    0x6e667364, /* nfsd */
    0x50494446, /* pidfs */
    0x67596969, /* rpc_pipefs */
    0x5a3c69f0, /* apparmorfs */
    0xabba1974, /* xenfs */
    0x0a647361, /* functionfs */
};

static bool is_pseudo(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0)
        return true;
    for (size_t i = 0; i < sizeof(pseudo) / sizeof(pseudo[0]); i++) {
        if ((uint32_t)fs.f_type == pseudo[i])
            return true;
    }
    return false;
}

static void name_of_fd(int fd, char out[32])
{
    (void)snprintf(out, 32, "/proc/self/fd/%d", fd);
}

int tb_symbol_file_reopen(int path_fd, uint64_t max_bytes)
{
    struct stat st;
    char name[32];
    int fd = -1;
    int err = 0;
    if (fstat(path_fd, &st) < 0)
        err = -errno;
    else if (!S_ISREG(st.st_mode) || is_pseudo(path_fd))
        err = -ENXIO;
    else if ((uint64_t)st.st_size > max_bytes)
        err = -EFBIG;
    if (err)
        goto out;
    name_of_fd(path_fd, name);
    fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        err = -errno;
out:
    tb_fd_close(&path_fd);
    return err ? err : fd;
}

int tb_symbol_file_open(const char *path, uint64_t max_bytes)
{
    if (path[0] != '/')
        return -EINVAL;
    int path_fd = open(path, O_PATH | O_CLOEXEC);
    if (path_fd < 0)
        return -errno;
    return tb_symbol_file_reopen(path_fd, max_bytes);
}

static bool may(const struct stat *st, uint32_t uid, mode_t owner, mode_t others)
{
    return uid == 0 || (st->st_uid == uid && (st->st_mode & owner)) || (st->st_mode & others);
}

/* Cuts the last name from path and looks at the folder that is left, up to the root. */
static bool may_search_above(char *path, uint32_t uid)
{
    struct stat st;
    for (char *cut = strrchr(path, '/'); cut; cut = strrchr(path, '/')) {
        *cut = '\0';
        if (stat(cut == path ? "/" : path, &st) < 0 ||
            !may(&st, uid, uid == NOBODY ? 0 : S_IXUSR, S_IXOTH))
            return false;
    }
    return true;
}

int tb_symbol_file_real_path(int fd, char *out, size_t cap)
{
    char name[32];
    name_of_fd(fd, name);
    ssize_t len = readlinkat(AT_FDCWD, name, out, cap - 1);
    if (len <= 0 || (size_t)len >= cap - 1 || out[0] != '/')
        return -ENOENT;
    out[len] = '\0';
    return 0;
}

static bool may_use(int fd, uint32_t uid, mode_t owner, mode_t others)
{
    struct stat st;
    char path[PATH_MAX];
    if (fstat(fd, &st) < 0 || !may(&st, uid, owner, others))
        return false;
    if (uid == 0)
        return true;
    return tb_symbol_file_real_path(fd, path, sizeof(path)) == 0 && may_search_above(path, uid);
}

bool tb_symbol_file_may_read(int fd, uint32_t uid)
{
    return may_use(fd, uid, S_IRUSR, S_IROTH);
}

bool tb_symbol_file_is_public(int fd)
{
    return may_use(fd, NOBODY, 0, S_IROTH);
}

bool tb_symbol_file_may_search(int fd, uint32_t uid)
{
    return may_use(fd, uid, S_IXUSR, S_IXOTH);
}
