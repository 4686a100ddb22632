/* test_cmd_spool.c - towbar spool: what is in the spool, in words and as JSON, and how it is
 * mended. */
#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/pack.h"
#include "spool/quarantine.h"
#include "spool/reader.h"
#include "spool/slot.h"
#include "spool/writer.h"

#define UUID_1 "00000000-0000-0001-0000-000000000000"
#define UUID_2 "00000000-0000-0002-0000-000000000000"

static const char item_1[] =
    "{\"data\":{\"body\":{\"message\":{\"body\":\"one \\u001b[31mred\"}}}}";
static const char item_2[] =
    "{\"data\":{\"title\":\"two\",\"body\":{\"message\":{\"body\":\"2\"}}}}";

struct made {
    int dirfd;
    struct tb_writer writer; /* of class error, with two records; its process lives */
    char name[64];
};

static void append(struct tb_writer *writer, int kind, uint8_t number, const void *data, size_t len)
{
    uint8_t uuid[16] = {[7] = number};
    struct tb_append record = {.kind = kind,
                               .uuid = uuid,
                               .time_ns = 1790000000000000000ull + number,
                               .data = data,
                               .len = len};
    assert_int_equal(tb_writer_append(writer, &record), 0);
}

/* The name of the one file in in/ that ends so. */
static void name_of(const struct run *run, const char *folder, const char *end, char out[64])
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", run->spool, folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    int n = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        size_t len = strlen(entry->d_name);
        if (len < strlen(end) || strcmp(entry->d_name + len - strlen(end), end) != 0)
            continue;
        snprintf(out, 64, "%.63s", entry->d_name);
        n++;
    }
    closedir(dir);
    assert_int_equal(n, 1);
}

static void make(struct run *run, struct made *made)
{
    char why[TB_SPOOL_WHY] = "";
    made->dirfd = tb_spool_dir_open(run->spool, 1, why);
    assert_true(made->dirfd >= 0);
    tb_writer_init(&made->writer, TB_CLASS_ERROR, made->dirfd);
    append(&made->writer, TB_KIND_ITEM, 1, item_1, strlen(item_1));
    append(&made->writer, TB_KIND_ITEM, 2, item_2, strlen(item_2));
    name_of(run, "in", ".seg", made->name);
}

static void end(struct made *made)
{
    tb_writer_close(&made->writer);
    tb_fd_close(&made->dirfd);
}

/* The agent, for as long as it takes: stores the first record, puts the second away. */
static void be_the_agent(struct run *run, int n_stored, int n_put_away)
{
    char why[TB_SPOOL_WHY] = "";
    struct tb_spool *spool = NULL;
    struct tb_spool_record record;
    assert_int_equal(tb_spool_open(run->spool, TB_SPOOL_CREATE, &spool, why), 0);
    for (; n_stored > 0; n_stored--) {
        assert_int_equal(tb_spool_next(spool, &record), 0);
        tb_spool_ack(spool, record.file_id, record.off8, TB_ACK_STORED);
    }
    for (; n_put_away > 0; n_put_away--) {
        assert_int_equal(tb_spool_next(spool, &record), 0);
        assert_int_equal(tb_spool_quarantine(spool, &record, "no \x1b[31mJSON"), 0);
    }
    assert_int_equal(tb_spool_flush(spool), 0);
    tb_spool_close(spool);
}

/* ---- the command line ---- */

static void without_a_word_it_says_what_it_can_do(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_here(run, "spool"), 0);
    run_has(run->out, "usage: towbar spool WHAT");
    run_has(run->out, "retry NAME...");
    assert_int_equal(run_plain(run, "help", "spool", NULL), 0);
    run_has(run->out, "nothing in them is scrubbed yet");
    run_has(run->out, "--force");
}

