#include "record/crash.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/pack.h"

enum { ROOM = 16 << 10 };

#if defined(__x86_64__)
_Static_assert(TB_CRASH_N_REGS == NGREG, "the registers are those that the kernel saves");
#endif

struct record {
    uint8_t bytes[ROOM];
    size_t len;
};

static void add(struct record *r, uint16_t tag, const void *data, size_t len)
{
    assert_true(r->len + tb_chunk_room(len) <= ROOM);
    tb_chunk_header(tag, len, r->bytes + r->len);
    if (len > 0)
        memcpy(r->bytes + r->len + TB_CHUNK_HEADER_BYTES, data, len);
    r->len += tb_chunk_room(len);
}

static struct tb_crash_fixed sample_fixed(void)
{
    struct tb_crash_fixed fixed = {.signo = SIGSEGV,
                                   .code = -6,
                                   .err = 2,
                                   .tid = 11,
                                   .pid = 10,
                                   .sender_pid = 12,
                                   .sender_uid = 13,
                                   .flags = 14,
                                   .fault_address = 0xdeadbeefcafef00d,
                                   .wall_ns = 15,
                                   .mono_ns = 16,
                                   .generation = 17,
                                   .trap = 18,
                                   .trap_err = 19,
                                   .cr2 = 20,
                                   .thread_name = "worker"};
    for (size_t i = 0; i < TB_CRASH_N_REGS; i++)
        fixed.regs[i] = 0x1111111111111111 * (i % 15) + i;
    return fixed;
}

static void add_fixed(struct record *r)
{
    struct tb_crash_fixed fixed = sample_fixed();
    uint8_t packed[TB_CRASH_FIXED_BYTES];
    tb_crash_fixed_pack(&fixed, packed);
    add(r, TB_CRASH_FIXED, packed, sizeof(packed));
}

static void add_note(struct record *r, uint64_t wall_ns, const char *text)
{
    uint8_t note[64];
    size_t len = strlen(text);
    tb_put64(note, wall_ns);
    tb_put32(note + 8, 3);
    tb_put32(note + 12, 11);
    for (size_t i = 0; i < len; i++)
        note[16 + i] = (uint8_t)text[i];
    add(r, TB_CRASH_NOTE, note, 16 + len);
}

/* A record with every kind of chunk. */
static void make_record(struct record *r)
{
    struct tb_trace trace = {.trace_id = {1}, .span_id = {2}, .flags = 1};
    uint8_t bytes[TB_TRACE_IMAGE_BYTES];
    r->len = 0;
    add_fixed(r);
    tb_trace_pack(&trace, bytes);
    add(r, TB_CRASH_TRACE, bytes, sizeof(bytes));
    add(r, TB_CRASH_ABORT, "double free", 11);
    for (size_t i = 0; i < 9; i++)
        tb_put64(bytes + 8 * i, 0x1000 + i);
    tb_put64(bytes + 16, 0);
    tb_put64(bytes + 40, 3);
    tb_put64(bytes + 64, 77);
    add(r, TB_CRASH_FRAMES, bytes, 72);
    add(r, TB_CRASH_SCOPE,
        "user\0bob\0job\0"
        "17",
        16);
    add_note(r, 200, "second");
    add_note(r, 100, "first");
    tb_put64(bytes, 0x400000);
    memset(bytes + 8, 0x90, 16);
    add(r, TB_CRASH_CODE, bytes, 24);
    tb_put64(bytes, 0x7ffff000);
    add(r, TB_CRASH_STACK, bytes, 24);
    tb_put64(bytes, 12345);
    tb_put32(bytes + 8, 1);
    tb_put32(bytes + 12, TB_CRASH_STACK_CUT);
    add(r, TB_CRASH_END, bytes, 16);
}

static void the_fixed_chunk_comes_back_whole(void **state)
{
    (void)state;
    static struct record r;
    struct tb_crash crash;
    struct tb_crash_fixed want = sample_fixed();
    r.len = 0;
    add_fixed(&r);
    assert_int_equal(tb_crash_unpack(r.bytes, r.len, &crash), 0);
    assert_memory_equal(&crash.fixed, &want, sizeof(want));
    assert_int_equal(crash.is_cut, 1);
    tb_crash_done(&crash);
}

