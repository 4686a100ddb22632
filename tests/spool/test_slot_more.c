/* The file beside a slot: what stands in it, and when there is none. */
#include "support.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include "calls.h"
#include "spool/slot_more.h"

static const uint8_t BOOT[16] = {0xab, 0xcd};
static const uint8_t UUID[16] = "the crash's uuid";

enum { IMAGE_BYTES = 4096, OTHER_USER = 65534 };

static void begin(const struct fixture *fixture, struct tb_slot *slot)
{
    assert_int_equal(tb_slot_open(slot, fixture->dirfd, BOOT, 42), 0);
    tb_slot_begin(slot, UUID, 77);
}

static int count_more(const struct fixture *fixture)
{
    return count_files(fixture, "in", ".more");
}

static void frames_stand_behind_a_header_under_the_name_of_the_slot(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_slot_more more;
    struct tb_file_header header;
    struct tb_frame frame;
    uint8_t image[IMAGE_BYTES];
    char slot_path[256];
    char path[256];
    begin(fixture, &slot);
    mode_t mask = umask(0777);
    assert_int_equal(tb_slot_more_open(&more, &slot, fixture->dirfd), 0);
    umask(mask);
    assert_int_equal(tb_slot_more_add(&more, "sixteen bytes ..", 16), 0);
    assert_int_equal(tb_slot_more_add(&more, "nine more", 9), 0);
    tb_slot_more_close(&more, fixture->dirfd);
    only_file(fixture, ".slot", slot_path);
    only_file(fixture, ".more", path);
    assert_memory_equal(path, slot_path, strlen(path) - 4);
    int fd = open(path, O_RDONLY);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    ssize_t len = read(fd, image, sizeof(image));
    close(fd);
    assert_int_equal(len, 128 + 72 + 72);
    assert_int_equal(tb_file_header_unpack(image, &header), 0);
    assert_int_equal(header.kind, TB_FILE_MORE);
    assert_int_equal(header.class_, TB_CLASS_CRASH);
    assert_int_equal(header.pid, getpid());
    assert_int_equal(header.start_ticks, 42);
    assert_memory_equal(header.boot_id, BOOT, 16);
    for (uint64_t i = 0; i < 2; i++) {
        const uint8_t *at = image + 128 + 72 * i;
        assert_int_equal(tb_frame_unpack(at, header.salt, 128 + 72 * i, &frame), 0);
        assert_int_equal(tb_frame_check(&frame, header.salt, at + TB_FRAME_HEADER_BYTES), 0);
        assert_int_equal(frame.type, TB_FRAME_FULL);
        assert_int_equal(frame.kind, TB_KIND_THREADS);
        assert_int_equal(frame.class_, TB_CLASS_CRASH);
        assert_int_equal(frame.seq, i);
        assert_int_equal(frame.time_ns, 77);
        assert_int_equal(frame.len, i == 0 ? 16 : 9);
        assert_memory_equal(frame.uuid, UUID, 16);
    }
    assert_memory_equal(image + 128 + TB_FRAME_HEADER_BYTES, "sixteen bytes ..", 16);
    tb_slot_close(&slot, 0);
}

static void without_a_frame_no_file_is_left(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_slot_more more;
    begin(fixture, &slot);
    assert_int_equal(tb_slot_more_open(&more, &slot, fixture->dirfd), 0);
    assert_int_equal(count_more(fixture), 1);
    assert_int_equal(tb_slot_more_add(&more, "", 0), -EMSGSIZE);
    tb_slot_more_close(&more, fixture->dirfd);
    assert_int_equal(count_more(fixture), 0);
    tb_slot_more_close(&more, fixture->dirfd);
    assert_int_equal(tb_slot_more_add(&more, "x", 1), -EBADF);
    tb_slot_close(&slot, 0);
}

static void what_has_the_name_already_is_replaced_and_not_followed(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_slot_more more;
    struct stat st;
    char path[256];
    char victim[128];
    begin(fixture, &slot);
    (void)snprintf(victim, sizeof(victim), "%s/database", fixture->path);
    close(open(victim, O_WRONLY | O_CREAT, 0600));
    only_file(fixture, ".slot", path);
    strcpy(path + strlen(path) - 5, ".more");
    assert_int_equal(symlink(victim, path), 0);
    assert_int_equal(tb_slot_more_open(&more, &slot, fixture->dirfd), 0);
    assert_int_equal(tb_slot_more_add(&more, "sixteen bytes ..", 16), 0);
    tb_slot_more_close(&more, fixture->dirfd);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(stat(victim, &st), 0);
    assert_int_equal(st.st_size, 0);
    tb_slot_close(&slot, 0);
}

