/* test_alternate.c - debug data that dwz has moved to a common file: found where it belongs, and
 * nowhere else. */
#include "support.h"

#include <errno.h>

#include "peer.h"
#include "symbol/answer/answer.h"
#include "symbol/files/alternate.h"

static struct tb_symbol_config config; /* its folder of debug files is "debug" of this test's */
static struct tb_symbol_config no_folder;
static struct subject subject;
static char full[512]; /* the same program with all its data */
static char common[512];
static char id_hex[2 * TB_BUILD_ID_BYTES + 1]; /* of the common file */

static void make_dirs(const char *name)
{
    char path[512];
    RUN("mkdir", "-p", in_folder(path, name));
}

/* Puts the common file at a place of this test's folder, alone. */
static void put_common(const char *place)
{
    char path[512];
    RUN("rm", "-rf", in_folder(path, "debug"));
    make_dirs("debug");
    if (place) {
        RUN("install", "-D", "-m", "0644", common, in_folder(path, place));
    }
}

static void put_by_build_id(void)
{
    char place[256];
    (void)snprintf(place, sizeof(place), "debug/.build-id/%.2s/%s.debug", id_hex, id_hex + 2);
    put_common(place);
}

static void expect_all(const struct tb_symbol_config *with)
{
    cJSON *answer = ask(with, &subject);
    assert_string_equal(symbols_of(answer, "victim"), "debug");
    assert_int_equal(expect_as_addr2line(answer, &subject, full), 5);
    cJSON_Delete(answer);
}

static void expect_missing(const struct tb_symbol_config *with)
{
    cJSON *answer = ask(with, &subject);
    const cJSON *module = cJSON_GetArrayItem(cJSON_GetObjectItem(answer, "modules"), 0);
    assert_string_equal(text_of(module, "note"), "needs the file dwz made, which is missing");
    assert_string_equal(text_of(module, "missing"), id_hex);
    /* Lines and names that are here are shown all the same. */
    assert_int_equal(n_frames_of(answer), 5);
    assert_int_equal(number_of(frame_at(answer, 0), "lineno"), line_of("chain.c", "innermost"));
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "<unknown>");
    assert_string_equal(text_of(frame_at(answer, 2), "method"), "exported_function");
    cJSON_Delete(answer);
}

static void common_file_is_found_by_its_build_id(void **state)
{
    (void)state;
    put_by_build_id();
    expect_all(&config);
}

static void common_file_is_found_by_its_name_below_dwz(void **state)
{
    (void)state;
    put_common("debug/.dwz/some/common.debug");
    expect_all(&config);
}

/* The link names a place relative to the program at which the file really is: that is not one of
 * the administrator's. */
static void file_at_the_place_of_the_link_is_not_opened(void **state)
{
    char path[512];
    (void)state;
    put_common(NULL);
    assert_int_equal(access(in_folder(path, ".dwz/some/common.debug"), R_OK), 0);
    expect_missing(&config);
    expect_missing(&no_folder);
}

static void file_with_another_build_id_is_not_taken(void **state)
{
    char place[512];
    char other[512];
    (void)state;
    put_by_build_id();
    RUN("find", in_folder(place, "debug"), "-type", "f", "-exec", "cp", in_folder(other, "full"),
        "{}", ";");
    expect_missing(&config);
}

static void file_that_comes_later_is_noticed(void **state)
{
    static char reply[REPLY_BYTES];
    struct tb_symbol_cache cache;
    struct tb_json json;
    (void)state;
    tb_symbol_cache_init(&cache);
    put_common(NULL);
    for (int round = 0; round < 3; round++) {
        tb_json_init(&json, reply, sizeof(reply));
        assert_int_equal(tb_symbol_answer_addresses(&cache, &config, &subject.process,
                                                    subject.addresses, subject.n_addresses, &json),
                         0);
        assert_int_equal(tb_json_finish(&json), 0);
        assert_int_equal(strstr(reply, "\"missing\":") == NULL, round == 1);
        assert_int_equal(strstr(reply, "\"method\":\"innermost\"") != NULL, round == 1);
        if (round == 0)
            put_by_build_id();
        else
            put_common(NULL); /* and one that is gone */
    }
    tb_symbol_cache_done(&cache);
    assert_int_equal(cache.n, 0); /* none is held by another */
}

