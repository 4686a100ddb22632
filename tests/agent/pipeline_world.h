/* pipeline_world.h - from a real spool into a real database: producers, and what came of what they
 * wrote. The program that includes it is also the symbolizer that is started: is_symbolizer. */
#ifndef TB_TESTS_AGENT_PIPELINE_WORLD_H
#define TB_TESTS_AGENT_PIPELINE_WORLD_H

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>

#include "../support/folder.h"
#include "agent/meaning/signals.h"
#include "agent/pipeline/pipeline.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/pack.h"
#include "item/write.h"
#include "record/crash.h"
#include "record/process.h"
#include "spool/slot.h"
#include "spool/writer.h"
#include "symbol/worker.h"

struct fixture {
    struct tb_config config;
    struct tb_spool *spool;
    struct tb_store *store;
    struct tb_symbolizer *symbolizer;
    struct tb_pipeline *pipeline;
    int in_fd;
    int n_stored_calls;
    int deadline_ms; /* of the symbolizer; 0: its own */
    unsigned patience_ms;
};

static inline void count_call(void *arg)
{
    struct fixture *f = arg;
    f->n_stored_calls++;
}

static inline void open_pipeline(struct fixture *f, const char *worker)
{
    char why[TB_SPOOL_WHY];
    const struct tb_symbolizer_options symbolizer = {
        .program = worker, .config = &f->config, .deadline_ms = f->deadline_ms};
    assert_int_equal(tb_spool_open(in_folder("spool"), TB_SPOOL_CREATE, &f->spool, why), 0);
    assert_int_equal(tb_store_open(in_folder("state"), TB_STORE_WRITE, &f->store, why), 0);
    assert_int_equal(tb_symbolizer_new(&symbolizer, &f->symbolizer), 0);
    const struct tb_pipeline_options options = {.config = &f->config,
                                                .spool = f->spool,
                                                .store = f->store,
                                                .symbolizer = f->symbolizer,
                                                .patience_ms = f->patience_ms,
                                                .stored = count_call,
                                                .arg = f};
    assert_int_equal(tb_pipeline_new(&options, &f->pipeline), 0);
}

static inline void close_pipeline(struct fixture *f)
{
    tb_pipeline_free(f->pipeline);
    tb_symbolizer_free(f->symbolizer);
    tb_store_close(f->store);
    tb_spool_close(f->spool);
}

static inline int begin(void **state)
{
    static const char *const flags[] = {"ROLLBAR_ACCESS_TOKEN", "ROLLBAR_ENVIRONMENT"};
    static struct fixture f;
    char why[TB_CONFIG_WHY];
    memset(&f, 0, sizeof(f));
    for (size_t i = 0; i < 2; i++)
        unsetenv(flags[i]);
    if (make_test_folder(state) != 0)
        return -1;
    const struct tb_config_flags config = {.file = put_file("towbard.yaml", "environment: test\n")};
    if (tb_config_load(&config, &f.config, why) != 0)
        return -1;
    open_pipeline(&f, NULL);
    f.in_fd = tb_spool_dir_open(in_folder("spool"), 0, why);
    *state = &f;
    return f.in_fd < 0;
}

static inline int end(void **state)
{
    struct fixture *f = *state;
    close_pipeline(f);
    tb_fd_close(&f->in_fd);
    tb_config_done(&f->config);
    return remove_test_folder(state);
}

static inline void append(struct fixture *f, struct tb_writer *writer, int kind, const char *text)
{
    uint8_t uuid[16];
    (void)f;
    tb_id_uuid(uuid);
    const struct tb_append record = {.kind = kind,
                                     .uuid = uuid,
                                     .time_ns = tb_clock_wall_ns(),
                                     .data = text,
                                     .len = strlen(text)};
    assert_int_equal(tb_writer_append(writer, &record), 0);
}

static inline void spool_items(struct fixture *f, const char *const *texts, size_t n)
{
    struct tb_writer writer;
    tb_writer_init(&writer, TB_CLASS_ERROR, f->in_fd);
    for (size_t i = 0; i < n; i++)
        append(f, &writer, TB_KIND_ITEM, texts[i]);
    tb_writer_close(&writer);
}

#define MESSAGE(uuid, text)                                                                        \
    "{\"data\":{\"uuid\":\"" uuid "\",\"environment\":\"prod\",\"level\":\"error\",\"body\":{"     \
    "\"message\":{\"body\":\"" text "\"}}}}"

static const char *module_path = "/nowhere/feedd";

static inline size_t pack_process(uint8_t *mem, size_t cap)
{
    struct tb_module modules[] = {{.lo = 0x400000,
                                   .hi = 0x500000,
                                   .bias = 0x400000,
                                   .flags = TB_MODULE_MAIN,
                                   .path = module_path}};
    const struct tb_process process = {.generation = 1,
                                       .pid = 77,
                                       .exe = "/nowhere/feedd",
                                       .host = "web-1",
                                       .service = "feedd",
                                       .environment = "staging",
                                       .version = "1.2.3",
                                       .root = "",
                                       .modules = modules,
                                       .n_modules = 1};
    return tb_process_pack(&process, mem, cap);
}

static inline void put_chunk(struct tb_slot *slot, uint16_t tag, const void *data, size_t len)
{
    static const uint8_t zeros[8];
    uint8_t head[TB_CHUNK_HEADER_BYTES];
    tb_chunk_header(tag, len, head);
    assert_int_equal(tb_slot_write(slot, head, sizeof(head)), 0);
    assert_int_equal(tb_slot_write(slot, data, len), 0);
    assert_int_equal(tb_slot_write(slot, zeros, (8 - len % 8) % 8), 0);
}

