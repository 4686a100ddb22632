/* From a real spool into a real database; this program is also the symbolizer that is started. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "agent/meaning/signals.h"
#include "agent/pipeline/pipeline.h"
#include "agent/deaths/proc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/pack.h"
#include "../support/folder.h"
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

static void count_call(void *arg)
{
    struct fixture *f = arg;
    f->n_stored_calls++;
}

static void open_pipeline(struct fixture *f, const char *worker)
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

static void close_pipeline(struct fixture *f)
{
    tb_pipeline_free(f->pipeline);
    tb_symbolizer_free(f->symbolizer);
    tb_store_close(f->store);
    tb_spool_close(f->spool);
}

static int begin(void **state)
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

static int end(void **state)
{
    struct fixture *f = *state;
    close_pipeline(f);
    tb_fd_close(&f->in_fd);
    tb_config_done(&f->config);
    return remove_test_folder(state);
}

/* ---- producers ---- */

static void append(struct fixture *f, struct tb_writer *writer, int kind, const char *text)
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

static void spool_items(struct fixture *f, const char *const *texts, size_t n)
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

static size_t pack_process(uint8_t *mem, size_t cap)
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

static void put_chunk(struct tb_slot *slot, uint16_t tag, const void *data, size_t len)
{
    static const uint8_t zeros[8];
    uint8_t head[TB_CHUNK_HEADER_BYTES];
    tb_chunk_header(tag, len, head);
    assert_int_equal(tb_slot_write(slot, head, sizeof(head)), 0);
    assert_int_equal(tb_slot_write(slot, data, len), 0);
    assert_int_equal(tb_slot_write(slot, zeros, (8 - len % 8) % 8), 0);
}

/* A process that died: its slot, complete, its lock gone. */
static void spool_crash_with(struct fixture *f, uint32_t n_threads)
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

static void spool_crash(struct fixture *f)
{
    spool_crash_with(f, 0);
}

/* One that died unseen: armed, its lock gone, with one note. */
static void spool_vanished(struct fixture *f, uint64_t start_ticks)
{
    static const struct tb_slot_note note = {
        .number = 1, .wall_ns = 1700000001000000000, .level = 1, .text = "the last", .len = 8};
    struct tb_slot slot;
    uint8_t mem[4096];
    uint8_t boot[16];
    tb_id_boot(boot);
    memset(&slot, 0, sizeof(slot));
    assert_int_equal(tb_slot_open(&slot, f->in_fd, boot, start_ticks), 0);
    assert_int_equal(tb_slot_context(&slot, 1, mem, pack_process(mem, sizeof(mem))), 0);
    tb_slot_notes(&slot, &note, 1);
    tb_slot_close(&slot, 0);
}

static void spool_report(struct fixture *f, const char *message)
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

/* Makes uid the owner of every segment that is there. */
static void give_segments(struct fixture *f, uid_t uid)
{
    int fd = dup(f->in_fd);
    int listed = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fdopendir(listed);
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (strstr(entry->d_name, ".seg") != NULL)
            assert_int_equal(fchownat(fd, entry->d_name, uid, (gid_t)-1, 0), 0);
    }
    closedir(folder);
    close(fd);
}

/* ---- what came of it ---- */

struct found {
    int n;
    char titles[8][128];
    char data[16384];
    size_t longest; /* data */
};

static int find(void *arg, const struct tb_occurrence_row *row)
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

static void occurrences(struct fixture *f, struct found *out)
{
    const struct tb_occurrence_filter filter = {.max = 1000};
    memset(out, 0, sizeof(*out));
    assert_int_equal(tb_store_occurrences(f->store, &filter, find, out), 0);
}

static unsigned files_in(const char *name)
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

static void drain(struct fixture *f)
{
    while (tb_pipeline_batch(f->pipeline) > 0)
        ;
}

/* ---- the tests ---- */

static void a_crash_a_report_and_an_item_arrive(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {MESSAGE("u-1", "token=abc hello")};
    struct found found;
    spool_items(f, items, 1);
    spool_report(f, "cannot open feed");
    spool_crash(f);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 3);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 0);
    occurrences(f, &found);
    assert_int_equal(found.n, 3);
    /* The crash was first, whatever its age. */
    assert_string_equal(found.titles[0], "SIGSEGV in feedd");
    struct tb_store_counts counts;
    assert_int_equal(tb_store_counts(f->store, &counts), 0);
    assert_int_equal(counts.items, 3);
    assert_int_equal(counts.received, 0); /* no token: nothing is to be sent */
    assert_int_equal(f->n_stored_calls, 0);
}

struct vanished {
    int64_t n_reported, n_unreported;
};

static int count_one(void *arg, const char *name, int64_t value)
{
    struct vanished *n = arg;
    if (strcmp(name, "vanished.reported") == 0)
        n->n_reported += value;
    else if (strncmp(name, "vanished.", 9) == 0)
        n->n_unreported += value;
    return 0;
}

static struct vanished count_vanished(struct fixture *f)
{
    struct vanished n = {0};
    assert_int_equal(tb_store_counters(f->store, count_one, &n), 0);
    return n;
}

