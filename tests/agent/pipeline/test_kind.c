/* Records of one bug are of one kind, without symbols: spool-format.md 9. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../support/folder.h"
#include "agent/pipeline/kind.h"
#include "base/fd.h"
#include "base/id.h"
#include "record/chunk.h"
#include "record/crash.h"
#include "spool/dir.h"
#include "spool/writer.h"

/* ---- items ---- */

static uint64_t kind_of_text(int kind, const char *json)
{
    struct tb_kinds kinds;
    const struct tb_spool_record record = {
        .kind = kind, .data = (const uint8_t *)json, .len = strlen(json)};
    tb_kinds_init(&kinds, NULL);
    uint64_t hash = tb_kind_of(&kinds, &record);
    tb_kinds_done(&kinds);
    return hash;
}

#define MESSAGE(text) "{\"data\":{\"body\":{\"message\":{\"body\":\"" text "\"}}}}"
#define TRACE(class, text, frames)                                                                 \
    "{\"data\":{\"body\":{\"trace\":{\"exception\":{\"class\":\"" class "\",\"message\":\"" text   \
                                                                        "\"},\"frames\":[" frames  \
                                                                        "]}}}}"
#define FRAME(file, line) "{\"filename\":\"" file "\",\"lineno\":" #line "}"
#define OUTER FRAME("main.py", 1) "," FRAME("app.py", 2) "," FRAME("view.py", 3) ","

