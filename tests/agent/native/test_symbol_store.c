/* The folder of indexes: what is taken, what is refused, what goes. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/log.h"
#include "agent/native/symbol_store.h"
#include "base/pack.h"
#include "symbol/index/layout.h"
#include "symbol/index/shelf_file.h"

enum { INDEX_BYTES = 4096, ID_BYTES = 20, UID = 1000 };

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/towbar-store-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct tb_symbol_news news_of(uint8_t number)
{
    struct tb_symbol_news news = {
        .kind = TB_SYMBOL_NEWS_NEW, .uid = UID, .build_id_len = ID_BYTES, .build_id = {number}};
    return news;
}

/* Begins like an index; the rest is for its readers. */
static int make_index(const struct tb_symbol_news *news, size_t len, unsigned seals)
{
    uint8_t head[TB_SYMBOL_INDEX_HEADER_BYTES] = {0};
    int fd = memfd_create("index", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    tb_put32(head + TB_SYMBOL_AT_MAGIC, TB_SYMBOL_INDEX_MAGIC);
    tb_put32(head + TB_SYMBOL_AT_VERSION, TB_SYMBOL_INDEX_VERSION);
    tb_put64(head + TB_SYMBOL_AT_LEN, len);
    tb_put32(head + TB_SYMBOL_AT_BUILD_ID_LEN, news->build_id_len);
    memcpy(head + TB_SYMBOL_AT_BUILD_ID, news->build_id, news->build_id_len);
    assert_int_equal(ftruncate(fd, (off_t)len), 0);
    assert_int_equal(pwrite(fd, head, sizeof(head), 0), sizeof(head));
    assert_int_equal(fcntl(fd, F_ADD_SEALS, (int)seals), 0);
    return fd;
}

static int give(struct tb_symbol_store *store, uint8_t number, size_t len, unsigned seals)
{
    struct tb_symbol_news news = news_of(number);
    int fd = make_index(&news, len, seals);
    int err = tb_symbol_store_take(store, &news, fd);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC); /* still ours */
    close(fd);
    return err;
}

enum { SEALED = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

static struct tb_symbol_store *open_store(uint64_t max_bytes)
{
    struct tb_symbol_store *store;
    assert_int_equal(tb_symbol_store_open(folder, max_bytes, &store), 0);
    return store;
}

static int has(uint8_t number)
{
    struct tb_symbol_news news = news_of(number);
    char sub[TB_SYMBOL_SHELF_SUBFOLDER];
    char name[TB_SYMBOL_SHELF_NAME];
    char path[256];
    struct stat st;
    assert_int_equal(
        tb_symbol_shelf_file_name(news.build_id, news.build_id_len, news.uid, sub, name), 0);
    (void)snprintf(path, sizeof(path), "%s/symbols/%s/%s", folder, sub, name);
    if (lstat(path, &st) != 0)
        return 0;
    assert_int_equal(st.st_mode & 0777, 0600);
    return (int)st.st_size;
}

/* As if it had last been used in that year of the clock. */
static void set_age(uint8_t number, time_t seconds)
{
    struct tb_symbol_news news = news_of(number);
    char sub[TB_SYMBOL_SHELF_SUBFOLDER];
    char name[TB_SYMBOL_SHELF_NAME];
    char path[256];
    const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    assert_int_equal(
        tb_symbol_shelf_file_name(news.build_id, news.build_id_len, news.uid, sub, name), 0);
    (void)snprintf(path, sizeof(path), "%s/symbols/%s/%s", folder, sub, name);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void expect_counts(struct tb_symbol_store *store, int64_t files, int64_t bytes)
{
    struct tb_symbol_store_counts counts;
    tb_symbol_store_count(store, &counts);
    assert_int_equal(counts.files, files);
    assert_int_equal(counts.bytes, bytes);
}

static void index_is_kept_and_counted_by_the_next_agent(void **state)
{
    (void)state;
    struct tb_symbol_store *store = open_store(1 << 20);
    assert_int_equal(give(store, 1, INDEX_BYTES, SEALED), 0);
    assert_int_equal(give(store, 2, 2 * INDEX_BYTES, SEALED), 0);
    assert_int_equal(give(store, 2, INDEX_BYTES, SEALED), 0); /* takes the place of the other */
    expect_counts(store, 2, 2 * INDEX_BYTES);
    tb_symbol_store_close(store);
    store = open_store(1 << 20);
    expect_counts(store, 2, 2 * INDEX_BYTES);
    assert_int_equal(has(1), INDEX_BYTES);
    tb_symbol_store_close(store);
}

static void what_is_no_sealed_index_is_refused(void **state)
{
    (void)state;
    struct tb_symbol_store *store = open_store(1 << 20);
    struct tb_symbol_news news = news_of(1);
    struct tb_symbol_news other = news_of(2);
    assert_int_equal(give(store, 1, INDEX_BYTES, 0), -EBADMSG);
    assert_int_equal(give(store, 1, INDEX_BYTES, F_SEAL_WRITE | F_SEAL_GROW), -EBADMSG);
    assert_int_equal(tb_symbol_store_take(store, &news, -1), -EBADMSG);
    int fd = make_index(&other, INDEX_BYTES, SEALED); /* of another build ID */
    assert_int_equal(tb_symbol_store_take(store, &news, fd), -EBADMSG);
    close(fd);
    fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC); /* a file of the disk */
    assert_int_equal(tb_symbol_store_take(store, &news, fd), -EBADMSG);
    close(fd);
    fd = memfd_create("short", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, SEALED), 0);
    assert_int_equal(tb_symbol_store_take(store, &news, fd), -EBADMSG);
    close(fd);
    expect_counts(store, 0, 0);
    tb_symbol_store_close(store);
}