static int64_t count_unreported(struct fixture *f)
{
    return count_vanished(f).n_unreported;
}

static void a_process_that_vanished_is_an_item(void **state)
{
    struct fixture *f = *state;
    struct found found;
    spool_vanished(f, 1); /* no process has this start */
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    occurrences(f, &found);
    assert_int_equal(found.n, 1);
    assert_string_equal(found.titles[0], "feedd vanished: found dead, ended without a word");
    assert_non_null(strstr(found.data, "\"message\":\"the last\""));
    assert_int_equal(count_unreported(f), 0);
    assert_int_equal(count_vanished(f).n_reported, 1);
}

static void one_that_lives_on_or_is_only_to_be_counted_is_none(void **state)
{
    struct fixture *f = *state;
    struct found found;
    struct tb_proc self;
    assert_int_equal(tb_proc_read(getpid(), &self), 0);
    spool_vanished(f, self.start_ticks); /* as if this process were its exec */
    drain(f);
    assert_int_equal(count_unreported(f), 1);
    f->config.counts_vanished = 1;
    spool_vanished(f, 1); /* no process has this start */
    drain(f);
    assert_int_equal(count_unreported(f), 2);
    occurrences(f, &found);
    assert_int_equal(found.n, 0);
    assert_int_equal(tb_pipeline_settle(f->pipeline), 0);
    assert_int_equal(files_in("spool/in"), 0);
}

/* A child that leaves its slot as if it were killed, and is not reaped. */
static pid_t leave_zombie(struct fixture *f)
{
    siginfo_t info;
    pid_t pid = fork();
    if (pid == 0) {
        struct tb_proc self;
        if (tb_proc_read(getpid(), &self) == 0)
            spool_vanished(f, self.start_ticks);
        _exit(0);
    }
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    return pid;
}

/* What the kernel tells when the parent asks is waited for, and nothing else waits with it. */
static void one_of_which_more_may_be_known_waits_aside(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {MESSAGE("u-1", "hello")};
    struct found found;
    close_pipeline(f);
    f->patience_ms = 3600 * 1000;
    open_pipeline(f, NULL);
    pid_t pid = leave_zombie(f);
    spool_items(f, items, 1);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    occurrences(f, &found);
    assert_int_equal(found.n, 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    while (tb_pipeline_batch(f->pipeline) == 0)
        ;
    occurrences(f, &found);
    assert_int_equal(count_unreported(f) + found.n, 2); /* an old kernel has it reported */
    assert_int_equal(tb_pipeline_settle(f->pipeline), 0);
    assert_int_equal(files_in("spool/in"), 0);
}

static void what_is_stored_is_scrubbed_and_complete(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {
        "{\"access_token\":\"t0ken\",\"data\":{\"body\":{\"message\":{\"body\":\"hi\","
        "\"password\":\"hunter2\"}},\"request\":{\"headers\":{\"traceparent\":"
        "\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"}},\"n\":9007199254740993}}"};
    struct found found;
    spool_items(f, items, 1);
    drain(f);
    occurrences(f, &found);
    assert_int_equal(found.n, 1);
    assert_null(strstr(found.data, "hunter2"));
    assert_null(strstr(found.data, "t0ken"));
    assert_non_null(strstr(found.data, "9007199254740993"));
    assert_non_null(strstr(found.data, "\"environment\":\"test\""));
    assert_non_null(strstr(found.data, "\"uuid\":\""));
    assert_non_null(
        strstr(found.data, "\"trace_id\",\"value\":\"4bf92f3577b34da6a3ce929d0e0e4736\""));
    /* Its own token makes it an item to send. */
    struct tb_store_counts counts;
    assert_int_equal(tb_store_counts(f->store, &counts), 0);
    assert_int_equal(counts.queued, 1);
    assert_int_equal(f->n_stored_calls, 1);
}

static void the_token_towbar_is_the_agent_s_own(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {
        "{\"access_token\":\"towbar\",\"data\":{\"body\":{\"message\":{\"body\":\"a\"}}}}",
        "{\"access_token\":\"towbars\",\"data\":{\"body\":{\"message\":{\"body\":\"b\"}}}}"};
    struct found found;
    struct tb_store_counts counts;
    spool_items(f, items, 2);
    drain(f);
    occurrences(f, &found);
    assert_int_equal(found.n, 2);
    /* This agent has none, so what is filed under its own is kept and not sent. */
    assert_int_equal(tb_store_counts(f->store, &counts), 0);
    assert_int_equal(counts.queued, 1);
}

static int take_time(void *arg, const struct tb_occurrence_row *row)
{
    *(int64_t *)arg = row->occurred_ns;
    return 0;
}

