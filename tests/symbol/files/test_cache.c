/* test_cache.c - files that stay open between questions: the same answers, and nothing stale. */
#include "support.h"

#include <dirent.h>
#include <errno.h>

#include "symbol/answer/answer.h"

static struct tb_symbol_config config;
static struct tb_symbol_cache cache;

/* ---- helpers ---- */

static void build(const char *name, const char *optimisation, const char *flag, struct subject *s)
{
    char path[512];
    char probe[512];
    RUN(c_compiler(), "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN(c_compiler(), "-g", optimisation, flag, CHAIN_C, probe, "-o", in_folder(path, name));
    run_subject(path, s);
}

/* The answer as text. Borrowed until the next one. */
static const char *ask_text(const struct subject *s)
{
    static char reply[REPLY_BYTES];
    struct tb_json json;
    tb_json_init(&json, reply, sizeof(reply));
    assert_int_equal(tb_symbol_answer_addresses(&cache, &config, &s->process, s->addresses,
                                                s->n_addresses, &json),
                     0);
    assert_int_equal(tb_json_finish(&json), 0);
    return reply;
}

/* What the answer says of the symbols of the program. */
static void expect_symbols(const struct subject *s, const char *name, const char *symbols)
{
    cJSON *answer = cJSON_Parse(ask_text(s));
    assert_non_null(answer);
    assert_string_equal(symbols_of(answer, name), symbols);
    if (strcmp(symbols, "debug") == 0) {
        assert_string_equal(text_of(frame_at(answer, 0), "method"), "innermost");
        assert_int_equal(number_of(frame_at(answer, 0), "lineno"), line_of("chain.c", "innermost"));
    }
    cJSON_Delete(answer);
}

static void rename_to(const char *from, const char *to)
{
    char old[512];
    char new[512];
    assert_int_equal(rename(in_folder(old, from), in_folder(new, to)), 0);
}

static void copy_file(const char *from, const char *to)
{
    char old[512];
    char new[512];
    RUN("cp", in_folder(old, from), in_folder(new, to));
}

/* Moves the debug data of a program to NAME.dbg, which the program names then. */
static void split_debug(const char *name)
{
    char path[512];
    char debug[512];
    char link[600];
    char debug_name[64];
    (void)snprintf(debug_name, sizeof(debug_name), "%s.dbg", name);
    RUN("objcopy", "--only-keep-debug", in_folder(path, name), in_folder(debug, debug_name));
    RUN("objcopy", "--strip-all", path);
    (void)snprintf(link, sizeof(link), "--add-gnu-debuglink=%s", debug);
    RUN("objcopy", link, path);
}

static size_t count_descriptors(void)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* Opens the file for its owner and gives it back. */
static struct tb_symbol_image *touch(const char *path)
{
    struct tb_symbol_image *image;
    assert_int_equal(tb_symbol_cache_get(&cache, path, NULL, &image), 0);
    tb_symbol_cache_put(&cache, image);
    return image;
}

static const struct tb_symbol_image *find_kept(const char *part_of_path)
{
    const struct tb_symbol_image *image = cache.first;
    while (image && !strstr(image->path, part_of_path))
        image = image->next;
    return image;
}

/* Another reporter than the owner of what the tests make, and not root. */
static uint32_t stranger(void)
{
    return geteuid() + 1;
}

/* ---- tests ---- */

static void second_answer_is_the_same_and_opens_nothing_new(void **state)
{
    struct subject s;
    char first[16384];
    (void)state;
    build("twice", "-O2", "-fPIE", &s);
    assert_true(snprintf(first, sizeof(first), "%s", ask_text(&s)) < (int)sizeof(first));
    struct tb_symbol_image *image = touch(s.path);
    size_t n = cache.n;
    const struct tb_symbol_shelved *index = cache.shelf.first;
    size_t n_indexes = cache.shelf.n;
    assert_non_null(index);
    assert_string_equal(ask_text(&s), first);
    assert_ptr_equal(touch(s.path), image);
    assert_int_equal(cache.n, n);
    assert_ptr_equal(cache.shelf.first, index);
    assert_int_equal(cache.shelf.n, n_indexes);
}

static void file_renamed_over_is_noticed(void **state)
{
    struct subject s;
    struct subject other;
    (void)state;
    build("over", "-O2", "-fPIE", &s);
    build("other", "-O0", "-fPIE", &other);
    expect_symbols(&s, "over", "debug");
    rename_to("over", "kept");
    rename_to("other", "over");
    expect_symbols(&s, "over", "changed");
    rename_to("kept", "over");
    expect_symbols(&s, "over", "debug");
    char path[512];
    assert_int_equal(unlink(in_folder(path, "over")), 0);
    expect_symbols(&s, "over", "unreadable");
}

static void file_written_in_place_is_read_again(void **state)
{
    struct subject s;
    (void)state;
    build("inplace", "-O2", "-fPIE", &s);
    struct tb_symbol_image *image = touch(s.path);
    image->has_crc = true; /* a mark: the next one has none, also at the same address */
    const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, s.path, long_ago, 0), 0);
    assert_false(touch(s.path)->has_crc);
    touch(s.path)->has_crc = true;
    int fd = open(s.path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    assert_false(touch(s.path)->has_crc);
}