static void a_folder_without_the_slot_gets_none(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_slot_more more;
    char path[256];
    begin(fixture, &slot);
    only_file(fixture, ".slot", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(tb_slot_more_open(&more, &slot, fixture->dirfd), -ESTALE);
    close(open(path, O_WRONLY | O_CREAT, 0600)); /* another one of that name */
    assert_int_equal(tb_slot_more_open(&more, &slot, fixture->dirfd), -ESTALE);
    assert_int_equal(tb_slot_more_open(&more, &slot, -1), -EBADF);
    tb_slot_more_close(&more, fixture->dirfd);
    assert_int_equal(count_more(fixture), 0);
    tb_slot_close(&slot, 0);
}

static int add_as_another_user(const struct fixture *fixture, const struct tb_slot *slot)
{
    struct tb_slot_more more;
    pid_t pid = fork();
    int status = 0;
    if (pid == 0)
        _exit(setuid(OTHER_USER) != 0 || tb_slot_more_open(&more, slot, fixture->dirfd) != 0 ||
              tb_slot_more_add(&more, "a chunk", 8) != 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void a_process_that_became_another_user_makes_one(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    char in[80];
    if (geteuid() != 0)
        skip();
    begin(fixture, &slot);
    (void)snprintf(in, sizeof(in), "%s/in", fixture->path);
    assert_int_equal(chmod(fixture->path, 0755), 0);
    assert_int_equal(chmod(in, 01777), 0);
    assert_int_equal(add_as_another_user(fixture, &slot), 0);
    assert_int_equal(count_more(fixture), 1);
    tb_slot_close(&slot, 0);
}

/* For every call, each of its times, with what a full or dying disk says. */
static void a_call_that_fails_leaves_whole_frames_or_nothing(void **state)
{
    static const long calls[] = {SYS_openat, SYS_fstat, SYS_newfstatat, SYS_pwritev};
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_slot_more more;
    begin(fixture, &slot);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        call_fails(calls[i], FOR_EVER, ENOSPC);
        assert_true(tb_slot_more_open(&more, &slot, fixture->dirfd) < 0);
        assert_int_equal(more.fd, -1);
        calls_work();
        assert_int_equal(count_more(fixture), 0);
    }
    assert_int_equal(tb_slot_more_open(&more, &slot, fixture->dirfd), 0);
    assert_int_equal(tb_slot_more_add(&more, "sixteen bytes ..", 16), 0);
    call_fails(SYS_pwritev, FOR_EVER, ENOSPC);
    assert_int_equal(tb_slot_more_add(&more, "sixteen bytes ..", 16), -ENOSPC);
    calls_work();
    tb_slot_more_close(&more, fixture->dirfd);
    assert_int_equal(count_more(fixture), 1);
    tb_slot_close(&slot, 0);
}

static void a_limit_of_file_sizes_raises_no_signal(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_slot_more more;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    begin(fixture, &slot);
    struct rlimit small = {100, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(tb_slot_more_open(&more, &slot, fixture->dirfd), -EFBIG);
    small.rlim_cur = 210;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(tb_slot_more_open(&more, &slot, fixture->dirfd), 0);
    assert_int_equal(tb_slot_more_add(&more, "sixteen bytes ..", 16), 0);
    assert_int_equal(tb_slot_more_add(&more, "sixteen bytes ..", 16), -EFBIG);
    tb_slot_more_close(&more, fixture->dirfd);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    tb_slot_close(&slot, 0);
}

static void a_descriptor_that_the_host_reused_is_not_written_to(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_slot_more more;
    struct stat st;
    char stolen[96];
    begin(fixture, &slot);
    assert_int_equal(tb_slot_more_open(&more, &slot, fixture->dirfd), 0);
    (void)snprintf(stolen, sizeof(stolen), "%s/database", fixture->path);
    int database = open(stolen, O_RDWR | O_CREAT, 0600);
    int fd = more.fd;
    assert_int_equal(dup2(database, fd), fd);
    assert_int_equal(tb_slot_more_add(&more, "sixteen bytes ..", 16), -EBADF);
    tb_slot_more_close(&more, fixture->dirfd);
    assert_int_equal(fstat(fd, &st), 0); /* not closed either */
    assert_int_equal(st.st_size, 0);
    close(fd);
    close(database);
    tb_slot_close(&slot, 0);
}

static void room_of_a_stream_is_what_it_takes(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot = {.fd = -1};
    static const uint8_t zeros[TB_SLOT_BYTES];
    assert_int_equal(tb_slot_room(&slot), 0);
    begin(fixture, &slot);
    assert_int_equal(tb_slot_room(&slot), TB_SLOT_N_PAGES * TB_SLOT_FRAGMENT_MAX);
    assert_int_equal(tb_slot_write(&slot, zeros, 5000), 0);
    assert_int_equal(tb_slot_room(&slot), TB_SLOT_N_PAGES * TB_SLOT_FRAGMENT_MAX - 5000);
    tb_slot_flush(&slot);
    size_t room = tb_slot_room(&slot);
    assert_int_equal(room, (TB_SLOT_N_PAGES - 2) * TB_SLOT_FRAGMENT_MAX);
    assert_int_equal(tb_slot_write(&slot, zeros, room), 0);
    assert_int_equal(tb_slot_room(&slot), 0);
    assert_int_equal(tb_slot_write(&slot, zeros, 1), -ENOSPC);
    tb_slot_close(&slot, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(frames_stand_behind_a_header_under_the_name_of_the_slot),
        CASE(without_a_frame_no_file_is_left),
        CASE(what_has_the_name_already_is_replaced_and_not_followed),
        CASE(a_folder_without_the_slot_gets_none),
        CASE(a_process_that_became_another_user_makes_one),
        CASE(a_call_that_fails_leaves_whole_frames_or_nothing),
        CASE(a_limit_of_file_sizes_raises_no_signal),
        CASE(a_descriptor_that_the_host_reused_is_not_written_to),
        CASE(room_of_a_stream_is_what_it_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