static void every_chunk_is_read(void **state)
{
    (void)state;
    static struct record r;
    struct tb_crash crash;
    make_record(&r);
    assert_int_equal(tb_crash_unpack(r.bytes, r.len, &crash), 0);
    assert_int_equal(crash.has_trace, 1);
    assert_int_equal(crash.context.trace.trace_id[0], 1);
    assert_int_equal(crash.abort_len, 11);
    assert_memory_equal(crash.abort_text, "double free", 11);
    assert_int_equal(crash.n_frames, 3);
    assert_true(crash.frames[1].ip == 0x1003 && crash.frames[1].sp == 0x1004);
    assert_true(crash.frames[0].trust == 0 && crash.frames[1].trust == 3);
    assert_true(crash.frames[2].trust == 3); /* 77 is none: the least trusted */
    assert_int_equal(crash.scope_len, 16);
    assert_memory_equal(crash.scope,
                        "user\0bob\0job\0"
                        "17",
                        16);
    assert_int_equal(crash.n_notes, 2);
    assert_memory_equal(crash.notes[0].text, "first", 5);
    assert_memory_equal(crash.notes[1].text, "second", 6);
    assert_int_equal(crash.notes[1].len, 6);
    assert_int_equal(crash.notes[1].level, 3);
    assert_true(crash.code_address == 0x400000 && crash.code_len == 16);
    assert_true(crash.stack_address == 0x7ffff000 && crash.stack_len == 16);
    assert_true(crash.handler_ns == 12345);
    assert_int_equal(crash.n_nested, 1);
    assert_int_equal(crash.end_flags, TB_CRASH_STACK_CUT);
    assert_int_equal(crash.is_cut, 0);
    tb_crash_done(&crash);
    tb_crash_done(&crash);
    tb_crash_done(NULL);
}

static void the_bytes_are_those_of_the_golden_file(void **state)
{
    (void)state;
    static struct record r;
    struct tb_buf golden;
    make_record(&r);
    tb_buf_init(&golden, ROOM);
    assert_int_equal(tb_fd_slurp(-1, TEST_DATA "/record/crash.bin", &golden), 0);
    assert_int_equal(r.len, golden.len);
    assert_memory_equal(r.bytes, golden.data, r.len);
    tb_buf_done(&golden);
}

static void a_cut_at_any_byte_keeps_the_prefix(void **state)
{
    (void)state;
    static struct record r;
    size_t n_frames = 0;
    size_t stack_len = 0;
    make_record(&r);
    for (size_t cut = 0; cut < r.len; cut++) {
        uint8_t *part = malloc(cut > 0 ? cut : 1);
        struct tb_crash crash;
        assert_non_null(part);
        memcpy(part, r.bytes, cut);
        int err = tb_crash_unpack(part, cut, &crash);
        assert_int_equal(err, cut < 8 + TB_CRASH_FIXED_BYTES ? -EBADMSG : 0);
        if (err == 0) {
            assert_int_equal(crash.fixed.signo, SIGSEGV);
            assert_int_equal(crash.is_cut, 1);
            assert_true(crash.n_frames >= n_frames && crash.n_frames <= 3);
            assert_true(crash.scope_len == 0 || crash.scope[crash.scope_len - 1] == '\0');
            assert_true(crash.stack_len >= stack_len);
            n_frames = crash.n_frames;
            stack_len = crash.stack_len;
            tb_crash_done(&crash);
        }
        free(part);
    }
    assert_int_equal(n_frames, 3);
    assert_int_equal(stack_len, 16);
}

