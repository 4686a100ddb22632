#include "record/crash_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROOM = 16 << 10 };

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

static void begin(struct record *r)
{
    static const struct tb_crash_fixed fixed = {.signo = 6};
    uint8_t packed[TB_CRASH_FIXED_BYTES];
    memset(r, 0, sizeof(*r));
    tb_crash_fixed_pack(&fixed, packed);
    add(r, TB_CRASH_FIXED, packed, sizeof(packed));
}

static void add_unloaded(struct record *r, uint64_t lo, uint64_t hi, const char *path)
{
    uint8_t bytes[TB_CRASH_UNLOADED_BYTES + 64];
    tb_crash_unloaded_pack(lo, hi, bytes);
    memcpy(bytes + TB_CRASH_UNLOADED_BYTES, path, strlen(path));
    add(r, TB_CRASH_UNLOADED, bytes, TB_CRASH_UNLOADED_BYTES + strlen(path));
}

static void add_mapping(struct record *r, uint64_t lo, uint64_t hi, uint32_t rights,
                        const char *path)
{
    const struct tb_crash_mapping mapping = {
        .lo = lo, .hi = hi, .rights = rights, .offset = 0x123456789000};
    uint8_t bytes[TB_CRASH_MAPPING_BYTES + 64];
    tb_crash_mapping_pack(&mapping, bytes);
    memcpy(bytes + TB_CRASH_MAPPING_BYTES, path, strlen(path));
    add(r, TB_CRASH_MAPPING, bytes, TB_CRASH_MAPPING_BYTES + strlen(path));
}

/* In memory of exactly that size, so that a sanitizer sees a step over its end. */
static void unpack(const struct record *r, size_t len, uint8_t **room, struct tb_crash *out)
{
    *room = malloc(len);
    assert_non_null(*room);
    memcpy(*room, r->bytes, len);
    assert_int_equal(tb_crash_unpack(*room, len, out), 0);
}

static void an_exception_comes_back_with_or_without_its_text(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *type, *what;
    } rows[] = {
        {"St13runtime_error\0boom", 22, "St13runtime_error", "boom"},
        {"St13runtime_error\0boom\0rest", 27, "St13runtime_error", "boom"},
        {"i\0", 2, "i", NULL},
        {"i\0\0", 3, "i", NULL},
        {"i", 1, NULL, NULL}, /* without an end */
        {"\0text", 5, NULL, NULL},
        {"", 0, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct record r;
        struct tb_crash crash;
        uint8_t *room;
        begin(&r);
        add(&r, TB_CRASH_EXCEPTION, rows[i].bytes, rows[i].len);
        unpack(&r, r.len, &room, &crash);
        assert_int_equal(crash.exception_type != NULL, rows[i].type != NULL);
        assert_int_equal(crash.exception_what != NULL, rows[i].what != NULL);
        if (rows[i].type)
            assert_string_equal(crash.exception_type, rows[i].type);
        assert_int_equal(crash.exception_what_len, rows[i].what ? strlen(rows[i].what) : 0);
        if (rows[i].what)
            assert_memory_equal(crash.exception_what, rows[i].what, crash.exception_what_len);
        tb_crash_done(&crash);
        free(room);
    }
}

static void the_first_exception_counts(void **state)
{
    (void)state;
    static struct record r;
    struct tb_crash crash;
    begin(&r);
    add(&r, TB_CRASH_EXCEPTION, "i\0one", 5);
    add(&r, TB_CRASH_EXCEPTION, "d\0two", 5);
    assert_int_equal(tb_crash_unpack(r.bytes, r.len, &crash), 0);
    assert_string_equal(crash.exception_type, "i");
    assert_memory_equal(crash.exception_what, "one", 3);
    tb_crash_done(&crash);
}

static void a_type_or_text_of_any_length_is_held_to_its_cap(void **state)
{
    (void)state;
    static struct record r;
    static char bytes[4096];
    struct tb_crash crash;
    begin(&r);
    memset(bytes, 'x', sizeof(bytes));
    bytes[TB_CRASH_TYPE_MAX] = '\0';
    add(&r, TB_CRASH_EXCEPTION, bytes, sizeof(bytes));
    assert_int_equal(tb_crash_unpack(r.bytes, r.len, &crash), 0);
    assert_int_equal(strlen(crash.exception_type), TB_CRASH_TYPE_MAX);
    assert_int_equal(crash.exception_what_len, TB_CRASH_WHAT_MAX);
    tb_crash_done(&crash);
    begin(&r);
    bytes[TB_CRASH_TYPE_MAX] = 'x';
    bytes[TB_CRASH_TYPE_MAX + 1] = '\0';
    add(&r, TB_CRASH_EXCEPTION, bytes, sizeof(bytes));
    assert_int_equal(tb_crash_unpack(r.bytes, r.len, &crash), 0);
    assert_null(crash.exception_type);
    tb_crash_done(&crash);
}

