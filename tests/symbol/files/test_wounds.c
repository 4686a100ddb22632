/* test_wounds.c - files that are cut or wrecked after the program has run say so, and no others. */
#include "../support.h"

#include <elf.h>

#include "base/buf.h"
#include "base/fd.h"
#include "symbol/files/wounds.h"

#define DAMAGED "the file or its debug data are damaged"
#define IN_PART "some of the debug data could not be read"
#define IN_DWO "some of the debug data are in .dwo files, which are not read"

static struct tb_symbol_config config;
static struct subject whole; /* with everything */
static struct tb_buf bytes;  /* of it */

static int set_up(void **state)
{
    char path[512];
    char probe[512];
    char text[600];
    if (make_folder(state) != 0)
        return -1;
    RUN(c_compiler(), "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN(c_compiler(), "-g", "-O2", CHAIN_C, probe, "-o", in_folder(path, "whole"));
    run_subject(path, &whole);
    int n = snprintf(text, sizeof(text), "source_root=%s\n", DATA);
    tb_buf_init(&bytes, 16 << 20);
    return tb_fd_slurp(AT_FDCWD, path, &bytes) == 0
               ? tb_symbol_config_read(text, (size_t)n, &config)
               : -1;
}

static int tear_down(void **state)
{
    tb_buf_done(&bytes);
    tb_symbol_config_done(&config);
    return remove_folder(state);
}

/* Writes what is left of a file in its place. */
static void leave(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(tb_fd_write_all(fd, data, len), 0);
    close(fd);
}

static const cJSON *module_of(const cJSON *answer, const char *path)
{
    const cJSON *module;
    cJSON_ArrayForEach(module, cJSON_GetObjectItem(answer, "modules"))
    {
        if (strcmp(text_of(module, "path"), path) == 0)
            return module;
    }
    fail_msg("%s is in no frame", path);
    return NULL;
}

/* What is said of the module of that path, and of all others: nothing. note "": nothing. */
static void expect_note(const struct subject *s, const char *symbols, const char *note)
{
    cJSON *answer = ask(&config, s);
    const cJSON *main_module = module_of(answer, s->path);
    const cJSON *module;
    assert_string_equal(text_of(main_module, "symbols"), symbols);
    cJSON_ArrayForEach(module, cJSON_GetObjectItem(answer, "modules"))
    {
        const cJSON *said = cJSON_GetObjectItem(module, "note");
        assert_string_equal(said ? said->valuestring : "", module == main_module ? note : "");
    }
    cJSON_Delete(answer);
}

static Elf64_Shdr *sections_of(uint8_t *file)
{
    Elf64_Ehdr header;
    memcpy(&header, file, sizeof(header));
    return (Elf64_Shdr *)(void *)(file + header.e_shoff);
}

static Elf64_Shdr *section_of(uint8_t *file, const char *name)
{
    Elf64_Ehdr header;
    Elf64_Shdr *sections = sections_of(file);
    memcpy(&header, file, sizeof(header));
    for (size_t i = 1; i < header.e_shnum; i++) {
        const char *names = (const char *)file + sections[header.e_shstrndx].sh_offset;
        if (strcmp(names + sections[i].sh_name, name) == 0)
            return &sections[i];
    }
    return NULL;
}

static uint8_t *copy(void)
{
    uint8_t *file = malloc(bytes.len);
    assert_non_null(file);
    memcpy(file, bytes.data, bytes.len);
    return file;
}

/* ---- damage ---- */

static void file_that_is_cut_says_so(void **state)
{
    (void)state;
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)bytes.data;
    const size_t lengths[] = {bytes.len / 2, header->e_shoff + 3 * sizeof(Elf64_Shdr)};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        leave(whole.path, bytes.data, lengths[i]);
        expect_note(&whole, "none", DAMAGED);
    }
}

static void wrecked_section_headers_are_said(void **state)
{
    static const uint8_t fillings[] = {0, 0xff};
    (void)state;
    for (size_t i = 0; i < sizeof(fillings); i++) {
        uint8_t *file = copy();
        Elf64_Shdr *sections = sections_of(file);
        memset(sections, fillings[i], bytes.len - (size_t)((uint8_t *)sections - file));
        leave(whole.path, file, bytes.len);
        free(file);
        expect_note(&whole, "none", DAMAGED);
    }
}