static void a_scope_keeps_only_whole_pairs(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len, want;
    } rows[] = {{"a\0b\0c\0d", 7, 4}, {"a\0b\0c", 5, 4}, {"a\0b\0c\0", 6, 4}, {"a", 1, 0},
                {"a\0", 2, 0},        {"", 0, 0},        {"\0\0", 2, 2}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct record r;
        struct tb_crash crash;
        r.len = 0;
        add_fixed(&r);
        add(&r, TB_CRASH_SCOPE, rows[i].bytes, rows[i].len);
        assert_int_equal(tb_crash_unpack(r.bytes, r.len, &crash), 0);
        assert_int_equal(crash.scope_len, rows[i].want);
        assert_int_equal(crash.scope != NULL, rows[i].want > 0);
        tb_crash_done(&crash);
    }
}

static void more_notes_and_frames_than_the_cap_are_left_out(void **state)
{
    (void)state;
    enum { BYTES = 64 << 10, FRAMES_BYTES = 600 * 24 };
    uint8_t *bytes = calloc(1, BYTES);
    static struct record r;
    struct tb_crash crash;
    assert_non_null(bytes);
    r.len = 0;
    add_fixed(&r);
    memcpy(bytes, r.bytes, r.len);
    size_t len = r.len;
    tb_chunk_header(TB_CRASH_FRAMES, FRAMES_BYTES, bytes + len);
    len += tb_chunk_room(FRAMES_BYTES);
    for (int i = 0; i < 300; i++) {
        tb_chunk_header(TB_CRASH_NOTE, 16, bytes + len);
        len += tb_chunk_room(16);
    }
    assert_int_equal(tb_crash_unpack(bytes, len, &crash), 0);
    assert_int_equal(crash.n_frames, TB_CRASH_FRAMES_MAX);
    assert_int_equal(crash.n_notes, TB_CRASH_NOTES_MAX);
    tb_crash_done(&crash);
    free(bytes);
}

static void add_outer(struct record *r, uint64_t depth, size_t n)
{
    static uint8_t bytes[8 + 100 * 24];
    assert_true(n <= 100);
    tb_put64(bytes, depth);
    for (size_t i = 0; i < 3 * n; i++)
        tb_put64(bytes + 8 + 8 * i, i % 3 == 2 ? 1 : 1000 * i);
    add(r, TB_CRASH_OUTER, bytes, 8 + 24 * n);
}

static void the_outer_end_of_a_deep_stack_comes_back(void **state)
{
    (void)state;
    static struct record r;
    struct tb_crash crash;
    r.len = 0;
    add_fixed(&r);
    add_outer(&r, 100000, 70);
    add_outer(&r, 7, 1); /* once is enough */
    assert_int_equal(tb_crash_unpack(r.bytes, r.len, &crash), 0);
    assert_int_equal(crash.n_outer, TB_CRASH_OUTER_MAX);
    assert_int_equal(crash.depth, 100000);
    assert_int_equal(crash.outer[0].ip, 0);
    assert_int_equal(crash.outer[63].ip, 3000 * 63);
    assert_int_equal(crash.outer[63].sp, 3000 * 63 + 1000);
    assert_int_equal(crash.outer[63].trust, 1);
    tb_crash_done(&crash);
    r.len = 0;
    add_fixed(&r);
    size_t at = r.len;
    add_outer(&r, UINT64_MAX, 9);
    for (size_t len = at; len < r.len; len++) { /* cut anywhere, the outermost are there */
        size_t n = len < at + 16 ? 0 : (len - at - 16) / 24;
        assert_int_equal(tb_crash_unpack(r.bytes, len, &crash), 0);
        assert_int_equal(crash.n_outer, n);
        assert_int_equal(crash.depth, len < at + 16 ? 0 : UINT32_MAX);
        tb_crash_done(&crash);
    }
}

static void what_is_repeated_counts_once(void **state)
{
    (void)state;
    static struct record r;
    struct tb_crash crash;
    make_record(&r);
    struct record *twice = calloc(1, sizeof(*twice));
    assert_non_null(twice);
    memcpy(twice->bytes, r.bytes, r.len);
    memcpy(twice->bytes + r.len, r.bytes, r.len);
    assert_int_equal(tb_crash_unpack(twice->bytes, 2 * r.len, &crash), 0);
    assert_int_equal(crash.n_frames, 3);
    assert_int_equal(crash.n_notes, 4); /* but notes are many by nature */
    assert_true((const uint8_t *)crash.abort_text < twice->bytes + r.len);
    assert_true(crash.stack < twice->bytes + r.len);
    tb_crash_done(&crash);
    free(twice);
}