/* A process that died: its slot, complete, its lock gone. */
static inline void spool_crash_with(struct fixture *f, uint32_t n_threads)
{
    struct tb_slot slot;
    uint8_t mem[4096];
    uint8_t uuid[16];
    uint8_t boot[16] = {0};
    struct tb_crash_fixed fixed = {.signo = SIGSEGV,
                                   .code = SEGV_MAPERR,
                                   .pid = 77,
                                   .tid = 77,
                                   .fault_address = 0x18,
                                   .wall_ns = 1700000002987000000,
                                   .generation = 1,
                                   .trap = 14,
                                   .trap_err = 4};
    fixed.regs[TB_RIP] = 0x401234;
    memset(&slot, 0, sizeof(slot));
    assert_int_equal(tb_slot_open(&slot, f->in_fd, boot, 1), 0);
    assert_int_equal(tb_slot_context(&slot, 1, mem, pack_process(mem, sizeof(mem))), 0);
    tb_slot_state(&slot, TB_SLOT_WRITING, 77);
    tb_id_uuid(uuid);
    tb_slot_begin(&slot, uuid, fixed.wall_ns);
    tb_crash_fixed_pack(&fixed, mem);
    put_chunk(&slot, TB_CRASH_FIXED, mem, TB_CRASH_FIXED_BYTES);
    for (uint32_t i = 0; i < n_threads; i++) {
        tb_crash_thread_pack(&(struct tb_crash_thread){.tid = 100 + i, .name = "idle"}, mem);
        put_chunk(&slot, TB_CRASH_THREAD, mem, TB_CRASH_THREAD_BYTES);
    }
    memset(mem, 0, 16);
    put_chunk(&slot, TB_CRASH_END, mem, 16);
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_COMPLETE, 77);
    tb_slot_close(&slot, 0);
}

static inline void spool_crash(struct fixture *f)
{
    spool_crash_with(f, 0);
}

static inline void spool_report(struct fixture *f, const char *message)
{
    static const uint64_t addresses[] = {0x401010, 0x402020};
    char item[8192];
    uint8_t process[4096];
    uint8_t uuid[16];
    struct tb_writer writer;
    struct tb_append record = {.kind = TB_KIND_NATIVE,
                               .uuid = uuid,
                               .time_ns = tb_clock_wall_ns(),
                               .data = item,
                               .context = process,
                               .context_len = pack_process(process, sizeof(process)),
                               .generation = 1};
    tb_id_uuid(uuid);
    const struct tb_item_facts facts = {.uuid = uuid,
                                        .wall_ns = record.time_ns,
                                        .level = 3,
                                        .class_ = "error",
                                        .message = message,
                                        .format = "%s",
                                        .addresses = addresses,
                                        .n_addresses = 2,
                                        .generation = 1,
                                        .pid = 77};
    assert_int_equal(tb_item_write(&facts, item, sizeof(item), &record.len), 0);
    tb_writer_init(&writer, TB_CLASS_ERROR, f->in_fd);
    assert_int_equal(tb_writer_append(&writer, &record), 0);
    tb_writer_close(&writer);
}

struct found {
    int n;
    char titles[8][128];
    char data[16384];
    size_t longest; /* data */
};

static inline int find(void *arg, const struct tb_occurrence_row *row)
{
    struct found *found = arg;
    if (found->n < 8)
        snprintf(found->titles[found->n], sizeof(found->titles[0]), "%s", row->title);
    snprintf(found->data, sizeof(found->data), "%.*s", (int)row->data_len, row->data);
    if (row->data_len > found->longest)
        found->longest = row->data_len;
    found->n++;
    return 0;
}

static inline void occurrences(struct fixture *f, struct found *out)
{
    const struct tb_occurrence_filter filter = {.max = 1000};
    memset(out, 0, sizeof(*out));
    assert_int_equal(tb_store_occurrences(f->store, &filter, find, out), 0);
}

static inline unsigned files_in(const char *name)
{
    char command[600];
    unsigned n = 0;
    snprintf(command, sizeof(command), "%s", in_folder(name));
    int fd = open(command, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    DIR *folder = fdopendir(fd);
    assert_non_null(folder);
    for (const struct dirent *e = readdir(folder); e != NULL; e = readdir(folder))
        n += e->d_name[0] != '.';
    closedir(folder);
    return n;
}

static inline void drain(struct fixture *f)
{
    while (tb_pipeline_batch(f->pipeline) > 0)
        ;
}

static inline int64_t counter(const char *name)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(in_folder("state/towbar.db"), &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT value FROM counters WHERE name = ?", -1, &stmt, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC), SQLITE_OK);
    int64_t value = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return value;
}

/* All at one moment, so that they are of one window. */
static inline void spool_storm(struct fixture *f, int class_, int n)
{
    struct tb_writer writer;
    tb_writer_init(&writer, class_, f->in_fd);
    for (int i = 0; i < n; i++) {
        char text[256];
        uint8_t uuid[16];
        snprintf(text, sizeof(text), MESSAGE("storm-%d", "the same"), i);
        tb_id_uuid(uuid);
        const struct tb_append record = {.kind = TB_KIND_ITEM,
                                         .uuid = uuid,
                                         .time_ns = UINT64_C(1700000000) * TB_NS_PER_S,
                                         .data = text,
                                         .len = strlen(text)};
        assert_int_equal(tb_writer_append(&writer, &record), 0);
    }
    tb_writer_close(&writer);
}

/* For the first lines of main: is this the symbolizer that a test has started? */
static inline bool is_symbolizer(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "--symbol-worker") == 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