static void a_time_of_whole_seconds_gets_the_records_place_in_it(void **state)
{
    static const struct {
        const char *timestamp;
        uint64_t record_ns;
        int64_t wanted_ns;
    } cases[] = {{"1795339661", 1795339661250000000, 1795339661250000000},
                 {"1795339661", 1795339662000000001, 1795339661999999999}, /* sent a moment later */
                 {"1795339661", 1795339699000000000, 1795339661000000000},
                 {"1795339661", 1795339660000000000, 1795339661000000000},
                 {"null", 1795339661250000000, 1795339661250000000}};
    struct fixture *f = *state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        const struct tb_occurrence_filter filter = {.newest_first = 1, .max = 1};
        struct tb_writer writer;
        uint8_t uuid[16];
        char text[200];
        int64_t got_ns = 0;
        tb_id_uuid(uuid);
        int len = snprintf(text, sizeof(text),
                           "{\"data\":{\"timestamp\":%s,\"body\":{\"message\":{\"body\":\"hi\"}}}}",
                           cases[c].timestamp);
        const struct tb_append record = {.kind = TB_KIND_ITEM,
                                         .uuid = uuid,
                                         .time_ns = cases[c].record_ns,
                                         .data = text,
                                         .len = (size_t)len};
        tb_writer_init(&writer, TB_CLASS_ERROR, f->in_fd);
        assert_int_equal(tb_writer_append(&writer, &record), 0);
        tb_writer_close(&writer);
        drain(f);
        assert_int_equal(tb_store_occurrences(f->store, &filter, take_time, &got_ns), 0);
        assert_int_equal(got_ns, cases[c].wanted_ns);
    }
}

static void occurrences_of_one_bug_are_one_item(void **state)
{
    struct fixture *f = *state;
    struct tb_store_counts counts;
    spool_report(f, "first");
    spool_report(f, "second");
    spool_crash(f);
    spool_crash(f);
    drain(f);
    assert_int_equal(tb_store_counts(f->store, &counts), 0);
    assert_int_equal(counts.occurrences, 4);
    assert_int_equal(counts.items, 2);
}

/* An item of 80 frames with long values, 700 KiB, of which the 40th is named. */
static void large_item(struct tb_buf *out, const char *uuid, const char *middle)
{
    char value[9000];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    tb_buf_init(out, 1 << 20);
    tb_buf_addf(out, "{\"data\":{\"uuid\":\"%s\",\"environment\":\"e\",\"body\":{\"trace\":{",
                uuid);
    tb_buf_adds(out, "\"exception\":{\"class\":\"C\"},\"frames\":[");
    for (int i = 0; i < 80; i++)
        tb_buf_addf(out, "%s{\"filename\":\"%s\",\"method\":\"m\",\"locals\":{\"a\":\"%s\"}}",
                    i > 0 ? "," : "", i == 40 ? middle : "f.py", value);
    tb_buf_adds(out, "]}}}}");
    assert_int_equal(out->err, 0);
}

static void what_is_too_large_is_cut_after_it_was_grouped(void **state)
{
    static const char *const middles[] = {"a.py", "b.py", "a.py"};
    struct fixture *f = *state;
    struct tb_store_counts counts;
    struct found found;
    for (size_t i = 0; i < 3; i++) {
        struct tb_buf text;
        const char uuid[] = {'u', (char)('1' + i), '\0'};
        large_item(&text, uuid, middles[i]);
        const char *const items[] = {text.data};
        spool_items(f, items, 1);
        tb_buf_done(&text);
    }
    drain(f);
    occurrences(f, &found);
    assert_int_equal(found.n, 3);
    assert_true(found.longest <= (512 << 10) - 10);
    assert_true(found.longest > 50000);
    assert_int_equal(tb_store_counts(f->store, &counts), 0);
    assert_int_equal(counts.items, 2); /* the frame that tells them apart was cut away */
}

static void done_files_go_after_settling_and_not_before(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {MESSAGE("u-1", "x")};
    spool_items(f, items, 1);
    assert_int_equal(files_in("spool/in"), 1);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    assert_int_equal(files_in("spool/in"), 1);
    assert_int_equal(tb_pipeline_settle(f->pipeline), 0);
    assert_int_equal(files_in("spool/in"), 0);
}

static void what_was_stored_is_not_stored_again_after_a_restart(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {MESSAGE("u-1", "x"), MESSAGE("u-2", "y")};
    struct tb_store_counts counts;
    spool_items(f, items, 2);
    drain(f);
    close_pipeline(f); /* without settling: as if it was killed here */
    open_pipeline(f, NULL);
    drain(f);
    assert_int_equal(tb_store_counts(f->store, &counts), 0);
    assert_int_equal(counts.occurrences, 2);
    assert_int_equal(counts.duplicates, 2);
    assert_int_equal(tb_pipeline_settle(f->pipeline), 0);
    close_pipeline(f);
    open_pipeline(f, NULL);
    drain(f);
    assert_int_equal(tb_store_counts(f->store, &counts), 0);
    assert_int_equal(counts.occurrences, 2);
    assert_int_equal(counts.duplicates, 2);
}

