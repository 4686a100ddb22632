#include "record/process.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/pack.h"
#include "record/chunk.h"

enum { ROOM = 64 << 10 };

/* Not in order of lo, and the main program last: neither may matter. */
static struct tb_module modules[] = {
    {.lo = 0x7f0000000000,
     .hi = 0x7f0000100000,
     .bias = 0x7f0000000000,
     .eh_frame_hdr = 0x7f0000080000,
     .build_id_len = 4,
     .build_id = {1, 2, 3, 4},
     .path = "/lib/libc.so.6"},
    {.lo = 0x7e0000000000, .hi = 0x7e0000001000, .path = ""},
    {.lo = 0x400000,
     .hi = 0x500000,
     .flags = TB_MODULE_MAIN,
     .build_id_len = TB_BUILD_ID_BYTES,
     .build_id = {0xff, 0xee},
     .path = "/usr/sbin/feedd"},
};

static struct tb_process sample(void)
{
    return (struct tb_process){.generation = 0x0102030405060708,
                               .pid = 4711,
                               .uid = 1000,
                               .start_wall_ns = 1700000000123456789,
                               .start_ticks = 99,
                               .exe = "/usr/sbin/feedd",
                               .host = "caf\xc3\xa9",
                               .service = "feedd",
                               .environment = "production",
                               .version = "1.2.3",
                               .root = "/home/build/cruddur",
                               .modules = modules,
                               .n_modules = 3};
}

static void what_is_packed_comes_back_sorted(void **state)
{
    (void)state;
    static uint8_t memory[ROOM];
    struct tb_process process = sample();
    struct tb_process again;
    size_t len = tb_process_pack(&process, memory, sizeof(memory));
    assert_int_equal(len % 8, 0);
    assert_int_equal(tb_process_unpack(memory, len, &again), 0);
    assert_true(again.generation == process.generation);
    assert_int_equal(again.pid, 4711);
    assert_int_equal(again.uid, 1000);
    assert_true(again.start_wall_ns == process.start_wall_ns);
    assert_true(again.start_ticks == 99);
    assert_string_equal(again.exe, process.exe);
    assert_string_equal(again.host, process.host);
    assert_string_equal(again.service, process.service);
    assert_string_equal(again.environment, process.environment);
    assert_string_equal(again.version, process.version);
    assert_string_equal(again.root, process.root);
    assert_int_equal(again.n_modules, 3);
    static const size_t order[] = {2, 1, 0};
    for (size_t i = 0; i < 3; i++) {
        const struct tb_module *want = &modules[order[i]];
        const struct tb_module *got = &again.modules[i];
        assert_true(got->lo == want->lo && got->hi == want->hi && got->bias == want->bias);
        assert_true(got->eh_frame_hdr == want->eh_frame_hdr);
        assert_int_equal(got->flags, want->flags);
        assert_int_equal(got->build_id_len, want->build_id_len);
        assert_memory_equal(got->build_id, want->build_id, TB_BUILD_ID_BYTES);
        assert_string_equal(got->path, want->path);
    }
    tb_process_done(&again);
}

static void the_bytes_are_those_of_the_golden_file(void **state)
{
    (void)state;
    static uint8_t memory[ROOM];
    struct tb_process process = sample();
    struct tb_buf golden;
    tb_buf_init(&golden, ROOM);
    assert_int_equal(tb_fd_slurp(-1, TEST_DATA "/record/process.bin", &golden), 0);
    size_t len = tb_process_pack(&process, memory, sizeof(memory));
    assert_int_equal(len, golden.len);
    assert_memory_equal(memory, golden.data, len);
    tb_buf_done(&golden);
}

static void empty_text_is_left_out_and_reads_as_empty(void **state)
{
    (void)state;
    uint8_t memory[256];
    struct tb_process process = {.pid = 1, .exe = ""};
    struct tb_process again;
    size_t len = tb_process_pack(&process, memory, sizeof(memory));
    assert_int_equal(len, 40);
    assert_int_equal(tb_process_unpack(memory, len, &again), 0);
    assert_string_equal(again.exe, "");
    assert_string_equal(again.root, "");
    assert_int_equal(again.n_modules, 0);
    assert_null(tb_process_module(&again, 1));
    tb_process_done(&again);
    tb_process_done(&again);
    tb_process_done(NULL);
}

static void a_cut_at_any_byte_keeps_what_came_before(void **state)
{
    (void)state;
    static uint8_t memory[ROOM];
    struct tb_process process = sample();
    size_t len = tb_process_pack(&process, memory, sizeof(memory));
    size_t n_before = 0;
    for (size_t cut = 0; cut <= len; cut++) {
        uint8_t *part = malloc(cut > 0 ? cut : 1);
        struct tb_process again;
        assert_non_null(part);
        memcpy(part, memory, cut);
        int err = tb_process_unpack(part, cut, &again);
        assert_int_equal(err, cut < 40 ? -EBADMSG : 0);
        free(part); /* what was unpacked owns all that it shows */
        if (err)
            continue;
        assert_int_equal(again.pid, 4711);
        assert_true(again.exe[0] == '\0' || strcmp(again.exe, process.exe) == 0);
        assert_true(again.n_modules >= n_before);
        n_before = again.n_modules;
        tb_process_done(&again);
    }
    assert_int_equal(n_before, 3);
}