static void links_lead_nowhere_but_below_the_folder(void **state)
{
    static const struct {
        const char *name, *below;
    } cases[] = {
        {"../../.dwz/x86_64-linux-gnu/zlib1g.debug", "x86_64-linux-gnu/zlib1g.debug"},
        {"/usr/lib/debug/.dwz/pkg", "pkg"},
        {"common.debug", "common.debug"},
        {"/etc/shadow", "shadow"},
        {"/a/.dwz/b/.dwz/c", "c"},
        {"x.dwz/c", "c"},
        {"/usr/lib/debug/.dwz/../../../../etc/shadow", NULL},
        {"/.dwz/a/../b", NULL},
        {"/.dwz/a//b", NULL},
        {"/.dwz/./b", NULL},
        {"/.dwz//etc/shadow", NULL},
        {"/.dwz/", NULL},
        {"/", NULL},
        {"..", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *below = tb_symbol_altlink_below(cases[i].name);
        assert_int_equal(below != NULL, cases[i].below != NULL);
        if (below)
            assert_string_equal(below, cases[i].below);
    }
}

/* A link section that has no name, no end of it, no build id or one that is too long. */
static void links_that_make_no_sense_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        int err;
    } cases[] = {
        {"name\0\1\2", 7, 0},      {"name\0\1", 6, -EBADMSG},
        {"name\0", 5, -EBADMSG},   {"name", 4, -EBADMSG},
        {"\0\1\2\3", 4, -EBADMSG}, {"n\0aaaaaaaabbbbbbbbaaaaaaaabbbbbbbbc", 35, -EBADMSG},
    };
    char path[512];
    char section[512];
    char argument[600];
    (void)state;
    (void)snprintf(argument, sizeof(argument), ".gnu_debugaltlink=%s",
                   in_folder(section, "section"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_symbol_elf elf;
        struct tb_symbol_altlink link;
        FILE *file = fopen(section, "we");
        assert_non_null(file);
        assert_int_equal(fwrite(cases[i].bytes, 1, cases[i].len, file), cases[i].len);
        assert_int_equal(fclose(file), 0);
        RUN("objcopy", "--add-section", argument, full, in_folder(path, "linked"));
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(tb_symbol_elf_open(fd, &elf), 0);
        assert_int_equal(tb_symbol_altlink_read(elf.elf, &link), cases[i].err);
        if (cases[i].err == 0)
            assert_int_equal(link.build_id_len, 2);
        tb_symbol_elf_done(&elf);
    }
}

static void read_common_id(void)
{
    struct tb_symbol_elf elf;
    int fd = open(common, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(tb_symbol_elf_open(fd, &elf), 0);
    assert_true(elf.build_id_len > 0);
    tb_hex(elf.build_id, elf.build_id_len, id_hex);
    tb_symbol_elf_done(&elf);
}

/* victim and other share what common has; full is victim before that. */
static int set_up(void **state)
{
    char victim[512];
    char other[512];
    char probe[512];
    char text[1024];
    if (make_folder(state) != 0)
        return -1;
    make_dirs("bin");
    make_dirs(".dwz/some");
    make_dirs("debug");
    RUN("gcc", "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN("gcc", "-g", "-O2", CHAIN_C, probe, "-o", in_folder(victim, "bin/victim"));
    RUN("gcc", "-g", "-O1", CHAIN_C, probe, "-o", in_folder(other, "bin/other"));
    RUN("cp", victim, in_folder(full, "full"));
    RUN("dwz", "-m", in_folder(common, ".dwz/some/common.debug"), "-M", "../.dwz/some/common.debug",
        victim, other);
    read_common_id();
    run_subject(victim, &subject);
    int n = snprintf(text, sizeof(text), "source_root=%s\ndebug_dir=%s/debug\n", DATA, folder);
    assert_int_equal(tb_symbol_config_read(text, (size_t)n, &config), 0);
    n = snprintf(text, sizeof(text), "debug_dir=%s/none\n", folder);
    assert_int_equal(tb_symbol_config_read(text, (size_t)n, &no_folder), 0);
    return 0;
}

static int tear_down(void **state)
{
    tb_symbol_config_done(&config);
    tb_symbol_config_done(&no_folder);
    return remove_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(common_file_is_found_by_its_build_id),
        cmocka_unit_test(common_file_is_found_by_its_name_below_dwz),
        cmocka_unit_test(file_at_the_place_of_the_link_is_not_opened),
        cmocka_unit_test(file_with_another_build_id_is_not_taken),
        cmocka_unit_test(file_that_comes_later_is_noticed),
        cmocka_unit_test(links_lead_nowhere_but_below_the_folder),
        cmocka_unit_test(links_that_make_no_sense_are_refused),
    };
    if (!is_installed("dwz")) {
        print_message("skipped: dwz is not installed (src/dist/packages.txt)\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