static void wrecked_size_of_one_section_is_said(void **state)
{
    static const struct {
        const char *section;
        uint64_t size;
        const char *symbols, *note;
    } cases[] = {
        {".debug_info", UINT64_C(1) << 40, "symtab", DAMAGED},
        {".debug_info", UINT64_MAX, "symtab", DAMAGED},
        {".debug_abbrev", 1 << 28, "symtab", DAMAGED},
        {".debug_line", UINT64_MAX, "symtab", DAMAGED},
        {".debug_str", 1 << 28, "symtab", DAMAGED},
        {".symtab", UINT64_C(1) << 40, "debug", IN_PART},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t *file = copy();
        Elf64_Shdr *section = section_of(file, cases[i].section);
        assert_non_null(section);
        section->sh_size = cases[i].size;
        leave(whole.path, file, bytes.len);
        free(file);
        expect_note(&whole, cases[i].symbols, cases[i].note);
    }
}

/* ---- no damage ---- */

static void whole_file_says_nothing(void **state)
{
    (void)state;
    leave(whole.path, bytes.data, bytes.len);
    expect_note(&whole, "debug", "");
}

static void stripped_file_says_nothing(void **state)
{
    struct subject s;
    char path[512];
    (void)state;
    leave(whole.path, bytes.data, bytes.len);
    RUN("strip", "-o", in_folder(path, "stripped"), whole.path);
    run_subject(path, &s);
    expect_note(&s, "none", "");
    RUN("strip", "-g", "-o", in_folder(path, "no-lines"), whole.path);
    run_subject(path, &s);
    expect_note(&s, "symtab", "");
}

static void file_without_sections_says_nothing(void **state)
{
    Elf64_Ehdr header;
    (void)state;
    uint8_t *file = copy();
    memcpy(&header, file, sizeof(header));
    header.e_shoff = 0;
    header.e_shnum = header.e_shstrndx = 0;
    memcpy(file, &header, sizeof(header));
    leave(whole.path, file, bytes.len);
    free(file);
    expect_note(&whole, "none", "");
}

/* Most sections of the debug file have no bytes, whatever offset and size they tell. */
static void module_with_a_debug_file_says_nothing_until_that_is_cut(void **state)
{
    struct subject s;
    char path[512];
    char debug[512];
    char link[600];
    (void)state;
    leave(whole.path, bytes.data, bytes.len);
    RUN("objcopy", "--only-keep-debug", whole.path, in_folder(debug, "apart.debug"));
    RUN("strip", "-o", in_folder(path, "apart"), whole.path);
    (void)snprintf(link, sizeof(link), "--add-gnu-debuglink=%s", debug);
    RUN("objcopy", link, path);
    run_subject(path, &s);
    expect_note(&s, "debug", "");
    assert_int_equal(truncate(debug, 2000), 0);
    expect_note(&s, "none", DAMAGED);
}

/* ---- what lies elsewhere ---- */

static void split_debug_data_are_said_and_give_functions_alone(void **state)
{
    static const char *const versions[] = {"-gdwarf-4", "-gdwarf-5"};
    struct subject s;
    char path[512];
    char probe[512];
    (void)state;
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        RUN(c_compiler(), "-g", "-gsplit-dwarf", versions[i], "-O2", CHAIN_C,
            in_folder(probe, "probe.o"), "-o", in_folder(path, "split"));
        run_subject(path, &s);
        expect_note(&s, "symtab", IN_DWO);
        cJSON *answer = ask(&config, &s);
        assert_string_equal(text_of(frame_at(answer, n_frames_of(answer) - 1), "method"), "main");
        assert_null(cJSON_GetObjectItem(frame_at(answer, n_frames_of(answer) - 1), "lineno"));
        cJSON_Delete(answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_that_is_cut_says_so),
        cmocka_unit_test(wrecked_section_headers_are_said),
        cmocka_unit_test(wrecked_size_of_one_section_is_said),
        cmocka_unit_test(whole_file_says_nothing),
        cmocka_unit_test(stripped_file_says_nothing),
        cmocka_unit_test(file_without_sections_says_nothing),
        cmocka_unit_test(module_with_a_debug_file_says_nothing_until_that_is_cut),
        cmocka_unit_test(split_debug_data_are_said_and_give_functions_alone),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