static void unloaded_libraries_come_back_in_their_order(void **state)
{
    (void)state;
    static struct record r;
    struct tb_crash crash;
    begin(&r);
    add_unloaded(&r, 0x9000, 0xa000, "/usr/lib/late.so");
    add_unloaded(&r, 0x1000, 0x1000, "/no/bytes.so");
    add_unloaded(&r, 0x1000, 0x2000, ""); /* no name */
    add_unloaded(&r, 0x3000, 0x2000, "/turned.so");
    add_unloaded(&r, 0x1000, 0x2000, "/usr/lib/early.so");
    assert_int_equal(tb_crash_unpack(r.bytes, r.len, &crash), 0);
    assert_int_equal(crash.n_unloaded, 2);
    assert_true(crash.unloaded[0].lo == 0x9000 && crash.unloaded[0].hi == 0xa000);
    assert_int_equal(crash.unloaded[0].len, 16);
    assert_memory_equal(crash.unloaded[0].path, "/usr/lib/late.so", 16);
    assert_memory_equal(crash.unloaded[1].path, "/usr/lib/early.so", 17);
    tb_crash_done(&crash);
}

static void mappings_come_back_by_address(void **state)
{
    (void)state;
    static struct record r;
    struct tb_crash crash;
    begin(&r);
    add_mapping(&r, 0x9000, 0xa000, TB_MAPPING_READ | TB_MAPPING_SHARED, "/var/lib/data.db");
    add_mapping(&r, 0x5000, 0x5000, 1, "/no/bytes");
    add_mapping(&r, 0x1000, 0x2000, UINT32_MAX, "");
    add_mapping(&r, 0x4000, 0x5000, 0, "[stack]");
    assert_int_equal(tb_crash_unpack(r.bytes, r.len, &crash), 0);
    assert_int_equal(crash.n_mappings, 3);
    assert_true(crash.mappings[0].lo == 0x1000 && crash.mappings[0].hi == 0x2000);
    assert_int_equal(crash.mappings[0].rights, 15);
    assert_int_equal(crash.mappings[0].len, 0);
    assert_true(crash.mappings[1].lo == 0x4000 && crash.mappings[1].rights == 0);
    assert_true(crash.mappings[2].offset == 0x123456789000);
    assert_int_equal(crash.mappings[2].rights, TB_MAPPING_READ | TB_MAPPING_SHARED);
    assert_memory_equal(crash.mappings[2].path, "/var/lib/data.db", 16);
    assert_int_equal(crash.mappings[2].len, 16);
    tb_crash_done(&crash);
}

static void more_than_the_caps_are_left_out(void **state)
{
    (void)state;
    static struct record r;
    struct tb_crash crash;
    begin(&r);
    for (uint64_t i = 1; i <= 20; i++) {
        add_unloaded(&r, i << 12, (i + 1) << 12, "x");
        add_mapping(&r, i << 12, (i + 1) << 12, 1, "x");
    }
    assert_int_equal(tb_crash_unpack(r.bytes, r.len, &crash), 0);
    assert_int_equal(crash.n_unloaded, TB_CRASH_UNLOADED_MAX);
    assert_true(crash.unloaded[15].lo == 16 << 12);
    assert_int_equal(crash.n_mappings, TB_CRASH_MAPPINGS_MAX);
    assert_true(crash.mappings[2].lo == 3 << 12);
    tb_crash_done(&crash);
}

static void a_cut_at_any_byte_keeps_the_prefix(void **state)
{
    (void)state;
    static struct record r;
    begin(&r);
    size_t at = r.len;
    add(&r, TB_CRASH_EXCEPTION, "St9bad_alloc\0std::bad_alloc", 27);
    add_unloaded(&r, 0x1000, 0x2000, "/lib/plugin.so");
    add_mapping(&r, 0x1000, 0x2000, 3, "/lib/plugin.so");
    size_t n_seen = 0;
    for (size_t cut = at; cut <= r.len; cut++) {
        struct tb_crash crash;
        uint8_t *room;
        unpack(&r, cut, &room, &crash);
        size_t n = (crash.exception_type != NULL) + crash.exception_what_len + crash.n_unloaded +
                   crash.n_mappings;
        assert_true(n >= n_seen);
        assert_true(crash.n_unloaded == 0 || crash.unloaded[0].len > 0);
        n_seen = n;
        tb_crash_done(&crash);
        free(room);
    }
    assert_int_equal(n_seen, 1 + 14 + 1 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exception_comes_back_with_or_without_its_text),
        cmocka_unit_test(the_first_exception_counts),
        cmocka_unit_test(a_type_or_text_of_any_length_is_held_to_its_cap),
        cmocka_unit_test(unloaded_libraries_come_back_in_their_order),
        cmocka_unit_test(mappings_come_back_by_address),
        cmocka_unit_test(more_than_the_caps_are_left_out),
        cmocka_unit_test(a_cut_at_any_byte_keeps_the_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