static void what_was_opened_for_one_is_not_served_to_another(void **state)
{
    struct subject s;
    (void)state;
    build("secret", "-O2", "-fPIE", &s);
    assert_int_equal(chmod(s.path, 0700), 0);
    expect_symbols(&s, "secret", "debug");
    s.process.uid = stranger();
    expect_symbols(&s, "secret", "unreadable");
    assert_int_equal(chmod(s.path, 0755), 0);
    expect_symbols(&s, "secret", "debug");
    assert_int_equal(chmod(s.path, 0700), 0);
    expect_symbols(&s, "secret", "unreadable");
    s.process.uid = geteuid();
    expect_symbols(&s, "secret", "debug");
}

static void folder_that_was_closed_closes_what_is_kept(void **state)
{
    struct subject s;
    (void)state;
    build("inside", "-O2", "-fPIE", &s);
    s.process.uid = stranger();
    expect_symbols(&s, "inside", "debug");
    assert_int_equal(chmod(folder, 0700), 0);
    expect_symbols(&s, "inside", "unreadable");
    assert_int_equal(chmod(folder, 0755), 0);
    expect_symbols(&s, "inside", "debug");
}

static void debug_file_of_one_is_not_served_to_another(void **state)
{
    struct subject s;
    char debug[512];
    (void)state;
    build("split", "-O2", "-fPIE", &s);
    split_debug("split");
    assert_int_equal(chmod(in_folder(debug, "split.dbg"), 0600), 0);
    expect_symbols(&s, "split", "debug");
    s.process.uid = stranger();
    expect_symbols(&s, "split", "none");
    s.process.uid = geteuid();
    expect_symbols(&s, "split", "debug");
}

static void debug_file_that_came_later_is_found(void **state)
{
    struct subject s;
    (void)state;
    build("late", "-O2", "-fPIE", &s);
    split_debug("late");
    rename_to("late.dbg", "away");
    expect_symbols(&s, "late", "none");
    rename_to("away", "late.dbg");
    expect_symbols(&s, "late", "debug");
    rename_to("late.dbg", "away");
    expect_symbols(&s, "late", "none");
}

