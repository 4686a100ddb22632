/* What a stranger can put into the drop box: links, pipes, sockets, devices, folders, giants, lies,
 * very many files, files that cannot be read. The agent neither waits, follows, spins nor grows,
 * and the records of the others arrive. Memory and processor time are bounded, generously; a test
 * that hangs is ended by an alarm. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/pack.h"
#include "world.h"

enum {
    N_RECORDS = 50,
    NOBODY = 65534,
    HANG_S = 100,
    CPU_MAX_S = 40,
    LIES_END = 4096,
    SHORT_LOOKS = 5, /* two seconds apart */
    LONG_LOOKS = 20,
    SHORT_FILES = 9000, /* more than a reader knows at a time */
    LONG_FILES = 100000,
};

#ifdef __SANITIZE_ADDRESS__ /* which keeps for a while what was freed */
enum { GROWTH_MAX_KIB = 320 << 10 };
#else
enum { GROWTH_MAX_KIB = 64 << 10 };
#endif

static struct world world;
static long clean_kib; /* what reading a clean spool takes */

static void path_of(const char *name, char out[512])
{
    (void)snprintf(out, 512, "%s/in/%s", world.path, name);
}

static void spool_name(unsigned n, char out[64])
{
    (void)snprintf(out, 64, "0-00000000-%016x-0.seg", n);
}

