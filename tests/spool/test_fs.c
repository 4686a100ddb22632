/* Which file systems a spool may be on: by number, and on real ones where they can be mounted. */
#include "support.h"

#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "spool/fs.h"

enum { CANNOT_MOUNT = 99 };

static void file_systems_are_judged_by_their_number(void **state)
{
    (void)state;
    static const struct {
        long magic;
        enum tb_fs_kind kind;
        const char *name;
        int syncs_names;
    } cases[] = {
        {0xef53, TB_FS_LOCAL, "ext4", 1},
        {0x58465342, TB_FS_LOCAL, "XFS", 1},
        {0x9123683e, TB_FS_LOCAL, "btrfs", 1},
        {0xf2f52010, TB_FS_LOCAL, "F2FS", 1},
        {0x794c7630, TB_FS_LOCAL, "overlay", 0},
        {0x01021994, TB_FS_MEMORY, "tmpfs", 0},
        {0x858458f6, TB_FS_MEMORY, "ramfs", 0},
        {0x6969, TB_FS_REMOTE, "NFS", 0},
        {0xff534d42, TB_FS_REMOTE, "CIFS", 0},
        {0xfe534d42, TB_FS_REMOTE, "SMB", 0},
        {0x517b, TB_FS_REMOTE, "SMB", 0},
        {0x01021997, TB_FS_REMOTE, "9p", 0},
        {0x65735546, TB_FS_REMOTE, "FUSE", 0},
        {0x5346414f, TB_FS_REMOTE, "AFS", 0},
        {0x6b414653, TB_FS_REMOTE, "AFS", 0},
        {0x00c36400, TB_FS_REMOTE, "Ceph", 0},
        {0x73757245, TB_FS_REMOTE, "Coda", 0},
        {0x47504653, TB_FS_REMOTE, "GPFS", 0},
        {(long)(int)0xff534d42, TB_FS_REMOTE, "CIFS", 0}, /* the sign extended */
        {0x12345678, TB_FS_LOCAL, NULL, 0},
        {0, TB_FS_LOCAL, NULL, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *name = "unset";
        assert_int_equal(tb_fs_judge(cases[i].magic, &name), cases[i].kind);
        if (cases[i].name)
            assert_string_equal(name, cases[i].name);
        else
            assert_null(name);
        assert_int_equal(tb_fs_syncs_names(cases[i].magic), cases[i].syncs_names);
    }
}

/* body runs in a child with mounts of its own; skips where it says that it cannot mount. */
static void run_apart(int (*body)(struct fixture *fixture), struct fixture *fixture)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
            _exit(CANNOT_MOUNT);
        _exit(body(fixture));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CANNOT_MOUNT) {
        print_message("this user or kernel cannot mount that: skipped\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- a file system that answers a few questions over /dev/fuse ---- */

static size_t answer_init(struct fuse_init_out *out)
{
    *out = (struct fuse_init_out){
        .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = 4096};
    return sizeof(*out);
}

/* All that is asked for is a folder. */
static void fill_attr(struct fuse_attr *attr, uint64_t ino)
{
    *attr = (struct fuse_attr){.ino = ino, .mode = S_IFDIR | 0777, .nlink = 2};
}

static size_t answer(const struct fuse_in_header *in, void *out)
{
    struct fuse_entry_out *entry = out;
    struct fuse_attr_out *attr = out;
    if (in->opcode == FUSE_INIT)
        return answer_init(out);
    if (in->opcode == FUSE_LOOKUP) {
        entry->nodeid = 2;
        entry->entry_valid = entry->attr_valid = 60;
        fill_attr(&entry->attr, 2);
        return sizeof(*entry);
    }
    if (in->opcode == FUSE_GETATTR) {
        attr->attr_valid = 60;
        fill_attr(&attr->attr, in->nodeid);
        return sizeof(*attr);
    }
    return in->opcode == FUSE_STATFS ? sizeof(struct fuse_statfs_out) : 0;
}

static void *serve(void *arg)
{
    static uint8_t request[1 << 17];
    int fd = (int)(intptr_t)arg;
    for (;;) {
        struct {
            struct fuse_out_header head;
            uint8_t body[512];
        } reply = {0};
        struct fuse_in_header in;
        ssize_t n = read(fd, request, sizeof(request));
        if (n < (ssize_t)sizeof(in))
            return NULL;
        memcpy(&in, request, sizeof(in));
        if (in.opcode == FUSE_FORGET || in.opcode == FUSE_BATCH_FORGET)
            continue;
        size_t len = answer(&in, reply.body);
        reply.head.len = (uint32_t)(sizeof(reply.head) + len);
        reply.head.error = len > 0 ? 0 : -ENOSYS;
        reply.head.unique = in.unique;
        if (write(fd, &reply, reply.head.len) < 0)
            return NULL;
    }
}

static int on_fuse(struct fixture *fixture)
{
    char options[96];
    char why[TB_SPOOL_WHY] = "";
    pthread_t thread;
    int in_fd = -1;
    int agent_fd = -1;
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return CANNOT_MOUNT;
    snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
    if (mount("test", fixture->path, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
        return CANNOT_MOUNT;
    alarm(20);
    if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) != 0)
        return 1;
    int bad = tb_spool_dir_open(fixture->path, 1, why) != -EREMOTEIO;
    bad += !strstr(why, fixture->path) || !strstr(why, "it is on a FUSE file system");
    bad += !strstr(why, "choose a folder on a local disk");
    memset(why, 0, sizeof(why));
    bad += tb_spool_dir_agent(fixture->path, 0, &in_fd, &agent_fd, why) != -EREMOTEIO;
    bad += !strstr(why, "FUSE");
    (void)umount2(fixture->path, MNT_DETACH);
    pthread_join(thread, NULL); /* the device says that the mount is gone */
    if (bad)
        print_error("%s\n", why);
    return bad;
}

static void a_fuse_file_system_is_refused_with_the_remedy(void **state)
{
    run_apart(on_fuse, *state);
}

/* ---- local ones ---- */

static int write_and_read(const char *path)
{
    char why[TB_SPOOL_WHY];
    struct tb_writer writer;
    struct tb_spool *spool;
    uint8_t seen[2] = {0};
    static const uint8_t boot[16];
    struct tb_slot slot;
    if (tb_spool_open(path, TB_SPOOL_CREATE, &spool, why) < 0)
        return 1;
    int dirfd = tb_spool_dir_open(path, 1, why);
    int bad = dirfd < 0;
    tb_writer_init(&writer, TB_CLASS_ERROR, dirfd);
    bad += append(&writer, 0) != 0 || append(&writer, 1) != 0;
    bad += tb_slot_open(&slot, dirfd, boot, 1) != 0;
    bad += drain(spool, seen, 2, 1) != 2;
    bad += tb_spool_collect(spool) != 0; /* the lock is seen */
    tb_writer_close(&writer);
    tb_slot_close(&slot, 1);
    (void)drain(spool, seen, 2, 1);
    bad += tb_spool_collect(spool) != 2;
    tb_spool_close(spool);
    close(dirfd);
    return bad;
}

static int on_overlay(struct fixture *fixture)
{
    static const char *const names[] = {"lower", "upper", "work", "merged"};
    char paths[4][96];
    char options[400];
    for (int i = 0; i < 4; i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s/%s", fixture->path, names[i]);
        if (mkdir(paths[i], 0755) < 0)
            return 1;
    }
    snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", paths[0], paths[1],
             paths[2]);
    if (mount("overlay", paths[3], "overlay", 0, options) < 0)
        return CANNOT_MOUNT;
    int bad = write_and_read(paths[3]);
    (void)umount2(paths[3], MNT_DETACH);
    return bad;
}

static void a_spool_on_overlay_works(void **state)
{
    run_apart(on_overlay, *state);
}

static int on_tmpfs(struct fixture *fixture)
{
    if (mount("test", fixture->path, "tmpfs", 0, "size=4m") < 0)
        return CANNOT_MOUNT;
    return write_and_read(fixture->path);
}

static void a_spool_on_tmpfs_works(void **state)
{
    run_apart(on_tmpfs, *state);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(file_systems_are_judged_by_their_number),
        CASE(a_fuse_file_system_is_refused_with_the_remedy),
        CASE(a_spool_on_overlay_works),
        CASE(a_spool_on_tmpfs_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