/* Without build ids the checksum decides, and is that of the bytes that are there now. */
static void debug_file_with_a_new_checksum_is_refused(void **state)
{
    struct subject s;
    char debug[512];
    (void)state;
    build("summed", "-O2", "-Wl,--build-id=none", &s);
    split_debug("summed");
    expect_symbols(&s, "summed", "debug");
    int fd = open(in_folder(debug, "summed.dbg"), O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    expect_symbols(&s, "summed", "none");
}

static void file_unused_for_longest_goes_first(void **state)
{
    char path[4][512];
    struct subject s;
    static const char *const names[] = {"lru0", "lru1", "lru2", "lru3"};
    struct tb_symbol_image *used;
    (void)state;
    build("lru", "-O2", "-fPIE", &s);
    for (size_t i = 0; i < 4; i++) {
        (void)in_folder(path[i], names[i]);
        copy_file("lru", names[i]);
    }
    cache.n_max = 2;
    assert_int_equal(tb_symbol_cache_get(&cache, path[0], NULL, &used), 0);
    touch(path[1]);
    touch(path[2]);
    touch(path[3]);
    assert_int_equal(cache.n, 4);
    tb_symbol_cache_trim(&cache);
    assert_int_equal(cache.n, 2);
    assert_non_null(find_kept(path[0])); /* in use */
    assert_non_null(find_kept(path[3]));
    tb_symbol_cache_put(&cache, used);
    touch(path[0]);
    touch(path[1]);
    tb_symbol_cache_trim(&cache);
    assert_non_null(find_kept(path[0]));
    assert_non_null(find_kept(path[1]));
    assert_int_equal(cache.n, 2);
}

static void bytes_have_a_bound_too(void **state)
{
    struct subject s;
    (void)state;
    build("bytes", "-O2", "-fPIE", &s);
    expect_symbols(&s, "bytes", "debug");
    assert_true(cache.n > 0);
    assert_true(cache.mapped_bytes > 1024);
    cache.bytes_max = 1024;
    expect_symbols(&s, "bytes", "debug");
    assert_int_equal(cache.n, 0);
    assert_int_equal(cache.mapped_bytes, 0);
}

static void many_files_keep_no_descriptors_and_at_most_the_bound(void **state)
{
    struct subject s;
    (void)state;
    build("many", "-O2", "-fPIE", &s);
    size_t before = count_descriptors();
    for (int i = 0; i < TB_SYMBOL_CACHE_FILES + 20; i++) {
        char name[32];
        char path[512];
        (void)snprintf(name, sizeof(name), "many%d", i);
        copy_file("many", name);
        touch(in_folder(path, name));
        tb_symbol_cache_trim(&cache);
    }
    assert_int_equal(cache.n, TB_SYMBOL_CACHE_FILES);
    assert_int_equal(count_descriptors(), before);
}

static void what_is_no_elf_file_is_refused_and_not_kept(void **state)
{
    struct tb_symbol_image *image;
    (void)state;
    assert_int_equal(tb_symbol_cache_get(&cache, CHAIN_C, NULL, &image), -EBADMSG);
    assert_int_equal(tb_symbol_cache_get(&cache, "chain.c", NULL, &image), -EINVAL);
    assert_int_equal(tb_symbol_cache_get(&cache, "/nowhere/at/all", NULL, &image), -ENOENT);
    assert_int_equal(tb_symbol_cache_get(&cache, DATA, NULL, &image), -ENXIO);
    assert_int_equal(cache.n, 0);
}

static int begin(void **state)
{
    (void)state;
    tb_symbol_cache_init(&cache);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    tb_symbol_cache_done(&cache);
    return cache.n == 0 && cache.mapped_bytes == 0 ? 0 : -1; /* nothing is still in use */
}

static int set_up(void **state)
{
    default_config(&config);
    return make_folder(state);
}

static int tear_down(void **state)
{
    tb_symbol_config_done(&config);
    return remove_folder(state);
}

#define CACHE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(second_answer_is_the_same_and_opens_nothing_new),
        CACHE_TEST(file_renamed_over_is_noticed),
        CACHE_TEST(file_written_in_place_is_read_again),
        CACHE_TEST(what_was_opened_for_one_is_not_served_to_another),
        CACHE_TEST(folder_that_was_closed_closes_what_is_kept),
        CACHE_TEST(debug_file_of_one_is_not_served_to_another),
        CACHE_TEST(debug_file_that_came_later_is_found),
        CACHE_TEST(debug_file_with_a_new_checksum_is_refused),
        CACHE_TEST(file_unused_for_longest_goes_first),
        CACHE_TEST(bytes_have_a_bound_too),
        CACHE_TEST(many_files_keep_no_descriptors_and_at_most_the_bound),
        CACHE_TEST(what_is_no_elf_file_is_refused_and_not_kept),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