static void put_file(const char *name, const void *data, size_t len, mode_t mode)
{
    char path[512];
    path_of(name, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(tb_fd_write_all(fd, data, len), 0);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void write_records(void)
{
    struct tb_writer writer;
    tb_writer_init(&writer, TB_CLASS_ERROR, world.in_fd);
    for (int i = 0; i < N_RECORDS; i++)
        assert_int_equal(oracle_append(world.oracle, &writer, 1), 0);
    tb_writer_close(&writer);
}

static int set_up(void **state)
{
    (void)state;
    world_open(&world, oracle_new(N_RECORDS, 100, 5000));
    tb_spool_close(world_reader(&world));
    write_records();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_close(&world);
    oracle_free(world.oracle);
    return 0;
}

/* ---- the agent, measured ---- */

static int read_as_agent(uid_t uid)
{
    if (uid != 0 && (setgid(uid) < 0 || setuid(uid) < 0))
        return 3;
    struct tb_spool *spool = world_reader(&world);
    if (!spool)
        return 2;
    int n_looks = world_is_long() ? LONG_LOOKS : SHORT_LOOKS;
    for (int i = 0; i < n_looks; i++) {
        (void)world_drain(&world, spool);
        (void)tb_spool_flush(spool);
        (void)tb_spool_collect(spool);
        world_pass_s(2);
    }
    tb_spool_close(spool);
    return 0;
}

static long agent_reads(uid_t uid)
{
    struct rusage usage;
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(HANG_S);
        _exit(read_as_agent(uid));
    }
    assert_int_equal(wait4(child, &status, 0, &usage), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_in_range(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec, 0, CPU_MAX_S);
    return usage.ru_maxrss;
}

/* All records of the others arrive, and the agent stays within its bounds. */
static void assert_others_arrive(uid_t uid)
{
    struct oracle_totals totals;
    long kib = agent_reads(uid);
    oracle_sum(world.oracle, &totals);
    assert_int_equal(totals.acked, N_RECORDS);
    assert_int_equal(totals.stored, N_RECORDS);
    assert_int_equal(totals.lost + totals.foreign, 0);
    if (kib > clean_kib + GROWTH_MAX_KIB)
        print_error("%ld KiB, %ld for a clean spool\n", kib, clean_kib);
    assert_true(kib <= clean_kib + GROWTH_MAX_KIB);
}

static void a_clean_spool_is_the_measure(void **state)
{
    (void)state;
    clean_kib = agent_reads(0);
    assert_true(clean_kib > 0);
}

/* ---- what is no file ---- */

static void make_link(unsigned n, const char *target)
{
    char name[64];
    char path[512];
    spool_name(n, name);
    path_of(name, path);
    assert_int_equal(symlink(target, path), 0);
}

static void links_are_not_followed(void **state)
{
    char outside[128];
    char path[512];
    struct stat before, after;
    (void)state;
    (void)snprintf(outside, sizeof(outside), "%s/outside", world.path);
    assert_int_equal(close(open(outside, O_WRONLY | O_CREAT, 0644)), 0);
    make_link(1, "/dev/zero");
    make_link(2, "/etc/passwd");
    make_link(3, "nothing-here");
    make_link(4, ".");
    make_link(5, outside);
    path_of("0-00000000-0000000000000006-0.seg", path);
    assert_int_equal(link(outside, path), 0); /* a hard link */
    assert_int_equal(stat(outside, &before), 0);
    assert_others_arrive(0);
    assert_int_equal(stat(outside, &after), 0);
    assert_int_equal(after.st_nlink, before.st_nlink);
    assert_int_equal(world_count(&world, "in"), 6);
    assert_int_equal(world_count(&world, "agent/quarantine"), 0);
}

static void pipes_sockets_devices_and_folders_are_left_alone(void **state)
{
    char path[512];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = 3;
    (void)state;
    path_of("0-00000000-0000000000000001-0.seg", path);
    assert_int_equal(mkfifo(path, 0666), 0);
    path_of("0-00000000-0000000000000002-0.slot", path);
    assert_int_equal(mkdir(path, 0755), 0);
    path_of("0-00000000-0000000000000003-0.seg", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    path_of("0-00000000-0000000000000004-0.seg", path);
    if (mknod(path, S_IFCHR | 0666, makedev(1, 5)) == 0) /* zero */
        n++;
    else
        print_message("no device: this user may not make one\n");
    assert_others_arrive(0);
    assert_int_equal(world_count(&world, "in"), n);
    close(fd);
}

static void odd_names_are_left_alone(void **state)
{
    static const char *const names[] = {"a\nb.seg",
                                        "\xff\xfe\x80.seg",
                                        "1-.seg",
                                        "..seg",
                                        " ",
                                        "1-00000000-0000000000000001-0.seg ",
                                        "1-00000000-0000000000000001-99999999999999999999.seg"};
    char longest[256];
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        put_file(names[i], "x", 1, 0644);
    memset(longest, 'x', 255);
    longest[255] = '\0';
    put_file(longest, "x", 1, 0644);
    assert_others_arrive(0);
    assert_int_equal(world_count(&world, "in"), sizeof(names) / sizeof(names[0]) + 1);
}

/* ---- what lies ---- */

static void make_header(uint64_t id, uint32_t salt, uint8_t out[TB_FILE_HEADER_BYTES])
{
    struct tb_file_header header = {
        .class_ = TB_CLASS_CRASH, .salt = salt, .file_bytes = TB_SEGMENT_BYTES};
    tb_put64(header.id, id);
    tb_file_header_pack(&header, out);
}

static void giants_are_read_to_where_a_file_may_end(void **state)
{
    const off_t size = (off_t)1 << 40;
    uint8_t header[TB_FILE_HEADER_BYTES];
    char path[512];
    (void)state;
    make_header(77, 1, header);
    put_file("0-00000000-0000000000000001-0.seg", header, sizeof(header), 0644);
    put_file("0-00000000-0000000000000002-0.seg", "not zero", 8, 0644);
    put_file("0-00000000-0000000000000003-0.slot", "", 0, 0644);
    for (int i = 1; i <= 3; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "0-00000000-000000000000000%d-0.%s", i,
                       i == 3 ? "slot" : "seg");
        path_of(name, path);
        assert_int_equal(truncate(path, size), 0);
    }
    assert_others_arrive(0);
}

/* Frames every 64 bytes, each with a good header that claims a mebibyte and lies about its check.
 */
static void put_overlapping_frames(unsigned n)
{
    const size_t len = TB_SEGMENT_BYTES;
    uint8_t *bytes = calloc(1, len);
    char name[64];
    assert_non_null(bytes);
    make_header(1000 + n, 5, bytes);
    for (size_t at = TB_FILE_HEADER_BYTES; at + 64 <= len; at += 64) {
        struct tb_frame frame = {.len = TB_PAYLOAD_MAX_BYTES,
                                 .type = TB_FRAME_FULL,
                                 .kind = TB_KIND_ITEM,
                                 .offset = at,
                                 .seq = UINT64_MAX};
        if (at + TB_FRAME_HEADER_BYTES + frame.len > len)
            frame.len = (uint32_t)(len - at - TB_FRAME_HEADER_BYTES);
        static const uint8_t wrong[TB_PAYLOAD_MAX_BYTES] = {1};
        tb_frame_pack(&frame, 5, wrong, bytes + at);
        if (at > LIES_END)
            break; /* enough, and packing them takes time */
    }
    spool_name(n, name);
    put_file(name, bytes, len, 0644);
    free(bytes);
}

static void lying_lengths_and_overlapping_frames_cost_little(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 3; n++)
        put_overlapping_frames(n);
    assert_others_arrive(0);
    assert_true(world_count(&world, "agent/quarantine") >= 6);
}

/* ---- too much of it ---- */

static unsigned n_files(void)
{
    return world_is_long() ? LONG_FILES : SHORT_FILES;
}

/* The agent needs several looks at so many; what it cannot use must not keep the others out. */
static void very_many_empty_files_keep_nobody_out(void **state)
{
    char name[64];
    (void)state;
    for (unsigned n = 0; n < n_files(); n++) {
        spool_name(n, name);
        put_file(name, "", 0, 0644);
    }
    world_pass_s(10);
    assert_others_arrive(0);
}

static void very_many_links_keep_nobody_out(void **state)
{
    (void)state;
    for (unsigned n = 0; n < n_files(); n++)
        make_link(n, "/dev/zero");
    assert_others_arrive(0);
}

/* Without a slot they are nobody's; and beside one of the others they are in nobody's way. */
static void very_many_threads_alone_keep_nobody_out(void **state)
{
    char name[64];
    (void)state;
    for (unsigned n = 0; n < n_files(); n++) {
        (void)snprintf(name, sizeof(name), "0-00000000-%016x-0.more", n);
        put_file(name, "threads", 7, 0644);
    }
    assert_others_arrive(0);
    assert_int_equal(world_count(&world, "agent/quarantine"), 0);
    assert_int_equal(world_count(&world, "in"), n_files());
}

static void give_to(unsigned uid, const char *part)
{
    char command[160];
    int status;
    (void)snprintf(command, sizeof(command), "chown -R %u %s%s", uid, world.path, part);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Of another owner, mode 000, in a number that fills what a reader knows at a time. */
static void very_many_unreadable_files_keep_nobody_out(void **state)
{
    char name[64];
    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: only root can make files of another owner\n");
        skip();
    }
    give_to(NOBODY, "");
    for (unsigned n = 0; n < n_files(); n++) {
        spool_name(n, name);
        put_file(name, "secret", 6, 0);
    }
    assert_others_arrive(NOBODY);
}

static void the_owner_of_a_file_is_the_reporter(void **state)
{
    struct tb_spool_record record;
    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: only root can make files of another owner\n");
        skip();
    }
    give_to(12345, "/in/*");
    struct tb_spool *spool = world_reader(&world);
    assert_int_equal(tb_spool_next(spool, &record), 0);
    assert_int_equal(record.uid, 12345);
    tb_spool_close(spool);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_clean_spool_is_the_measure),
        TEST(links_are_not_followed),
        TEST(pipes_sockets_devices_and_folders_are_left_alone),
        TEST(odd_names_are_left_alone),
        TEST(giants_are_read_to_where_a_file_may_end),
        TEST(lying_lengths_and_overlapping_frames_cost_little),
        TEST(very_many_empty_files_keep_nobody_out),
        TEST(very_many_links_keep_nobody_out),
        TEST(very_many_threads_alone_keep_nobody_out),
        TEST(very_many_unreadable_files_keep_nobody_out),
        TEST(the_owner_of_a_file_is_the_reporter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