static void wrong_use_is_said_with_the_right_one(void **state)
{
    static const struct {
        const char *words[3];
        const char *said;
    } cases[] = {
        {{"sl"}, "'spool' has no 'sl'; did you mean 'spool ls'?"},
        {{"verfy"}, "did you mean 'spool verify'?"},
        {{"\x1b[31m"}, "'spool' has no '\\x1b[31m'; it has ls, cat"},
        {{"ls", "--all"}, "'spool ls' does not take --all"},
        {{"retry", "--all", "--force"}, "'spool retry' does not take --force"},
        {{"show"}, "'spool show' needs a NAME; 'towbar spool ls' lists them"},
        {{"rm"}, "'spool rm' needs a NAME, or --all"},
        {{"rm", "x", "--all"}, "takes names or --all, not both"},
        {{"ls", "--level", "error"}, "'spool' does not take --level"},
    };
    struct run *run = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const *w = cases[i].words;
        int code = w[1] == NULL   ? run_plain(run, "spool", w[0], NULL)
                   : w[2] == NULL ? run_plain(run, "spool", w[0], w[1], NULL)
                                  : run_plain(run, "spool", w[0], w[1], w[2], NULL);
        assert_int_equal(code, 2);
        run_has(run->err, cases[i].said);
        assert_string_equal(run->out, "");
    }
}

static void what_is_no_spool_is_said(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_here(run, "spool", "ls"), 1);
    run_has(run->err, "there is no folder in/ in it");
    run_has(run->err, run->spool);
    struct made made;
    make(run, &made);
    assert_int_equal(run_here(run, "spool", "cat", "no\nsuch"), 1);
    run_has(run->err, "there is no 'no\\x0asuch' in the spool; 'towbar spool ls' lists");
    end(&made);
}

static void the_spool_is_found_without_a_home(void **state)
{
    struct run *run = *state;
    struct made made;
    make(run, &made);
    char *home = getenv("HOME") ? strdup(getenv("HOME")) : NULL;
    unsetenv("HOME");
    int code = run_plain(run, "spool", "ls", "--spool", run->spool, NULL);
    if (home)
        setenv("HOME", home, 1);
    free(home);
    assert_int_equal(code, 0);
    run_has(run->out, made.name);
    end(&made);
}

/* ---- ls, cat ---- */

static void ls_says_what_each_file_is_and_what_waits(void **state)
{
    struct run *run = *state;
    struct made made;
    make(run, &made);
    assert_int_equal(run_here(run, "spool", "ls"), 0);
    run_has(run->out, made.name);
    run_has(run->out, "live");
    run_has(run->out, "1 file and 0 in quarantine");
    run_has(run->out, "2 records to take in");
    end(&made);
    be_the_agent(run, 1, 1);
    assert_int_equal(run_here(run, "spool", "ls"), 0);
    run_has(run->out, "complete");
    run_has(run->out, "quarantined");
    run_has(run->out, ": no ?[31mJSON");
    run_has(run->out, "1 file and 1 in quarantine");
    run_has(run->out, "0 records to take in");
    assert_int_equal(run_here(run, "spool", "ls", made.name, "--json"), 0);
    run_has(run->out,
            "\"place\":\"in\",\"class\":\"error\",\"kind\":\"segment\",\"state\":\"complete\"");
    run_has(run->out, "\"owner_lives\":false");
    run_has(run->out, "\"records\":2,\"pending\":0,\"acknowledged\":2");
    assert_null(strchr(strchr(run->out, '\n') + 1, '\n')); /* one line */
}

static void an_empty_spool_is_said(void **state)
{
    struct run *run = *state;
    char why[TB_SPOOL_WHY] = "";
    int dirfd = tb_spool_dir_open(run->spool, 1, why);
    assert_int_equal(run_here(run, "spool", "ls"), 0);
    run_has(run->out, "Nothing is in the spool");
    assert_int_equal(run_here(run, "spool", "cat"), 0);
    run_has(run->out, "No records that are not acknowledged.");
    assert_int_equal(run_here(run, "spool", "verify"), 0);
    run_has(run->out, "0 files, 0 damaged");
    assert_int_equal(run_here(run, "spool", "retry", "--all"), 0);
    run_has(run->out, "Nothing is in quarantine.");
    tb_fd_close(&dirfd);
}

static void names_from_the_folder_cannot_steer_the_terminal(void **state)
{
    struct run *run = *state;
    struct made made;
    make(run, &made);
    close(openat(made.dirfd, "new\nline\x1b[31m", O_WRONLY | O_CREAT, 0600));
    assert_int_equal(mkfifoat(made.dirfd, "1-00000000-0000000000000001-0.seg", 0600), 0);
    assert_int_equal(run_here(run, "spool", "ls"), 0);
    run_has(run->out, "new\\x0aline\\x1b[31m");
    run_has(run->out, "refused: no program of ours gives such a name");
    run_has(run->out, "refused: a pipe, socket or device: never opened");
    assert_null(strchr(run->out, '\x1b'));
    assert_int_equal(run_here(run, "spool", "show", "new\nline\x1b[31m"), 0);
    run_has(run->out, "new\\x0aline\\x1b[31m\n");
    assert_int_equal(run_here(run, "spool", "verify"), 0); /* foreign, not damaged */
    run_has(run->out, "not looked into: ");
    run_has(run->out, "0 damaged, 2 not looked into;");
    run_has_not(run->out, "ok    note");
    end(&made);
}

