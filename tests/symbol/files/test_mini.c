/* test_mini.c - MiniDebugInfo, made as Fedora makes it; and xz streams that are made to do harm. */
#include "support.h"

#include <errno.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/fd.h"
#include "symbol/files/elf.h"
#include "symbol/files/mini.h"
#include "symbol/files/table.h"

static struct tb_symbol_config config;
static char original[512]; /* with everything, run as "plain" */
static char carrier[512];  /* stripped, with a symbol table in .gnu_debugdata */

/* What find-debuginfo.sh of rpm does: the functions of the symbol table that are not exported. */
static void add_mini(const char *from, const char *to)
{
    char script[4096];
    (void)snprintf(script, sizeof(script),
                   "set -e; cd '%s'; from=$1; to=$2; rm -f mini mini.xz\n"
                   "nm -D \"$from\" --format=posix --defined-only | awk '{print $1}' | sort >dyn\n"
                   "nm \"$from\" --format=posix --defined-only |"
                   " awk '{ if ($2 == \"T\" || $2 == \"t\" || $2 == \"D\") print $1 }' |"
                   " sort >all\n"
                   "comm -13 dyn all >keep\n"
                   "objcopy --only-keep-debug \"$from\" debug\n"
                   "objcopy -S --remove-section .gdb_index --remove-section .comment"
                   " --keep-symbols=keep debug mini\n"
                   "xz mini\n"
                   "strip -o \"$to\" \"$from\"\n"
                   "objcopy --add-section .gnu_debugdata=mini.xz \"$to\"\n",
                   folder);
    RUN("sh", "-c", script, "sh", from, to);
}

static void open_elf(const char *path, struct tb_symbol_elf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(tb_symbol_elf_open(fd, out), 0);
}

static void stripped_program_has_the_names_it_carries(void **state)
{
    static const char *const methods[] = {"exported_function", "hidden_function", "main"};
    struct subject s;
    (void)state;
    run_subject(carrier, &s);
    cJSON *answer = ask(&config, &s);
    assert_string_equal(symbols_of(answer, "carrier"), "symtab");
    assert_int_equal(n_frames_of(answer), 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(text_of(frame_at(answer, i), "method"), methods[i]);
        assert_int_equal(number_of(frame_at(answer, i), "lineno"), 0);
    }
    cJSON_Delete(answer);
}

/* Every function that the full symbol table names is named alike. */
static void names_are_those_of_the_symbol_table(void **state)
{
    struct tb_symbol_elf full;
    struct tb_symbol_elf stripped;
    struct tb_symbol_mini mini;
    struct tb_symbol_table all = {0};
    struct tb_symbol_table found = {0};
    (void)state;
    open_elf(original, &full);
    open_elf(carrier, &stripped);
    assert_int_equal(tb_symbol_mini_open(stripped.elf, &mini), 0);
    assert_int_equal(tb_symbol_table_add(&all, full.elf, SHT_SYMTAB), 0);
    assert_int_equal(tb_symbol_table_add(&found, mini.elf, SHT_SYMTAB), 0);
    (void)tb_symbol_table_add(&found, stripped.elf, SHT_DYNSYM);
    tb_symbol_table_sort(&all);
    tb_symbol_table_sort(&found);
    size_t n = 0;
    for (size_t i = 0; i < all.n; i++) {
        const struct tb_symbol_entry *wanted = &all.entries[i];
        if (wanted->size == 0) /* a mark of the linker's, "__bss_start" say */
            continue;
        const struct tb_symbol_entry *entry = tb_symbol_table_find(&found, wanted->address);
        assert_non_null(entry);
        assert_string_equal(entry->name, wanted->name);
        n++;
    }
    assert_true(n >= 5);
    tb_symbol_table_done(&found);
    tb_symbol_table_done(&all);
    tb_symbol_mini_done(&mini);
    tb_symbol_elf_done(&stripped);
    tb_symbol_elf_done(&full);
}

static void module_without_it_has_none(void **state)
{
    struct tb_symbol_elf elf;
    struct tb_symbol_mini mini = {0};
    (void)state;
    open_elf(original, &elf);
    assert_int_equal(tb_symbol_mini_open(elf.elf, &mini), -ENOENT);
    tb_symbol_mini_done(&mini);
    tb_symbol_mini_done(NULL);
    tb_symbol_elf_done(&elf);
}

/* ---- what is made to do harm ---- */