static void memory_that_is_too_small_keeps_the_main_program(void **state)
{
    (void)state;
    static uint8_t memory[ROOM];
    struct tb_process process = sample();
    size_t whole = tb_process_pack(&process, memory, sizeof(memory));
    for (size_t cap = 0; cap <= whole; cap++) {
        uint8_t *small = malloc(cap > 0 ? cap : 1);
        struct tb_process again;
        assert_non_null(small);
        size_t len = tb_process_pack(&process, small, cap);
        assert_true(len <= cap);
        int err = tb_process_unpack(small, len, &again);
        free(small);
        assert_int_equal(err, cap < 40 ? -EBADMSG : 0);
        if (err)
            continue;
        /* A smaller module may still fit where the main program does not. */
        if (again.n_modules >= 2)
            assert_int_equal(again.modules[0].flags, TB_MODULE_MAIN);
        tb_process_done(&again);
    }
}

static void an_address_is_found_in_the_module_that_holds_it(void **state)
{
    (void)state;
    static uint8_t memory[ROOM];
    struct tb_process process = sample();
    struct tb_process again;
    static const struct {
        uint64_t address;
        const char *path;
    } rows[] = {{0x3fffff, NULL},
                {0x400000, "/usr/sbin/feedd"},
                {0x4fffff, "/usr/sbin/feedd"},
                {0x500000, NULL},
                {0x7e0000000fff, ""},
                {0x7f00000fffff, "/lib/libc.so.6"},
                {0x7f0000100000, NULL},
                {0, NULL},
                {UINT64_MAX, NULL}};
    size_t len = tb_process_pack(&process, memory, sizeof(memory));
    assert_int_equal(tb_process_unpack(memory, len, &again), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct tb_module *module = tb_process_module(&again, rows[i].address);
        assert_int_equal(module != NULL, rows[i].path != NULL);
        if (module)
            assert_string_equal(module->path, rows[i].path);
    }
    tb_process_done(&again);
}

/* A record of the fixed chunk and one module, whose bytes may then be made worse. */
static size_t one_module(uint8_t *memory, size_t cap)
{
    struct tb_process process = {.pid = 1, .modules = &modules[0], .n_modules = 1};
    return tb_process_pack(&process, memory, cap);
}

static void a_module_that_lies_is_not_believed(void **state)
{
    (void)state;
    uint8_t memory[256];
    struct tb_process again;
    size_t len = one_module(memory, sizeof(memory));
    tb_put32(memory + 48 + 36, 0xffffffff); /* build_id_len */
    assert_int_equal(tb_process_unpack(memory, len, &again), 0);
    assert_int_equal(again.n_modules, 1);
    assert_int_equal(again.modules[0].build_id_len, 0);
    tb_process_done(&again);
    tb_put64(memory + 48 + 8, 0x7f0000000000); /* hi is lo */
    assert_int_equal(tb_process_unpack(memory, len, &again), 0);
    assert_int_equal(again.n_modules, 0);
    tb_process_done(&again);
}

static void unknown_chunks_are_passed_over_and_text_ends_at_nul(void **state)
{
    (void)state;
    uint8_t memory[256] = {0};
    struct tb_process process = {.pid = 7};
    struct tb_process again;
    size_t len = tb_process_pack(&process, memory, sizeof(memory));
    tb_chunk_header(999, 8, memory + len);
    len += 16;
    tb_chunk_header(2, 5, memory + len);
    memory[len + 8] = 'a';
    memory[len + 10] = 'b';
    len += 16;
    assert_int_equal(tb_process_unpack(memory, len, &again), 0);
    assert_string_equal(again.exe, "a");
    tb_process_done(&again);
}

static void more_modules_than_the_cap_are_left_out(void **state)
{
    (void)state;
    enum { N = TB_MODULES_MAX + 10, EACH = 88 };
    size_t cap = 64 + (size_t)N * EACH;
    uint8_t *memory = calloc(1, cap);
    struct tb_module *many = calloc(N, sizeof(*many));
    struct tb_process again;
    assert_non_null(memory);
    assert_non_null(many);
    for (size_t i = 0; i < N; i++)
        many[i] = (struct tb_module){.lo = i * 16, .hi = i * 16 + 16, .path = "m"};
    struct tb_process process = {.pid = 1, .modules = many, .n_modules = N};
    size_t len = tb_process_pack(&process, memory, cap);
    assert_int_equal(tb_process_unpack(memory, len, &again), 0);
    assert_int_equal(again.n_modules, TB_MODULES_MAX);
    tb_process_done(&again);
    free(many);
    free(memory);
}

static void a_path_is_cut_at_the_cap(void **state)
{
    (void)state;
    static uint8_t memory[ROOM];
    static char path[TB_PATH_MAX_BYTES + 100];
    struct tb_process again;
    memset(path, 'p', sizeof(path) - 1);
    struct tb_process process = {.pid = 1, .exe = path};
    size_t len = tb_process_pack(&process, memory, sizeof(memory));
    assert_int_equal(tb_process_unpack(memory, len, &again), 0);
    assert_int_equal(strlen(again.exe), TB_PATH_MAX_BYTES);
    tb_process_done(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_comes_back_sorted),
        cmocka_unit_test(the_bytes_are_those_of_the_golden_file),
        cmocka_unit_test(empty_text_is_left_out_and_reads_as_empty),
        cmocka_unit_test(a_cut_at_any_byte_keeps_what_came_before),
        cmocka_unit_test(memory_that_is_too_small_keeps_the_main_program),
        cmocka_unit_test(an_address_is_found_in_the_module_that_holds_it),
        cmocka_unit_test(a_module_that_lies_is_not_believed),
        cmocka_unit_test(unknown_chunks_are_passed_over_and_text_ends_at_nul),
        cmocka_unit_test(more_modules_than_the_cap_are_left_out),
        cmocka_unit_test(a_path_is_cut_at_the_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