static void the_log_says_nothing_that_the_disk_may_not_have(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {MESSAGE("u-1", "x")};
    struct stat st;
    spool_items(f, items, 1);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    assert_int_equal(stat(in_folder("spool/agent/ack.log"), &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(tb_pipeline_settle(f->pipeline), 0);
    assert_int_equal(stat(in_folder("spool/agent/ack.log"), &st), 0);
    assert_true(st.st_size > 0);
}

static void what_is_no_item_goes_to_quarantine_alone(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {
        MESSAGE("u-1", "before"),
        "not json",
        "{\"data\":{}}",
        "{\"data\":{\"body\":{}}}",
        "{\"data\":{\"uuid\":\"0123456789012345678901234567890123456789\",\"body\":{\"message\":{"
        "\"body\":\"x\"}}}}",
        MESSAGE("u-2", "after")};
    struct tb_pipeline_snapshot snapshot;
    struct found found;
    spool_items(f, items, 6);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 6);
    assert_int_equal(tb_pipeline_settle(f->pipeline), 0);
    occurrences(f, &found);
    assert_int_equal(found.n, 2);
    assert_int_equal(files_in("spool/in"), 0);
    assert_true(files_in("spool/agent/quarantine") >= 4);
    tb_pipeline_snapshot(f->pipeline, &snapshot);
    assert_int_equal(snapshot.n_stored, 2);
    assert_int_equal(snapshot.n_refused, 4);
    assert_int_equal(snapshot.spool.n_quarantined, 4);
}

static void dropcounts_are_counted_and_odd_ones_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const counts[] = {"{\"class\":1,\"count\":5,\"reason\":\"rate\"}",
                                         "{\"class\":1,\"count\":2,\"reason\":\"../../x\"}",
                                         "{\"class\":1,\"count\":-5,\"reason\":\"rate\"}",
                                         "{\"class\":1,\"count\":1e300,\"reason\":\"rate\"}"};
    struct tb_pipeline_snapshot snapshot;
    struct tb_writer writer;
    tb_writer_init(&writer, TB_CLASS_ERROR, f->in_fd);
    for (size_t i = 0; i < 4; i++)
        append(f, &writer, TB_KIND_DROPCOUNT, counts[i]);
    tb_writer_close(&writer);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 4);
    tb_pipeline_snapshot(f->pipeline, &snapshot);
    assert_int_equal(snapshot.n_stored, 2);
    assert_int_equal(snapshot.n_refused, 2);
    assert_int_equal(snapshot.store.occurrences, 0);
}

static int64_t counter(const char *name)
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

static void a_dropcount_that_is_read_twice_counts_once(void **state)
{
    struct fixture *f = *state;
    struct tb_writer writer;
    tb_writer_init(&writer, TB_CLASS_ERROR, f->in_fd);
    append(f, &writer, TB_KIND_DROPCOUNT, "{\"class\":1,\"count\":5,\"reason\":\"rate\"}");
    append(f, &writer, TB_KIND_DROPCOUNT, "{\"class\":1,\"count\":5,\"reason\":\"rate\"}");
    tb_writer_close(&writer);
    for (int i = 0; i < 3; i++) {
        drain(f);
        assert_int_equal(counter("dropped.rate"), 10);
        close_pipeline(f); /* without settling: as if it was killed here */
        open_pipeline(f, NULL);
    }
}

static void each_known_reason_of_a_dropcount_has_its_counter(void **state)
{
    struct fixture *f = *state;
    static const char *const counts[] = {"{\"class\":1,\"count\":5,\"reason\":\"ENOSPC\"}",
                                         "{\"class\":1,\"count\":2,\"reason\":\"enospc\"}",
                                         "{\"class\":1,\"count\":3,\"reason\":\"rate-Limit\"}",
                                         "{\"class\":1,\"count\":4,\"reason\":\"a b\"}",
                                         "{\"class\":1,\"count\":1,\"reason\":\"made-up-1\"}",
                                         "{\"class\":1,\"count\":6}"};
    struct tb_writer writer;
    tb_writer_init(&writer, TB_CLASS_ERROR, f->in_fd);
    for (size_t i = 0; i < 6; i++)
        append(f, &writer, TB_KIND_DROPCOUNT, counts[i]);
    tb_writer_close(&writer);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 6);
    assert_int_equal(counter("dropped.enospc"), 7);
    assert_int_equal(counter("dropped.rate-limit"), 3);
    assert_int_equal(counter("dropped.other"), 11); /* else a user fills the database with names */
}

static void a_dead_symbolizer_costs_names_only(void **state)
{
    struct fixture *f = *state;
    struct found found;
    close_pipeline(f);
    open_pipeline(f, "/bin/false");
    spool_crash(f);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    occurrences(f, &found);
    assert_int_equal(found.n, 1);
    assert_non_null(strstr(found.data, "\"module_offset\":\"0x1234\""));
    assert_non_null(strstr(found.data, "not symbolized: the symbolizer failed"));
}