/* The output of a command. */
static void make(const char *command, struct tb_buf *out)
{
    char path[512];
    tb_buf_init(out, 32 << 20);
    int fd = open(in_folder(path, "made"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(run_to(fd, (const char *const[]){"sh", "-c", command, NULL}), 0);
    close(fd);
    assert_int_equal(tb_fd_slurp(AT_FDCWD, path, out), 0);
}

static long peak_kib(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* 160 MiB of zeros in 24 KB. */
static void bomb_is_given_up_at_the_limit(void **state)
{
    struct tb_buf packed;
    struct tb_symbol_mini mini = {0};
    (void)state;
    make("head -c 167772160 /dev/zero | xz -0", &packed);
    assert_true(packed.len < 1 << 20);
    long before_kib = peak_kib();
    assert_int_equal(tb_symbol_mini_inflate(packed.data, packed.len, &mini), -EFBIG);
    assert_null(mini.bytes);
    /* What doubles holds twice what is wanted for a moment; a sanitizer keeps what was freed. */
    assert_true(peak_kib() - before_kib < 4 * (TB_SYMBOL_MINI_BYTES_MAX / 1024));
    tb_buf_done(&packed);
}

static void bomb_in_a_module_costs_the_names_it_would_have_alone(void **state)
{
    struct subject s;
    struct tb_buf packed;
    char bomb[512];
    char argument[600];
    char path[512];
    (void)state;
    make("head -c 167772160 /dev/zero | xz -0", &packed);
    FILE *file = fopen(in_folder(bomb, "bomb"), "we");
    assert_non_null(file);
    assert_int_equal(fwrite(packed.data, 1, packed.len, file), packed.len);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(argument, sizeof(argument), ".gnu_debugdata=%s", bomb);
    RUN("strip", "-o", in_folder(path, "victim"), original);
    RUN("objcopy", "--add-section", argument, path);
    run_subject(path, &s);
    cJSON *answer = ask(&config, &s);
    assert_string_not_equal(symbols_of(answer, "victim"), "symtab");
    assert_true(n_frames_of(answer) >= 3);
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "<unknown>");
    const cJSON *module = cJSON_GetArrayItem(cJSON_GetObjectItem(answer, "modules"), 0);
    assert_string_equal(text_of(module, "name"), "victim");
    assert_string_equal(text_of(module, "note"), TB_SYMBOL_NOTE_NO_MINI);
    cJSON_Delete(answer);
    tb_buf_done(&packed);
}

static void stream_that_asks_for_too_much_memory_is_refused(void **state)
{
    struct tb_buf packed;
    struct tb_symbol_mini mini = {0};
    (void)state;
    make("echo small | xz --lzma2=dict=512MiB,mode=fast,mf=hc3,nice=4 --memlimit-compress=0 "
         "|| echo small | xz --lzma2=dict=192MiB",
         &packed);
    assert_int_equal(tb_symbol_mini_inflate(packed.data, packed.len, &mini), -EFBIG);
    tb_buf_done(&packed);
}

static void as_much_as_is_packed_best_is_taken(void **state)
{
    struct tb_buf packed;
    struct tb_symbol_mini mini = {0};
    char command[600];
    (void)state;
    (void)snprintf(command, sizeof(command), "xz -9e <'%s'", original);
    make(command, &packed);
    assert_int_equal(tb_symbol_mini_inflate(packed.data, packed.len, &mini), 0);
    assert_non_null(mini.elf);
    tb_symbol_mini_done(&mini);
    tb_buf_done(&packed);
}

static void what_is_no_stream_or_no_elf_file_is_refused(void **state)
{
    static const char *const commands[] = {
        "echo 'no xz at all'",       "echo 'no ELF file' | xz",       "printf ''", ": | xz",
        "printf '\\177ELF' | xz -0", "echo small | xz --format=lzma",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        struct tb_buf packed;
        struct tb_symbol_mini mini = {0};
        make(commands[i], &packed);
        int err = tb_symbol_mini_inflate(tb_buf_str(&packed), packed.len, &mini);
        /* libelf calls four bytes a file; there is just nothing in it. */
        if (err == 0)
            assert_int_equal(mini.len, 4);
        else
            assert_int_equal(err, -EBADMSG);
        tb_symbol_mini_done(&mini);
        tb_buf_done(&packed);
    }
}

/* Cut anywhere, or with a byte that was changed: no stream, whose checksum sees to the rest. */
static void damaged_stream_is_refused(void **state)
{
    struct tb_buf packed;
    char command[600];
    (void)state;
    (void)snprintf(command, sizeof(command), "cat '%s/mini.xz'", folder);
    make(command, &packed);
    for (size_t i = 0; i < packed.len; i += 7) {
        struct tb_symbol_mini mini = {0};
        assert_int_equal(tb_symbol_mini_inflate(packed.data, i, &mini), -EBADMSG);
        packed.data[i] = (char)(packed.data[i] ^ 0x41);
        int err = tb_symbol_mini_inflate(packed.data, packed.len, &mini);
        assert_true(err == -EBADMSG || err == -EFBIG);
        packed.data[i] = (char)(packed.data[i] ^ 0x41);
    }
    tb_buf_done(&packed);
}

static int set_up(void **state)
{
    char probe[512];
    if (make_folder(state) != 0)
        return -1;
    default_config(&config);
    RUN(c_compiler(), "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN(c_compiler(), "-g", "-O2", CHAIN_C, probe, "-o", in_folder(original, "plain"));
    add_mini(original, in_folder(carrier, "carrier"));
    return 0;
}

static int tear_down(void **state)
{
    tb_symbol_config_done(&config);
    return remove_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stripped_program_has_the_names_it_carries),
        cmocka_unit_test(names_are_those_of_the_symbol_table),
        cmocka_unit_test(module_without_it_has_none),
        cmocka_unit_test(bomb_is_given_up_at_the_limit),
        cmocka_unit_test(bomb_in_a_module_costs_the_names_it_would_have_alone),
        cmocka_unit_test(stream_that_asks_for_too_much_memory_is_refused),
        cmocka_unit_test(as_much_as_is_packed_best_is_taken),
        cmocka_unit_test(what_is_no_stream_or_no_elf_file_is_refused),
        cmocka_unit_test(damaged_stream_is_refused),
    };
    if (!is_installed("xz")) {
        print_message("skipped: xz is not installed (src/dist/packages.txt)\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