static void cat_shows_what_nobody_has_yet_or_all(void **state)
{
    struct run *run = *state;
    struct made made;
    make(run, &made);
    assert_int_equal(run_here(run, "spool", "cat"), 0);
    run_has(run->out, "2026-09-21 14:13:20 UTC  error    item");
    run_has(run->out, UUID_1 "  one ?[31mred");
    run_has(run->out, UUID_2 "  two");
    end(&made);
    be_the_agent(run, 1, 0);
    assert_int_equal(run_here(run, "spool", "cat", made.name), 0);
    run_has_not(run->out, UUID_1);
    run_has(run->out, UUID_2);
    assert_int_equal(run_here(run, "spool", "cat", "--all"), 0);
    run_has(run->out, UUID_1 "  one ?[31mred [acknowledged]");
}

static void cat_as_json_has_every_byte(void **state)
{
    struct run *run = *state;
    struct made made;
    make(run, &made);
    char want[512];
    append(&made.writer, TB_KIND_ITEM, 3, "\xff\0x", 3);
    append(&made.writer, TB_KIND_ITEM, 4, "a\0\xc3\xa4", 4);
    end(&made);
    be_the_agent(run, 1, 0);
    assert_int_equal(run_here(run, "spool", "cat", "--json", "--all"), 0);
    snprintf(want, sizeof(want),
             "{\"file\":\"%s\",\"offset\":128,\"uuid\":\"" UUID_1 "\",\"class\":\"error\",\"kind\":"
             "\"item\",\"time_ns\":\"1790000000000000001\",\"uid\":%u,\"pid\":%d,\"len\":%zu,"
             "\"acked\":true,\"truncated\":false,\"encoding\":\"text\",\"data\":\"{\\\"data\\\":",
             made.name, (unsigned)geteuid(), (int)getpid(), strlen(item_1));
    assert_memory_equal(run->out, want, strlen(want));
    run_has(run->out, "\"encoding\":\"hex\",\"data\":\"ff0078\"}");
    run_has(run->out, "\"encoding\":\"text\",\"data\":\"a\\u0000\xc3\xa4\"}");
    assert_int_equal(run_here(run, "spool", "cat", "--json"), 0);
    run_has_not(run->out, UUID_1);
    run_has(run->out, "\"acked\":false");
}

static void cat_names_the_signal_and_the_service_of_a_crash(void **state)
{
    static const uint8_t service[] = {4, 0, 0, 0, 5, 0, 0, 0, 'f', 'e', 'e', 'd', 'd', 0, 0, 0};
    struct run *run = *state;
    struct made made;
    make(run, &made);
    struct tb_slot slot;
    uint8_t fixed[8 + 288] = {1, 0, 0, 0};
    uint8_t process[8 + 32 + sizeof(service)] = {1, 0, 0, 0, 32};
    static const uint8_t boot[16];
    memcpy(process + 40, service, sizeof(service));
    tb_put32(fixed + 4, 288);
    tb_put32(fixed + 8, SIGSEGV);
    tb_put64(fixed + 8 + 32, 0x18);
    assert_int_equal(tb_slot_open(&slot, made.dirfd, boot, 1), 0);
    assert_int_equal(tb_slot_context(&slot, 1, process, sizeof(process)), 0);
    tb_slot_begin(&slot, (const uint8_t *)"0123456789abcdef", 1790000000000000000ull);
    assert_int_equal(tb_slot_write(&slot, fixed, sizeof(fixed)), 0);
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_COMPLETE, 1);
    tb_slot_close(&slot, 0);
    assert_int_equal(run_here(run, "spool", "cat"), 0);
    run_has(run->out, "SIGSEGV at 0x18");
    run_has(run->out, "crash    crash      feedd/");
    assert_true(strstr(run->out, "SIGSEGV") < strstr(run->out, UUID_1)); /* the crash goes first */
    end(&made);
}