static void add_thread(struct record *r, uint32_t tid, size_t stack_len)
{
    static uint8_t bytes[TB_CRASH_THREAD_BYTES + 64];
    struct tb_crash_thread thread = {
        .tid = tid, .flags = TB_CRASH_STACK_CUT, .name = "pool", .stack_address = 0x7f0000};
    for (size_t i = 0; i < TB_CRASH_N_REGS; i++)
        thread.regs[i] = 1000 * tid + i;
    tb_crash_thread_pack(&thread, bytes);
    memset(bytes + TB_CRASH_THREAD_BYTES, (int)tid, 64);
    add(r, TB_CRASH_THREAD, bytes, TB_CRASH_THREAD_BYTES + stack_len);
}

static void the_other_threads_come_back_in_order(void **state)
{
    (void)state;
    static struct record r;
    struct tb_crash crash;
    uint8_t about[TB_CRASH_THREADS_BYTES];
    const struct tb_crash_threads threads = {3, 2, -EPERM, 77};
    r.len = 0;
    add_fixed(&r);
    tb_crash_threads_pack(&threads, about);
    add(&r, TB_CRASH_THREADS, about, sizeof(about));
    add_thread(&r, 5, 64);
    add_thread(&r, 6, 0);
    assert_int_equal(tb_crash_unpack(r.bytes, r.len, &crash), 0);
    assert_int_equal(crash.n_threads, 2);
    assert_int_equal(crash.threads[0].tid, 5);
    assert_int_equal(crash.threads[0].flags, TB_CRASH_STACK_CUT);
    assert_string_equal(crash.threads[0].name, "pool");
    assert_true(crash.threads[0].regs[0] == 5000 && crash.threads[1].regs[22] == 6022);
    assert_true(crash.threads[0].stack_address == 0x7f0000);
    assert_int_equal(crash.threads[0].stack_len, 64);
    assert_int_equal(crash.threads[0].stack[63], 5);
    assert_int_equal(crash.threads[1].stack_len, 0);
    assert_int_equal(crash.about_threads.n_there, 3);
    assert_int_equal(crash.about_threads.n_captured, 2);
    assert_int_equal(crash.about_threads.err, -EPERM);
    assert_true(crash.about_threads.stopped_ns == 77);
    tb_crash_done(&crash);
    r.bytes[r.len - tb_chunk_room(TB_CRASH_THREAD_BYTES) + 4]--; /* one byte too short */
    assert_int_equal(tb_crash_unpack(r.bytes, r.len, &crash), 0);
    assert_int_equal(crash.n_threads, 1);
    tb_crash_done(&crash);
}

static void a_thread_name_without_an_end_gets_one(void **state)
{
    (void)state;
    static struct record r;
    struct tb_crash crash;
    r.len = 0;
    add_fixed(&r);
    memset(r.bytes + 8 + TB_CRASH_FIXED_BYTES - 16, 'x', 16);
    assert_int_equal(tb_crash_unpack(r.bytes, r.len, &crash), 0);
    assert_string_equal(crash.fixed.thread_name, "xxxxxxxxxxxxxxx");
    tb_crash_done(&crash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fixed_chunk_comes_back_whole),
        cmocka_unit_test(every_chunk_is_read),
        cmocka_unit_test(the_bytes_are_those_of_the_golden_file),
        cmocka_unit_test(a_cut_at_any_byte_keeps_the_prefix),
        cmocka_unit_test(a_scope_keeps_only_whole_pairs),
        cmocka_unit_test(more_notes_and_frames_than_the_cap_are_left_out),
        cmocka_unit_test(the_outer_end_of_a_deep_stack_comes_back),
        cmocka_unit_test(what_is_repeated_counts_once),
        cmocka_unit_test(the_other_threads_come_back_in_order),
        cmocka_unit_test(a_thread_name_without_an_end_gets_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