static void items_are_told_apart_as_the_table_says(void **state)
{
    static const struct {
        const char *a, *b;
        int is_same;
    } pairs[] = {
        {MESSAGE("user 17 is gone"), MESSAGE("user 4711 is gone"), 1},
        {MESSAGE("user 17 is gone"), MESSAGE("user 17 is here"), 0},
        {TRACE("E", "one", OUTER FRAME("x.py", 9)), TRACE("E", "two", OUTER FRAME("x.py", 9)), 1},
        {TRACE("E", "one", OUTER FRAME("x.py", 9)), TRACE("F", "one", OUTER FRAME("x.py", 9)), 0},
        {TRACE("E", "one", OUTER FRAME("x.py", 9)), TRACE("E", "one", OUTER FRAME("x.py", 8)), 0},
        {TRACE("E", "one", OUTER FRAME("x.py", 9)),
         TRACE("E", "one", FRAME("other.py", 7) "," OUTER FRAME("x.py", 9)), 1},
        {"{\"data\":{\"fingerprint\":\"f\",\"body\":{\"message\":{\"body\":\"a\"}}}}",
         "{\"data\":{\"fingerprint\":\"f\",\"body\":{\"message\":{\"body\":\"b\"}}}}", 1},
        {"no json", "none either", 1},
        {"no json", MESSAGE("a"), 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        int is_same =
            kind_of_text(TB_KIND_ITEM, pairs[i].a) == kind_of_text(TB_KIND_ITEM, pairs[i].b);
        if (is_same != pairs[i].is_same)
            print_error("%s\n%s\n", pairs[i].a, pairs[i].b);
        assert_int_equal(is_same, pairs[i].is_same);
    }
    assert_int_not_equal(kind_of_text(TB_KIND_ITEM, "x"), kind_of_text(TB_KIND_DROPCOUNT, "x"));
}

/* ---- native records, out of a real spool: where the program was loaded does not matter ---- */

struct spool_fixture {
    struct tb_spool *spool;
    int in_fd;
};

static void open_spool(struct spool_fixture *f)
{
    char why[TB_SPOOL_WHY];
    assert_int_equal(tb_spool_open(in_folder("spool"), TB_SPOOL_CREATE, &f->spool, why), 0);
    f->in_fd = tb_spool_dir_open(in_folder("spool"), 0, why);
    assert_true(f->in_fd >= 0);
}

/* Writes the record as a process that was loaded at base, and tells its kind. */
static uint64_t kind_at(struct spool_fixture *f, uint64_t base, int kind, const void *data,
                        size_t len)
{
    struct tb_module modules[] = {{.lo = base,
                                   .hi = base + 0x100000,
                                   .bias = base,
                                   .flags = TB_MODULE_MAIN,
                                   .path = "/srv/feedd"}};
    const struct tb_process process = {.generation = 5,
                                       .exe = "/srv/feedd",
                                       .host = "",
                                       .service = "",
                                       .environment = "",
                                       .version = "",
                                       .root = "",
                                       .modules = modules,
                                       .n_modules = 1};
    static uint8_t packed[4096];
    uint8_t uuid[16];
    struct tb_writer writer;
    struct tb_kinds kinds;
    struct tb_spool_record record;
    tb_id_uuid(uuid);
    const struct tb_append append = {.kind = kind,
                                     .uuid = uuid,
                                     .data = data,
                                     .len = len,
                                     .context = packed,
                                     .context_len = tb_process_pack(&process, packed, 4096),
                                     .generation = 5};
    tb_writer_init(&writer, TB_CLASS_ERROR, f->in_fd);
    assert_int_equal(tb_writer_append(&writer, &append), 0);
    tb_writer_close(&writer);
    assert_int_equal(tb_spool_next(f->spool, &record), 0);
    tb_kinds_init(&kinds, f->spool);
    uint64_t hash = tb_kind_of(&kinds, &record);
    assert_int_equal(tb_kind_of(&kinds, &record), hash); /* from what it remembers */
    tb_kinds_done(&kinds);
    tb_spool_ack(f->spool, record.file_id, record.off8, TB_ACK_STORED);
    return hash;
}

static uint64_t crash_at(struct spool_fixture *f, uint64_t base, int signo, uint64_t place)
{
    uint8_t bytes[1024] = {0};
    struct tb_crash_fixed fixed = {.signo = signo, .generation = 5};
    uint64_t frames[] = {base + place, 0, 0, base + 0x5000, 0, 0};
    size_t len = 0;
    tb_chunk_header(TB_CRASH_FIXED, TB_CRASH_FIXED_BYTES, bytes);
    tb_crash_fixed_pack(&fixed, bytes + TB_CHUNK_HEADER_BYTES);
    len += tb_chunk_room(TB_CRASH_FIXED_BYTES);
    tb_chunk_header(TB_CRASH_FRAMES, sizeof(frames), bytes + len);
    memcpy(bytes + len + TB_CHUNK_HEADER_BYTES, frames, sizeof(frames));
    len += tb_chunk_room(sizeof(frames));
    return kind_at(f, base, TB_KIND_CRASH, bytes, len);
}

static uint64_t report_at(struct spool_fixture *f, uint64_t base, uint64_t place)
{
    char json[512];
    int len = snprintf(json, sizeof(json),
                       "{\"data\":{\"custom\":{\"native\":{\"generation\":\"0x5\"}},\"body\":{"
                       "\"trace\":{\"exception\":{\"class\":\"error\",\"message\":\"at %llu\"},"
                       "\"frames\":[{\"address\":\"0x%llx\"},{\"address\":\"0x%llx\"}]}}}}",
                       (unsigned long long)base, (unsigned long long)base + 0x5000,
                       (unsigned long long)(base + place));
    return kind_at(f, base, TB_KIND_NATIVE, json, (size_t)len);
}

static void native_records_are_of_one_kind_wherever_the_program_was_loaded(void **state)
{
    struct spool_fixture f;
    uint64_t low = 0x555500000000;
    uint64_t high = 0x7fff12340000;
    (void)state;
    open_spool(&f);
    uint64_t crash = crash_at(&f, low, SIGSEGV, 0x1234);
    assert_int_equal(crash_at(&f, high, SIGSEGV, 0x1234), crash);
    assert_int_not_equal(crash_at(&f, high, SIGABRT, 0x1234), crash);
    assert_int_not_equal(crash_at(&f, high, SIGSEGV, 0x1334), crash);
    uint64_t report = report_at(&f, low, 0x1234);
    assert_int_equal(report_at(&f, high, 0x1234), report);
    assert_int_not_equal(report_at(&f, high, 0x1334), report);
    tb_spool_close(f.spool);
    tb_fd_close(&f.in_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_told_apart_as_the_table_says),
        cmocka_unit_test_setup_teardown(
            native_records_are_of_one_kind_wherever_the_program_was_loaded, make_test_folder,
            remove_test_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