static void ls_tells_a_spare_slot_from_one_of_a_process(void **state)
{
    struct run *run = *state;
    struct made made;
    struct tb_slot slot;
    struct tb_slot spare;
    static const uint8_t boot[16];
    make(run, &made);
    assert_int_equal(tb_slot_open(&slot, made.dirfd, boot, 1), 0);
    assert_int_equal(tb_slot_open_spare(&spare, made.dirfd, boot), 0);
    assert_int_equal(run_here(run, "spool", "ls"), 0);
    run_has(run->out, "armed, nothing to read");
    run_has(run->out, "a spare for fork children");
    tb_slot_close(&slot, 1);
    tb_slot_close(&spare, 0);
    assert_int_equal(run_here(run, "spool", "ls"), 0);
    run_has(run->out, "its process ended cleanly");
    run_has(run->out, "a spare for fork children");
    end(&made);
}

/* ---- verify, show ---- */

static void verify_says_what_is_damaged_where_and_exits_1(void **state)
{
    struct run *run = *state;
    struct made made;
    make(run, &made);
    assert_int_equal(run_here(run, "spool", "verify"), 0);
    run_has(run->out, "ok    ");
    run_has(run->out, "1 file, 0 damaged; records: 2 whole, 0 lost, 0 torn.");
    end(&made);
    char path[256];
    snprintf(path, sizeof(path), "%s/in/%s", run->spool, made.name);
    int fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "X", 1, 128 + 60), 1);
    close(fd);
    be_the_agent(run, 0, 0);
    assert_int_equal(run_here(run, "spool", "verify"), 1);
    run_has(run->out, "FAIL  ");
    run_has(run->out, "1 record whole; 1 damaged place, 1 record lost");
    run_has(run->out, "damaged       128 .. ");
    run_has(run->out, "agent/ack.log: 0 entries whole, 0 damaged");
    assert_int_equal(run_here(run, "spool", "verify", "--json"), 1);
    run_has(run->out, "\"ok\":false");
    run_has(run->out, "\"places\":[{\"what\":\"damaged\",\"offset\":128,");
    assert_int_equal(run_here(run, "spool", "ls"), 0);
    run_has(run->out, "damaged: 1 damaged place");
}

static void a_torn_end_is_normal_and_said(void **state)
{
    struct run *run = *state;
    struct made made;
    make(run, &made);
    end(&made);
    char path[256];
    snprintf(path, sizeof(path), "%s/in/%s", run->spool, made.name);
    assert_int_equal(truncate(path, 128 + 56 + 64 + 56 + 20), 0);
    assert_int_equal(run_here(run, "spool", "verify", made.name), 0);
    run_has(run->out, "1 record whole; 1 torn write");
    run_has(run->out, "normal: its writer died in the middle of a write");
}

static void show_says_all_and_what_to_do(void **state)
{
    struct run *run = *state;
    struct made made;
    make(run, &made);
    char thing[64];
    assert_int_equal(run_here(run, "spool", "show", made.name), 0);
    run_has(run->out, "segment of class error, live");
    run_has(run->out, "who lives");
    run_has(run->out, "nothing: its process is at work");
    run_has(run->out, UUID_2 "  two");
    end(&made);
    assert_int_equal(run_here(run, "spool", "show", made.name), 0);
    run_has(run->out, "who is gone");
    be_the_agent(run, 1, 1);
    name_of(run, "agent/quarantine", ".seg", thing);
    assert_int_equal(run_here(run, "spool", "show", thing), 0);
    run_has(run->out, "reason   no ?[31mJSON");
    run_has(run->out, "spool retry puts it back");
    assert_int_equal(run_here(run, "spool", "show", thing, "--json"), 0);
    run_has(run->out, "\"note\":\"no ?[31mJSON\"");
    run_has(run->out, "\"parts\":[{\"what\":\"record\",\"offset\":128,");
    run_has(run->out, "\"uuid\":\"" UUID_2 "\"");
}

/* ---- retry, rm ---- */

