/* test_page_token.c - the secret for the pages: made once, kept, never readable by others. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>

#include "agent/serve/page_token.h"
#include "base/fd.h"
#include "http/page.h"

struct place {
    char folder[64];
    int fd;
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    assert_non_null(place);
    (void)snprintf(place->folder, sizeof(place->folder), "/tmp/towbar-token-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    place->fd = open(place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(place->fd >= 0);
    *state = place;
    return 0;
}

static int drop_place(void **state)
{
    struct place *place = *state;
    (void)unlinkat(place->fd, TB_PAGE_TOKEN_FILE, 0);
    (void)unlinkat(place->fd, "elsewhere", 0);
    (void)close(place->fd);
    assert_int_equal(rmdir(place->folder), 0);
    free(place);
    return 0;
}

/* Makes sure of the file and reads it. */
static void make(const struct place *place, char out[65])
{
    struct stat st;
    struct tb_buf text;
    tb_buf_init(&text, 100);
    assert_int_equal(tb_page_token_make(place->fd), 0);
    assert_int_equal(fstatat(place->fd, TB_PAGE_TOKEN_FILE, &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(tb_fd_slurp(place->fd, TB_PAGE_TOKEN_FILE, &text), 0);
    assert_int_equal(text.len, 65);
    assert_int_equal(strspn(text.data, "0123456789abcdef"), 64);
    memcpy(out, text.data, 64);
    out[64] = '\0';
    tb_buf_done(&text);
}

static void write_file(const struct place *place, const char *name, const char *text, mode_t mode)
{
    int fd = openat(place->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(tb_fd_write_all(fd, text, strlen(text)), 0);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static void it_is_kept_across_starts(void **state)
{
    char first[65];
    char second[65];
    (void)umask(0);
    make(*state, first);
    make(*state, second);
    assert_string_equal(first, second);
}

static void two_agents_have_two(void **state)
{
    struct place *place = *state;
    char first[65];
    char second[65];
    make(place, first);
    assert_int_equal(unlinkat(place->fd, TB_PAGE_TOKEN_FILE, 0), 0);
    make(place, second);
    assert_string_not_equal(first, second);
}

static void one_that_others_could_read_or_write_is_replaced(void **state)
{
    static const char KNOWN[] =
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    static const mode_t MODES[] = {0644, 0660, 0602};
    char made[65];
    for (size_t i = 0; i < sizeof(MODES) / sizeof(MODES[0]); i++) {
        write_file(*state, TB_PAGE_TOKEN_FILE, KNOWN, MODES[i]);
        make(*state, made);
        assert_int_not_equal(strncmp(made, KNOWN, 64), 0);
    }
    write_file(*state, TB_PAGE_TOKEN_FILE, KNOWN, 0600);
    make(*state, made);
    assert_int_equal(strncmp(made, KNOWN, 64), 0);
}

static void what_is_no_token_is_replaced(void **state)
{
    static const char HARDLY[] =
        "zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    static const char *const BAD[] = {"", "0011", HARDLY};
    char made[65];
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        write_file(*state, TB_PAGE_TOKEN_FILE, BAD[i], 0600);
        make(*state, made);
    }
}

static void a_link_is_not_followed(void **state)
{
    struct place *place = *state;
    struct tb_buf text;
    char made[65];
    write_file(place, "elsewhere", "mine", 0600);
    assert_int_equal(symlinkat("elsewhere", place->fd, TB_PAGE_TOKEN_FILE), 0);
    make(place, made);
    tb_buf_init(&text, 100);
    assert_int_equal(tb_fd_slurp(place->fd, "elsewhere", &text), 0);
    assert_string_equal(tb_buf_str(&text), "mine");
    tb_buf_done(&text);
}

#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, drop_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PLACE(it_is_kept_across_starts),
        WITH_PLACE(two_agents_have_two),
        WITH_PLACE(one_that_others_could_read_or_write_is_replaced),
        WITH_PLACE(what_is_no_token_is_replaced),
        WITH_PLACE(a_link_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