/* A symbolizer that dies over threads, or hangs. */
static int be_allergic(int hangs)
{
    static const char json[] = "{\"frames\":[{\"filename\":\"q.c\",\"method\":\"named\"}]}";
    uint8_t head[TB_SYMBOL_HEADER_BYTES];
    static uint8_t data[64 << 10];
    while (recv(TB_SYMBOL_FD, head, sizeof(head), MSG_WAITALL) == sizeof(head)) {
        struct tb_crash crash;
        size_t process_len = tb_get32(head + 8);
        size_t body_len = tb_get32(head + 12);
        size_t len = 0;
        if (process_len + body_len > sizeof(data) ||
            recv(TB_SYMBOL_FD, data, process_len + body_len, MSG_WAITALL) < 0)
            return 1;
        if (tb_get32(head + 4) == TB_SYMBOL_CRASH) {
            if (tb_crash_unpack(data + process_len, body_len, &crash) != 0)
                return 1;
            size_t n_threads = crash.n_threads;
            tb_crash_done(&crash);
            while (hangs && n_threads > 0)
                pause();
            if (n_threads > 0)
                return 1;
            len = sizeof(json) - 1;
        }
        tb_put32(head, 0);
        tb_put32(head + 4, (uint32_t)len);
        if (tb_fd_write_all(TB_SYMBOL_FD, head, 8) != 0 ||
            tb_fd_write_all(TB_SYMBOL_FD, json, len) != 0)
            return 1;
    }
    return 0;
}

static const char *put_allergic(const char *mode)
{
    char self[512] = "";
    char script[700];
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    snprintf(script, sizeof(script), "#!/bin/sh\nexec '%s' %s\n", self, mode);
    const char *worker = put_file("allergic", script);
    assert_int_equal(chmod(worker, 0700), 0);
    return worker;
}

static void threads_that_kill_the_symbolizer_cost_the_crash_no_names(void **state)
{
    struct fixture *f = *state;
    struct found found;
    const char *worker = put_allergic("--allergic");
    close_pipeline(f);
    open_pipeline(f, worker);
    spool_crash_with(f, 3);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    occurrences(f, &found);
    assert_int_equal(found.n, 1);
    assert_non_null(strstr(found.data, "\"method\":\"named\""));
    assert_null(strstr(found.data, "not symbolized"));
    assert_non_null(strstr(found.data, "\"tids\":[100,101,102]"));
}

struct notes {
    int n_hung, n_spared;
};

static int count_notes(void *arg, const struct tb_occurrence_row *row)
{
    struct notes *notes = arg;
    notes->n_hung += memmem(row->data, row->data_len, "did not answer in time", 22) != NULL;
    notes->n_spared += memmem(row->data, row->data_len, "symbols.user_budget_ms", 22) != NULL;
    return 0;
}

static void who_makes_the_symbolizer_hang_is_asked_for_no_more(void **state)
{
    struct fixture *f = *state;
    const char *hang = put_file("hang", "#!/bin/sh\nexec sleep 1000\n");
    struct found found;
    assert_int_equal(chmod(hang, 0700), 0);
    close_pipeline(f);
    f->deadline_ms = 100;
    f->config.user_budget_ms = 150;
    open_pipeline(f, hang);
    for (int i = 0; i < 3; i++) {
        spool_crash(f);
        assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
        occurrences(f, &found);
        assert_int_equal(found.n, i + 1);
    }
    struct notes notes = {0};
    const struct tb_occurrence_filter filter = {.max = 10};
    assert_int_equal(tb_store_occurrences(f->store, &filter, count_notes, &notes), 0);
    assert_int_equal(notes.n_hung + notes.n_spared, 3);
    assert_true(notes.n_hung >= 1 && notes.n_spared >= 1); /* 2 and 1 where the machine has time */
}

static void threads_that_make_it_hang_cost_their_user_time_too(void **state)
{
    struct fixture *f = *state;
    struct found found;
    const char *worker = put_allergic("--allergic-hang");
    close_pipeline(f);
    f->deadline_ms = 500;
    f->config.user_budget_ms = 750; /* less than two deadlines */
    open_pipeline(f, worker);
    for (int i = 0; i < 3; i++) {
        spool_crash_with(f, 3);
        assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
        occurrences(f, &found);
        assert_int_equal(found.n, i + 1);
    }
    struct notes notes = {0};
    const struct tb_occurrence_filter filter = {.max = 10};
    assert_int_equal(tb_store_occurrences(f->store, &filter, count_notes, &notes), 0);
    assert_in_range(notes.n_spared, 1, 2); /* 1 where the machine has time */
}

/* All at one moment, so that they are of one window. */
static void spool_storm(struct fixture *f, int class_, int n)
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

static void a_storm_is_counted_and_one_stands_for_it(void **state)
{
    struct fixture *f = *state;
    struct tb_pipeline_snapshot snapshot;
    struct found found;
    f->config.item_per_minute = 3;
    f->config.burst_minutes = 1;
    spool_storm(f, TB_CLASS_ERROR, 100);
    drain(f);
    tb_pipeline_snapshot(f->pipeline, &snapshot);
    assert_int_equal(snapshot.store.occurrences, 100);
    assert_int_equal(snapshot.storms.collapsed, 96);
    assert_int_equal(snapshot.storms.open, 1);
    occurrences(f, &found);
    assert_int_equal(found.n, 4);
    assert_null(strstr(found.data, "repeated"));
    assert_int_equal(tb_pipeline_finish(f->pipeline), 0);
    occurrences(f, &found);
    assert_int_equal(found.n, 4);
    assert_non_null(strstr(found.data, "\"towbar\":{\"repeated\":96,"));
    tb_pipeline_snapshot(f->pipeline, &snapshot);
    assert_int_equal(snapshot.storms.open, 0);
}

