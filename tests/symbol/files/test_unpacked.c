/* test_unpacked.c - files whose debug sections zstd has compressed, and such that lie about it. */
#include "support.h"

#include <elf.h>
#include <errno.h>

#include "base/buf.h"
#include "base/fd.h"
#include "symbol/files/elf.h"
#include "symbol/files/unpacked.h"

static char plain[512];
static char packed[512];
static struct tb_buf bytes; /* of packed */

static void open_elf(const char *path, struct tb_symbol_elf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(tb_symbol_elf_open(fd, out), 0);
}

static void every_section_is_what_it_was_before(void **state)
{
    static const char *const names[] = {".debug_info", ".debug_abbrev", ".debug_line",
                                        ".debug_str",  ".text",         ".symtab"};
    struct tb_symbol_elf before;
    struct tb_symbol_elf elf;
    struct tb_symbol_unpacked unpacked;
    (void)state;
    open_elf(plain, &before);
    open_elf(packed, &elf);
    assert_int_equal(tb_symbol_unpacked_open(elf.elf, &unpacked), 0);
    assert_false(tb_symbol_elf_has_zstd(unpacked.elf));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t len = 0;
        size_t wanted_len = 0;
        const void *wanted = tb_symbol_elf_section(before.elf, names[i], &wanted_len);
        const void *found = tb_symbol_elf_section(unpacked.elf, names[i], &len);
        assert_non_null(wanted);
        assert_non_null(found);
        assert_int_equal(len, wanted_len);
        if (strcmp(names[i], ".symtab") != 0) /* objcopy numbers the sections anew */
            assert_memory_equal(found, wanted, len);
    }
    tb_symbol_unpacked_done(&unpacked);
    tb_symbol_unpacked_done(NULL);
    tb_symbol_elf_done(&elf);
    tb_symbol_elf_done(&before);
}

static void file_without_has_nothing_to_inflate(void **state)
{
    struct tb_symbol_elf elf;
    struct tb_symbol_unpacked unpacked;
    char zlib[512];
    (void)state;
    RUN("objcopy", "--compress-debug-sections=zlib", plain, in_folder(zlib, "zlib"));
    open_elf(plain, &elf);
    assert_int_equal(tb_symbol_unpacked_open(elf.elf, &unpacked), -ENOENT);
    tb_symbol_elf_done(&elf);
    open_elf(zlib, &elf);
    assert_int_equal(tb_symbol_unpacked_open(elf.elf, &unpacked), -ENOENT);
    tb_symbol_elf_done(&elf);
}

/* ---- lies ---- */

/* The first compressed section of the file. */
static Elf64_Shdr *find_section(char *file)
{
    Elf64_Ehdr *header = (void *)file;
    Elf64_Shdr *sections = (void *)(file + header->e_shoff);
    for (size_t i = 0; i < header->e_shnum; i++)
        if (sections[i].sh_flags & SHF_COMPRESSED)
            return &sections[i];
    fail();
    return NULL;
}

static int open_bytes(char *file, size_t len)
{
    struct tb_symbol_unpacked unpacked;
    Elf *elf = elf_memory(file, len);
    assert_non_null(elf);
    int err = tb_symbol_unpacked_open(elf, &unpacked);
    if (err == 0)
        tb_symbol_unpacked_done(&unpacked);
    elf_end(elf);
    return err;
}

static void sizes_that_are_not_true_are_refused(void **state)
{
    static const struct {
        uint64_t size;
        int err;
    } cases[] = {
        {0, -EBADMSG},
        {1, -EBADMSG},
        {TB_SYMBOL_UNPACKED_BYTES_MAX, -EFBIG},
        {UINT64_MAX, -EFBIG},
        {UINT64_MAX - 15, -EFBIG},
        {TB_SYMBOL_UNPACKED_BYTES_MAX / 64, -EBADMSG},
    };
    (void)state;
    char *copy = malloc(bytes.len);
    assert_non_null(copy);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(copy, bytes.data, bytes.len);
        Elf64_Chdr *how = (void *)(copy + find_section(copy)->sh_offset);
        how->ch_size = cases[i].size;
        assert_int_equal(open_bytes(copy, bytes.len), cases[i].err);
    }
    free(copy);
}

static void places_outside_of_the_file_are_passed_over(void **state)
{
    static const uint64_t places[] = {0, 1, UINT32_MAX, UINT64_MAX, UINT64_MAX - 30};
    (void)state;
    char *copy = malloc(bytes.len);
    assert_non_null(copy);
    for (size_t i = 0; i < 2 * sizeof(places) / sizeof(places[0]); i++) {
        memcpy(copy, bytes.data, bytes.len);
        Elf64_Shdr *section = find_section(copy);
        if (i % 2 == 0)
            section->sh_offset = places[i / 2];
        else
            section->sh_size = places[i / 2];
        int err = open_bytes(copy, bytes.len);
        assert_true(err == 0 || err == -EBADMSG || err == -EFBIG);
    }
    free(copy);
}

/* Nothing beyond the bytes is read or written: a sanitizer sees to that. */
static void cut_and_changed_files_end_with_an_error_or_well(void **state)
{
    unsigned seed = 20240611;
    (void)state;
    for (int round = 0; round < 400; round++) {
        size_t len = round % 4 == 0 ? bytes.len * (size_t)round / 400 : bytes.len;
        char *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy, bytes.data, len);
        for (int i = 0; i < 1 + round % 20 && len > 0; i++) {
            seed = seed * 1103515245 + 12345;
            copy[(seed >> 4) % len] ^= (char)(1 << seed % 8);
        }
        Elf *elf = elf_memory(copy, len);
        struct tb_symbol_unpacked unpacked;
        if (elf && tb_symbol_unpacked_open(elf, &unpacked) == 0)
            tb_symbol_unpacked_done(&unpacked);
        elf_end(elf);
        free(copy);
    }
}

static int set_up(void **state)
{
    char probe[512];
    if (make_folder(state) != 0)
        return -1;
    (void)elf_version(EV_CURRENT);
    RUN(c_compiler(), "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN(c_compiler(), "-g", "-O2", CHAIN_C, probe, "-o", in_folder(plain, "plain"));
    RUN("objcopy", "--compress-debug-sections=zstd", plain, in_folder(packed, "packed"));
    tb_buf_init(&bytes, 16 << 20);
    return tb_fd_slurp(AT_FDCWD, packed, &bytes);
}

static int tear_down(void **state)
{
    tb_buf_done(&bytes);
    return remove_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_section_is_what_it_was_before),
        cmocka_unit_test(file_without_has_nothing_to_inflate),
        cmocka_unit_test(sizes_that_are_not_true_are_refused),
        cmocka_unit_test(places_outside_of_the_file_are_passed_over),
        cmocka_unit_test(cut_and_changed_files_end_with_an_error_or_well),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
