/* shelf_file.c - see shelf_file.h. */
#include "symbol/index/shelf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/id.h"

int tb_symbol_shelf_file_name(const uint8_t *build_id, size_t build_id_len, uint32_t uid,
                              char subfolder[TB_SYMBOL_SHELF_SUBFOLDER],
                              char name[TB_SYMBOL_SHELF_NAME])
{
    char hex[2 * TB_BUILD_ID_BYTES + 1];
    if (build_id_len < 2 || build_id_len > TB_BUILD_ID_BYTES)
        return -EINVAL;
    tb_hex(build_id, build_id_len, hex);
    (void)snprintf(subfolder, TB_SYMBOL_SHELF_SUBFOLDER, "%.2s", hex);
    (void)snprintf(name, TB_SYMBOL_SHELF_NAME, "%s-%u.tbx", hex + 2, uid);
    return 0;
}

static int open_file(const char *folder, const struct tb_symbol_key *key)
{
    const int as_folder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    char subfolder[TB_SYMBOL_SHELF_SUBFOLDER];
    char name[TB_SYMBOL_SHELF_NAME];
    int sub_fd = -1;
    int fd = -1;
    int err =
        tb_symbol_shelf_file_name(key->build_id, key->build_id_len, key->uid, subfolder, name);
    if (err)
        return err;
    int folder_fd = open(folder, as_folder);
    if (folder_fd >= 0)
        sub_fd = openat(folder_fd, subfolder, as_folder);
    if (sub_fd >= 0)
        fd = openat(sub_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    err = fd < 0 ? -errno : fd;
    tb_fd_close(&sub_fd);
    tb_fd_close(&folder_fd);
    return err;
}

static int check_file(int fd, struct stat *st)
{
    if (fstat(fd, st) < 0)
        return -errno;
    if (!S_ISREG(st->st_mode) || st->st_uid != geteuid() || st->st_nlink != 1)
        return -EPERM;
    if (st->st_size > TB_SYMBOL_INDEX_BYTES_MAX)
        return -EFBIG;
    return st->st_size < TB_SYMBOL_INDEX_HEADER_BYTES ? -EBADMSG : 0;
}

int tb_symbol_shelf_file_map(const char *folder, const struct tb_symbol_key *key,
                             struct tb_symbol_indexed *out)
{
    struct stat st;
    int fd = open_file(folder, key);
    if (fd < 0)
        return fd;
    int err = check_file(fd, &st);
    void *bytes = MAP_FAILED;
    if (err == 0) {
        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        err = bytes == MAP_FAILED ? -errno : 0;
    }
    tb_fd_close(&fd);
    if (err)
        return err;
    *out = (struct tb_symbol_indexed){.fd = -1, .bytes = bytes, .len = (size_t)st.st_size};
    return 0;
}