static void set_text(char **setting, const char *text)
{
    free(*setting);
    *setting = strdup(text);
    assert_non_null(*setting);
}

static void a_storm_is_counted_for_each_sink_that_is_on(void **state)
{
    static const char *const sinks[] = {"rollbar", "otlp", "otlp-spans", "xray", "cloudwatch"};
    struct fixture *f = *state;
    struct tb_store_counts counts;
    set_text(&f->config.token, "token-of-the-agent");
    set_text(&f->config.sinks.otlp.endpoint, "http://127.0.0.1:4318/v1/logs");
    set_text(&f->config.sinks.cloudwatch.log_group, "cruddur");
    f->config.sinks.otlp.form = TB_OTLP_BOTH;
    f->config.sinks.xray.mode = TB_XRAY_API;
    f->config.item_per_minute = 3;
    f->config.burst_minutes = 1;
    spool_storm(f, TB_CLASS_ERROR, 100);
    drain(f);
    for (size_t i = 0; i < sizeof(sinks) / sizeof(sinks[0]); i++) {
        assert_int_equal(tb_store_sink_counts(f->store, sinks[i], &counts), 0);
        assert_int_equal(counts.received, 100);
        assert_int_equal(counts.queued, 4);
        assert_int_equal(counts.dropped, 96);
    }
    struct tb_outbox_token token;
    int64_t now_ms = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
    assert_int_equal(tb_store_tokens(f->store, "cloudwatch", 0, now_ms, &token, 1), 1);
    assert_non_null(strstr(token.token, "/unknown"));
    /* The representative is due everywhere when its minute is over. */
    assert_int_equal(tb_pipeline_finish(f->pipeline), 0);
    assert_int_equal(f->n_stored_calls > 1, 1);
}

static void what_is_not_sampled_is_counted(void **state)
{
    static const char *const items[] = {
        "{\"data\":{\"uuid\":\"a\",\"body\":{\"message\":{\"body\":\"m\"}},"
        "\"custom\":{\"trace\":{\"xray_sampled\":\"0\"}}}}",
        MESSAGE("b", "sampled")};
    struct fixture *f = *state;
    struct tb_store_counts counts;
    f->config.sinks.xray.mode = TB_XRAY_API;
    spool_items(f, items, 2);
    drain(f);
    assert_int_equal(tb_store_sink_counts(f->store, "xray", &counts), 0);
    assert_int_equal(counts.received, 1);
    assert_int_equal(counter("unsampled.xray"), 1);
    spool_items(f, items, 1); /* once more: known */
    drain(f);
    assert_int_equal(counter("unsampled.xray"), 1);
}

static void a_new_agent_closes_what_the_last_one_left_open(void **state)
{
    struct fixture *f = *state;
    struct found found;
    f->config.item_per_minute = 1;
    f->config.burst_minutes = 1;
    spool_storm(f, TB_CLASS_ERROR, 5);
    drain(f);
    close_pipeline(f);
    open_pipeline(f, NULL);
    drain(f);
    occurrences(f, &found);
    assert_int_equal(found.n, 2);
    assert_non_null(strstr(found.data, "\"towbar\":{\"repeated\":3,"));
}

static void errors_do_not_use_up_what_crashes_may_have(void **state)
{
    struct fixture *f = *state;
    struct tb_pipeline_snapshot snapshot;
    f->config.item_per_minute = 0;
    f->config.service_per_minute = 10;
    f->config.burst_minutes = 1;
    spool_storm(f, TB_CLASS_ERROR, 50);
    drain(f);
    tb_pipeline_snapshot(f->pipeline, &snapshot);
    int64_t collapsed = snapshot.storms.collapsed;
    assert_int_equal(collapsed, 39);
    spool_crash(f);
    drain(f);
    tb_pipeline_snapshot(f->pipeline, &snapshot);
    assert_int_equal(snapshot.storms.collapsed, collapsed);
    assert_int_equal(snapshot.store.occurrences, 51);
}