static void those_used_longest_ago_go(void **state)
{
    (void)state;
    struct tb_symbol_store *store = open_store(10 * INDEX_BYTES);
    for (uint8_t i = 1; i <= 10; i++) {
        assert_int_equal(give(store, i, INDEX_BYTES, SEALED), 0);
        set_age(i, 1000 * i);
    }
    struct tb_symbol_news used = news_of(1);
    used.kind = TB_SYMBOL_NEWS_USED;
    assert_int_equal(tb_symbol_store_take(store, &used, -1), 0);
    assert_int_equal(give(store, 11, INDEX_BYTES, SEALED), 0);
    assert_true(has(1) && !has(2) && !has(3) && has(4) && has(11)); /* a tenth more than must */
    expect_counts(store, 9, 9 * INDEX_BYTES);
    assert_int_equal(give(store, 12, INDEX_BYTES, SEALED), 0);
    assert_true(has(4) && has(12));
    expect_counts(store, 10, 10 * INDEX_BYTES);
    tb_symbol_store_close(store);
    store = open_store(INDEX_BYTES); /* the settings were changed */
    expect_counts(store, 1, INDEX_BYTES);
    assert_int_equal(give(store, 5, 2 * INDEX_BYTES, SEALED), -EFBIG);
    expect_counts(store, 1, INDEX_BYTES); /* nothing went for one that has no room at all */
    tb_symbol_store_close(store);
    store = open_store(0);
    expect_counts(store, 0, 0);
    assert_null(tb_symbol_store_folder(store));
    assert_int_equal(give(store, 5, INDEX_BYTES, SEALED), -EFBIG);
    tb_symbol_store_close(store);
}

/* As if it had been kept long ago; a name for each number. */
static void put_small_files(unsigned from, unsigned to)
{
    char path[256];
    for (unsigned i = from; i < to; i++) {
        (void)snprintf(path, sizeof(path), "%s/symbols/%02x", folder, i % 256);
        assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
        (void)snprintf(path, sizeof(path), "%s/symbols/%02x/%08x-7.tbx", folder, i % 256, i);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = i < 10 ? 1 : 1000}};
        assert_int_equal(futimens(fd, times), 0);
        close(fd);
    }
}