static void retry_puts_back_what_the_agent_then_takes(void **state)
{
    struct run *run = *state;
    struct made made;
    make(run, &made);
    char thing[64];
    end(&made);
    be_the_agent(run, 1, 1);
    name_of(run, "agent/quarantine", ".seg", thing);
    assert_int_equal(run_here(run, "spool", "retry", made.name), 1);
    run_has(run->err, "it is not in quarantine");
    assert_int_equal(run_here(run, "spool", "retry", "--all"), 0);
    run_has(run->out, thing);
    run_has(run->out, "back in the spool; start towbard");
    assert_int_equal(run_here(run, "spool", "cat"), 0);
    run_has(run->out, UUID_2);
    run_has_not(run->out, UUID_1);
    be_the_agent(run, 1, 0);
    assert_int_equal(run_here(run, "spool", "cat"), 0);
    run_has(run->out, "No records");
}

static void what_an_earlier_version_kept_can_be_shown_and_removed_only(void **state)
{
    static const char name[] = "0000000000000001-16.record";
    struct run *run = *state;
    struct made made;
    make(run, &made);
    char path[160];
    be_the_agent(run, 0, 0);
    snprintf(path, sizeof(path), "%s/agent", run->spool);
    int agent_fd = open(path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(tb_quarantine_data(agent_fd, name, "{\"a\x1b\":1}", 8, "not an item"), 0);
    close(agent_fd);
    assert_int_equal(run_here(run, "spool", "show", name), 0);
    run_has(run->out, "{\"a?\":1}");
    run_has(run->out, "it cannot be put back");
    assert_int_equal(run_here(run, "spool", "cat", name), 1);
    assert_int_equal(run_here(run, "spool", "retry", name, "--json"), 1);
    run_has(run->out, "\"done\":false,\"why\":\"an earlier version kept its payload alone");
    assert_int_equal(run_here(run, "spool", "rm", "--all"), 0);
    run_has(run->out, "0000000000000001-16.record: removed from quarantine");
    assert_int_equal(run_here(run, "spool", "rm", name), 1);
    end(&made);
}

static void rm_takes_no_report_that_nobody_has_and_no_file_in_use(void **state)
{
    struct run *run = *state;
    struct made made;
    make(run, &made);
    assert_int_equal(run_here(run, "spool", "rm", made.name, "--force"), 1);
    run_has(run->err, "its process lives and writes to it");
    end(&made);
    assert_int_equal(run_here(run, "spool", "rm", made.name), 1);
    run_has(run->err, "2 records in it nobody has yet");
    be_the_agent(run, 1, 0);
    assert_int_equal(run_here(run, "spool", "rm", made.name), 1);
    run_has(run->err, "1 record in it nobody has yet");
    assert_int_equal(run_here(run, "spool", "rm", made.name, "--force", "--json"), 0);
    run_has(run->out, "\"done\":true,\"what\":\"removed, with 1 record that nobody had\"");
    assert_int_equal(run_here(run, "spool", "rm", made.name, "--force"), 1);
    run_has(run->err, "there is no '");
}

static void rm_takes_what_is_done_and_what_is_foreign_if_told(void **state)
{
    struct run *run = *state;
    struct made made;
    make(run, &made);
    close(openat(made.dirfd, "foreign", O_WRONLY | O_CREAT, 0600));
    end(&made);
    be_the_agent(run, 2, 0);
    assert_int_equal(run_here(run, "spool", "rm", made.name), 0);
    run_has(run->out, ": removed\n");
    assert_int_equal(run_here(run, "spool", "rm", "foreign"), 1);
    run_has(run->err, "--force removes it all the same");
    assert_int_equal(run_here(run, "spool", "rm", "foreign", "--force"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_word_it_says_what_it_can_do, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(wrong_use_is_said_with_the_right_one, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_spool_is_said, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(the_spool_is_found_without_a_home, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(ls_says_what_each_file_is_and_what_waits, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(an_empty_spool_is_said, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(names_from_the_folder_cannot_steer_the_terminal, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(cat_shows_what_nobody_has_yet_or_all, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(cat_as_json_has_every_byte, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(cat_names_the_signal_and_the_service_of_a_crash, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(ls_tells_a_spare_slot_from_one_of_a_process, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(verify_says_what_is_damaged_where_and_exits_1, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(a_torn_end_is_normal_and_said, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(show_says_all_and_what_to_do, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(retry_puts_back_what_the_agent_then_takes, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(what_an_earlier_version_kept_can_be_shown_and_removed_only,
                                        run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(rm_takes_no_report_that_nobody_has_and_no_file_in_use,
                                        run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(rm_takes_what_is_done_and_what_is_foreign_if_told,
                                        run_setup, run_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