/* What could not be stored comes again, and is judged as if it had not come before. */
static void a_failing_database_uses_up_no_limit(void **state)
{
    struct fixture *f = *state;
    sqlite3 *other = NULL;
    struct tb_pipeline_snapshot snapshot;
    f->config.item_per_minute = 4;
    f->config.burst_minutes = 1;
    spool_storm(f, TB_CLASS_ERROR, 4);
    assert_int_equal(sqlite3_open(in_folder("state/towbar.db"), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other,
                                  "CREATE TRIGGER no BEFORE INSERT ON occurrences BEGIN SELECT "
                                  "RAISE(ABORT, 'the disk is full'); END",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    for (int i = 0; i < 3; i++)
        assert_true(tb_pipeline_batch(f->pipeline) < 0);
    assert_int_equal(sqlite3_exec(other, "DROP TRIGGER no", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    drain(f);
    tb_pipeline_snapshot(f->pipeline, &snapshot);
    assert_int_equal(snapshot.store.occurrences, 4);
    assert_int_equal(snapshot.storms.collapsed + snapshot.storms.open, 0);
}

static void a_failing_database_acknowledges_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {MESSAGE("u-1", "x"), MESSAGE("u-2", "y")};
    struct tb_pipeline_snapshot snapshot;
    struct found found;
    sqlite3 *other = NULL;
    spool_items(f, items, 2);
    /* The database refuses whatever is to be stored. */
    assert_int_equal(sqlite3_open(in_folder("state/towbar.db"), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other,
                                  "CREATE TRIGGER no BEFORE INSERT ON occurrences BEGIN SELECT "
                                  "RAISE(ABORT, 'the disk is full'); END",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    for (int i = 0; i < 3; i++) {
        assert_true(tb_pipeline_batch(f->pipeline) < 0);
        tb_pipeline_snapshot(f->pipeline, &snapshot);
        assert_non_null(strstr(snapshot.trouble, "the disk is full"));
        assert_int_equal(tb_pipeline_settle(f->pipeline), 0);
        assert_int_equal(files_in("spool/in"), 1);
    }
    assert_int_equal(sqlite3_exec(other, "DROP TRIGGER no", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    drain(f);
    occurrences(f, &found);
    assert_int_equal(found.n, 2);
    tb_pipeline_snapshot(f->pipeline, &snapshot);
    assert_string_equal(snapshot.trouble, "");
}

/* The agent died over the first item, three times. */
static void a_suspect_is_stored_alone_and_a_killer_is_not(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {MESSAGE("u-1", "one"), MESSAGE("u-2", "two"),
                                        MESSAGE("u-3", "three")};
    struct tb_spool_record record;
    struct found found;
    spool_items(f, items, 3);
    for (int deaths = 1; deaths <= 3; deaths++) {
        assert_int_equal(tb_spool_next(f->spool, &record), 0);
        while (deaths > 1 && record.deaths == 0)
            assert_int_equal(tb_spool_next(f->spool, &record), 0);
        tb_spool_begin(f->spool, &record);
        close_pipeline(f);
        open_pipeline(f, NULL);
    }
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1); /* one at a time after a death */
    drain(f);
    occurrences(f, &found);
    assert_int_equal(found.n, 2);
    assert_int_equal(files_in("spool/agent/quarantine"), 2);
    assert_int_equal(tb_pipeline_settle(f->pipeline), 0); /* else they would be read again */
    /* Nothing is under suspicion now. */
    spool_items(f, items, 1);
    assert_int_equal(tb_spool_next(f->spool, &record), 0);
    tb_spool_begin(f->spool, &record);
    close_pipeline(f);
    open_pipeline(f, NULL);
    static const char *const more[] = {MESSAGE("u-4", "four"), MESSAGE("u-5", "five")};
    spool_items(f, more, 2);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    occurrences(f, &found);
    assert_int_equal(found.n, 5);
    assert_string_equal(found.titles[4], "one"); /* last */
}

static void a_suspect_that_follows_others_waits_for_a_batch_of_its_own(void **state)
{
    enum { MANY = TB_PIPELINE_BATCH + 6 };
    struct fixture *f = *state;
    static char texts[MANY][160];
    static const char *items[MANY];
    struct tb_spool_record record;
    struct found found;
    for (int i = 0; i < MANY; i++) {
        snprintf(texts[i], sizeof(texts[i]),
                 "{\"data\":{\"uuid\":\"u-%d\",\"body\":{\"message\":{\"body\":\"m%d\"}}}}", i, i);
        items[i] = texts[i];
    }
    spool_items(f, items, MANY);
    assert_int_equal(tb_spool_next(f->spool, &record), 0);
    tb_spool_begin(f->spool, &record);
    close_pipeline(f);
    open_pipeline(f, NULL);
    for (int i = 0; i < TB_PIPELINE_BATCH; i++)
        assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    assert_int_equal(tb_pipeline_batch(f->pipeline), MANY - TB_PIPELINE_BATCH - 1);
    assert_int_equal(tb_pipeline_settle(f->pipeline), 0); /* its bytes must stay meanwhile */
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 0);
    occurrences(f, &found);
    assert_int_equal(found.n, MANY);
    assert_non_null(strstr(found.data, "\"m0\"")); /* the last one stored */
}

/* What loses its file has been synced: a crash at once, an error when it is settled. */
static void a_crash_is_durable_with_its_batch(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {MESSAGE("u-1", "one")};
    spool_items(f, items, 1);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 0);
    assert_int_equal(files_in("spool/in"), 1);
    spool_crash(f);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    assert_int_equal(files_in("spool/in"), 0);
}

static void *run(void *arg)
{
    void **args = arg;
    tb_pipeline_run(args[0], *(int *)args[1]);
    return NULL;
}

static void the_thread_takes_what_comes_until_it_is_stopped(void **state)
{
    struct fixture *f = *state;
    int stop_fd = eventfd(0, EFD_CLOEXEC);
    void *args[] = {f->pipeline, &stop_fd};
    struct tb_pipeline_snapshot snapshot;
    pthread_t thread;
    uint64_t one = 1;
    assert_int_equal(pthread_create(&thread, NULL, run, args), 0);
    for (int i = 1; i <= 3; i++) {
        spool_report(f, "again");
        uint64_t limit_ns = tb_clock_mono_ns() + 20ULL * TB_NS_PER_S;
        do {
            (void)poll(NULL, 0, 2);
            tb_pipeline_snapshot(f->pipeline, &snapshot);
        } while (snapshot.n_stored < i && tb_clock_mono_ns() < limit_ns);
        assert_int_equal(snapshot.n_stored, i);
    }
    assert_int_equal(write(stop_fd, &one, sizeof(one)), sizeof(one));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(files_in("spool/in"), 0);
    close(stop_fd);
}

static void more_than_one_batch_arrives_whole(void **state)
{
    enum { MANY = 3 * TB_PIPELINE_BATCH + 7 };
    struct fixture *f = *state;
    static char texts[MANY][160];
    static const char *items[MANY];
    struct tb_store_counts counts;
    for (int i = 0; i < MANY; i++) {
        snprintf(texts[i], sizeof(texts[i]),
                 "{\"data\":{\"uuid\":\"u-%d\",\"body\":{\"message\":{\"body\":\"m\"}}}}", i);
        items[i] = texts[i];
    }
    spool_items(f, items, MANY);
    assert_int_equal(tb_pipeline_batch(f->pipeline), TB_PIPELINE_BATCH);
    drain(f);
    assert_int_equal(tb_store_counts(f->store, &counts), 0);
    assert_int_equal(counts.occurrences, MANY);
    assert_int_equal(counts.items, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

/* The record says uid 0; the file belongs to nobody. Only the file's owner counts. */
static void a_reporter_reads_no_more_by_claiming_to_be_root(void **state)
{
    enum { NOBODY = 65534 };
    struct fixture *f = *state;
    struct found found;
    char path[256];
    struct tb_buf program;
    if (geteuid() != 0)
        skip(); /* only root can give a file away */
    snprintf(path, sizeof(path), "%s", in_folder("program"));
    tb_buf_init(&program, 64 << 20);
    assert_int_equal(tb_fd_slurp(AT_FDCWD, "/proc/self/exe", &program), 0);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    assert_int_equal(tb_fd_write_all(fd, program.data, program.len), 0);
    tb_fd_close(&fd);
    tb_buf_done(&program);
    module_path = path;
    for (int owner = 0; owner <= NOBODY; owner += NOBODY) {
        spool_report(f, owner == 0 ? "by root" : "by nobody");
        give_segments(f, (uid_t)owner);
        drain(f);
        occurrences(f, &found);
        int is_unreadable = strstr(found.data, "\"symbols\":\"unreadable\"") != NULL;
        assert_int_equal(is_unreadable, owner == NOBODY);
    }
    module_path = "/nowhere/feedd";
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--symbol-worker") == 0)
        return tb_symbol_worker(TB_SYMBOL_FD);
    if (argc > 1 && strcmp(argv[1], "--allergic") == 0)
        return be_allergic(0);
    if (argc > 1 && strcmp(argv[1], "--allergic-hang") == 0)
        return be_allergic(1);
    const struct CMUnitTest tests[] = {
        TEST(a_crash_a_report_and_an_item_arrive),
        TEST(a_process_that_vanished_is_an_item),
        TEST(one_that_lives_on_or_is_only_to_be_counted_is_none),
        TEST(one_of_which_more_may_be_known_waits_aside),
        TEST(what_is_stored_is_scrubbed_and_complete),
        TEST(the_token_towbar_is_the_agent_s_own),
        TEST(a_time_of_whole_seconds_gets_the_records_place_in_it),
        TEST(occurrences_of_one_bug_are_one_item),
        TEST(what_is_too_large_is_cut_after_it_was_grouped),
        TEST(done_files_go_after_settling_and_not_before),
        TEST(what_was_stored_is_not_stored_again_after_a_restart),
        TEST(the_log_says_nothing_that_the_disk_may_not_have),
        TEST(what_is_no_item_goes_to_quarantine_alone),
        TEST(dropcounts_are_counted_and_odd_ones_refused),
        TEST(a_dropcount_that_is_read_twice_counts_once),
        TEST(each_known_reason_of_a_dropcount_has_its_counter),
        TEST(a_dead_symbolizer_costs_names_only),
        TEST(threads_that_kill_the_symbolizer_cost_the_crash_no_names),
        TEST(threads_that_make_it_hang_cost_their_user_time_too),
        TEST(who_makes_the_symbolizer_hang_is_asked_for_no_more),
        TEST(a_storm_is_counted_and_one_stands_for_it),
        TEST(a_storm_is_counted_for_each_sink_that_is_on),
        TEST(what_is_not_sampled_is_counted),
        TEST(a_new_agent_closes_what_the_last_one_left_open),
        TEST(errors_do_not_use_up_what_crashes_may_have),
        TEST(a_failing_database_uses_up_no_limit),
        TEST(a_failing_database_acknowledges_nothing),
        TEST(a_suspect_is_stored_alone_and_a_killer_is_not),
        TEST(a_suspect_that_follows_others_waits_for_a_batch_of_its_own),
        TEST(a_crash_is_durable_with_its_batch),
        TEST(the_thread_takes_what_comes_until_it_is_stopped),
        TEST(more_than_one_batch_arrives_whole),
        TEST(a_reporter_reads_no_more_by_claiming_to_be_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