static void files_are_limited_however_small_they_are(void **state)
{
    char path[256];
    struct tb_symbol_store_counts counts;
    (void)state;
    (void)snprintf(path, sizeof(path), "%s/symbols", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    put_small_files(0, 120);
    struct tb_symbol_store *store = open_store(1 << 20);
    expect_counts(store, 120, 0);
    tb_symbol_store_limit(store, 100);
    assert_int_equal(give(store, 1, INDEX_BYTES, SEALED), 0);
    expect_counts(store, 91, INDEX_BYTES); /* a tenth less, and the new one */
    assert_true(has(1));
    (void)snprintf(path, sizeof(path), "%s/symbols/09/%08x-7.tbx", folder, 9);
    assert_int_equal(access(path, F_OK), -1); /* the oldest */
    for (uint8_t i = 2; i <= 10; i++)
        assert_int_equal(give(store, i, INDEX_BYTES, SEALED), 0);
    expect_counts(store, 100, 10 * INDEX_BYTES);
    assert_int_equal(give(store, 11, INDEX_BYTES, SEALED), 0);
    tb_symbol_store_count(store, &counts);
    assert_int_equal(counts.files, 91);
    assert_true(has(1) && has(11));
    tb_symbol_store_close(store);
}

/* It is listed when there is too much alone: what somebody else put there is not seen before. */
static void folder_is_not_listed_for_each_index(void **state)
{
    (void)state;
    struct tb_symbol_store *store = open_store(1 << 20);
    put_small_files(0, 3);
    assert_int_equal(give(store, 1, INDEX_BYTES, SEALED), 0);
    assert_int_equal(give(store, 1, INDEX_BYTES + 1, SEALED), 0);
    expect_counts(store, 1, 2 * INDEX_BYTES); /* blocks of the disk */
    tb_symbol_store_close(store);
    store = open_store(1 << 20);
    expect_counts(store, 4, 2 * INDEX_BYTES);
    tb_symbol_store_close(store);
}

static void what_a_killed_agent_left_is_removed(void **state)
{
    char path[256];
    (void)state;
    tb_symbol_store_close(open_store(1 << 20));
    (void)snprintf(path, sizeof(path), "%s/symbols/half-written", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    tb_symbol_store_close(open_store(1 << 20));
    assert_int_equal(access(path, F_OK), -1);
}

static void foreign_files_and_links_are_left_alone(void **state)
{
    char path[256];
    char link[256];
    (void)state;
    struct tb_symbol_store *store = open_store(1 << 20);
    assert_int_equal(give(store, 0x11, INDEX_BYTES, SEALED), 0);
    (void)snprintf(path, sizeof(path), "%s/elsewhere", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(link, sizeof(link), "%s/symbols/22", folder);
    assert_int_equal(symlink(path, link), 0);
    (void)snprintf(link, sizeof(link), "%s/symbols/11/link.tbx", folder);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_true(give(store, 0x22, INDEX_BYTES, SEALED) < 0); /* not through a link */
    tb_symbol_store_close(store);
    store = open_store(1);
    expect_counts(store, 0, 0);
    assert_int_equal(access(link, F_OK), 0);
    tb_symbol_store_close(store);
}

static void folder_that_cannot_be_written_costs_the_index_alone(void **state)
{
    char path[256];
    char moved[256];
    (void)state;
    tb_log_limit(TB_LOG_ERROR);
    struct tb_symbol_store *store = open_store(1 << 20);
    (void)snprintf(path, sizeof(path), "%s/symbols/half-written", folder);
    assert_int_equal(mkdir(path, 0700), 0); /* in the way, for root too */
    assert_true(give(store, 1, INDEX_BYTES, SEALED) < 0);
    assert_true(give(store, 1, INDEX_BYTES, SEALED) < 0);
    expect_counts(store, 0, 0);
    (void)snprintf(moved, sizeof(moved), "%s/moved", folder);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(give(store, 1, INDEX_BYTES, SEALED), 0);
    expect_counts(store, 1, INDEX_BYTES);
    tb_symbol_store_close(store);
    tb_log_limit(TB_LOG_INFO);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(index_is_kept_and_counted_by_the_next_agent),
        STORE_TEST(what_is_no_sealed_index_is_refused),
        STORE_TEST(those_used_longest_ago_go),
        STORE_TEST(files_are_limited_however_small_they_are),
        STORE_TEST(folder_is_not_listed_for_each_index),
        STORE_TEST(what_a_killed_agent_left_is_removed),
        STORE_TEST(foreign_files_and_links_are_left_alone),
        STORE_TEST(folder_that_cannot_be_written_costs_the_index_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
