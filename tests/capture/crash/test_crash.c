/* What a crash leaves in the spool. */
#include "rig.h"

enum { FUNCTION_BYTES = 256 };

static void assert_in(const struct rig *rig, uint64_t ip, const char *function)
{
    uint64_t start = rig_said(rig, function, 16);
    if (ip < start || ip >= start + FUNCTION_BYTES)
        fail_msg("%#lx is not in %s at %#lx", ip, function, start);
}

/* The innermost frames are deed (unless it cannot be), here, middle, outer. */
static void assert_chain(const struct rig *rig, const struct tb_crash *crash, size_t first)
{
    assert_true(crash->n_frames >= first + 4);
    assert_in(rig, crash->frames[first].ip - (first > 0), "here");
    assert_in(rig, crash->frames[first + 1].ip - 1, "middle");
    assert_in(rig, crash->frames[first + 2].ip - 1, "outer");
}

static size_t find_frame(const struct rig *rig, const struct tb_crash *crash, const char *function)
{
    uint64_t start = rig_said(rig, function, 16);
    for (size_t i = 0; i < crash->n_frames; i++) {
        if (crash->frames[i].ip > start && crash->frames[i].ip < start + FUNCTION_BYTES)
            return i;
    }
    fail_msg("no frame in %s", function);
    return 0;
}

static void assert_signal(const struct rig *rig, const struct tb_crash *crash, int signo)
{
    assert_true(WIFSIGNALED(rig->status));
    assert_int_equal(WTERMSIG(rig->status), signo);
    assert_int_equal(crash->fixed.signo, signo);
    assert_int_equal(crash->fixed.pid, rig->pid);
    assert_false(crash->is_cut);
    assert_int_equal(crash->n_nested, 0);
}

static void null_write_is_recorded_whole(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "story");
    struct tb_crash crash = rig_crash(rig);
    assert_signal(rig, &crash, SIGSEGV);
    assert_int_equal(crash.fixed.code, SEGV_MAPERR);
    assert_int_equal(crash.fixed.fault_address, 16);
    if (strcmp(TEST_SANITIZE, "thread") != 0) /* which sets errno to 99 before each handler */
        assert_int_equal(crash.fixed.err, ENOSPC);
    assert_int_equal(crash.fixed.cr2, 16);
    assert_int_equal(crash.fixed.trap, 14);
    assert_int_equal(crash.fixed.trap_err, 6); /* a write, from user mode */
    assert_int_equal(crash.fixed.tid, rig->pid);
    assert_string_equal(crash.fixed.thread_name, rig->program);
    assert_int_equal(crash.frames[0].ip, crash.fixed.regs[16]);
    assert_int_equal(crash.frames[0].trust, TB_TRUST_CONTEXT);
    assert_in(rig, crash.frames[0].ip, "deed");
    assert_chain(rig, &crash, 1);
    assert_int_equal(crash.frames[1].trust, TB_TRUST_CFI);
    /* The trace. */
    char id[TB_TRACE_ID_TEXT];
    assert_true(crash.has_trace);
    tb_trace_id_text(crash.context.trace.trace_id, id);
    assert_string_equal(id, "0af7651916cd43dd8448eb211c80319c");
    /* The scope, the notes. */
    assert_int_equal(crash.scope_len, sizeof("device\0d-17"));
    assert_memory_equal(crash.scope, "device\0d-17", sizeof("device\0d-17"));
    assert_int_equal(crash.n_notes, 64);
    assert_memory_equal(crash.notes[0].text, "note 6", 6);
    assert_memory_equal(crash.notes[63].text, "note 69", 7);
    assert_int_equal(crash.notes[63].level, 1);
    /* The stack from below sp, the code around ip. */
    uint64_t sp = crash.fixed.regs[15];
    assert_true(crash.stack_address <= sp - 120 && crash.stack_address + crash.stack_len > sp);
    assert_true(crash.stack_len > 1000);
    assert_true(crash.code_address <= crash.fixed.regs[16]);
    assert_int_equal(crash.code_len, 256);
    assert_true(crash.handler_ns > 0);
    tb_crash_done(&crash);
}

static void record_names_its_process(void **state)
{
    struct rig *rig = *state;
    rig->env[0] = "TOWBAR_SERVICE=feedd";
    rig->env[1] = "TOWBAR_VERSION=1.2.3";
    rig->env[2] = "TOWBAR_ENVIRONMENT=staging";
    rig->env[3] = "TOWBAR_ROOT=/src/feedd";
    rig_run(rig, "null");
    const struct rig_record *record = rig_only(rig, TB_KIND_CRASH);
    const struct tb_process *process = &record->process;
    assert_int_equal(record->class_, TB_CLASS_CRASH);
    assert_int_equal(process->pid, rig->pid);
    assert_int_equal(process->uid, geteuid());
    assert_non_null(strstr(process->exe, "/victim"));
    assert_string_equal(process->service, "feedd");
    assert_string_equal(process->version, "1.2.3");
    assert_string_equal(process->environment, "staging");
    assert_string_equal(process->root, "/src/feedd");
    assert_true(process->start_ticks > 0);
    const struct tb_module *module = tb_process_module(process, rig_said(rig, "here", 16));
    assert_non_null(module);
    assert_true(module->flags & TB_MODULE_MAIN);
    assert_string_equal(module->path, process->exe);
    assert_true(module->build_id_len >= 8);
    assert_true(module->eh_frame_hdr > module->lo && module->eh_frame_hdr < module->hi);
}

/* Way, signal, code, whether deed is the innermost frame; the chain must follow in any case. */
static void every_fault_has_its_signal_and_its_chain(void **state)
{
    static const struct {
        const char *way;
        int signo, code, is_deed;
    } rows[] = {{"null", SIGSEGV, SEGV_MAPERR, 1},    {"fpe", SIGFPE, FPE_INTDIV, 1},
                {"ud2", SIGILL, ILL_ILLOPN, 1},       {"int3", SIGTRAP, SI_KERNEL, 1},
                {"bus", SIGBUS, BUS_ADRERR, 1},       {"non-canonical", SIGSEGV, SI_KERNEL, 1},
                {"abort", SIGABRT, SI_TKILL, 0},      {"raise", SIGSEGV, SI_TKILL, 0},
                {"sys", SIGSYS, SI_TKILL, 0},         {"call-null", SIGSEGV, SEGV_MAPERR, 0},
                {"at-exit", SIGSEGV, SEGV_MAPERR, 2}, {"abort-blocked", SIGABRT, SI_TKILL, 0}};
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("%s\n", rows[i].way);
        snprintf(rig->spool, sizeof(rig->spool), "%s/spool-%zu", rig->folder, i);
        rig_run(rig, rows[i].way);
        struct tb_crash crash = rig_crash(rig);
        assert_signal(rig, &crash, rows[i].signo);
        assert_int_equal(crash.fixed.code, rows[i].code);
        if (rows[i].is_deed == 1)
            assert_in(rig, crash.frames[0].ip - (rows[i].signo == SIGTRAP), "deed");
        if (rows[i].is_deed < 2)
            assert_chain(rig, &crash, find_frame(rig, &crash, "here"));
        if (rows[i].code == SI_TKILL)
            assert_int_equal(crash.fixed.sender_pid, rig->pid);
        tb_crash_done(&crash);
    }
}

static void call_of_null_shows_the_caller(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "call-null");
    struct tb_crash crash = rig_crash(rig);
    assert_int_equal(crash.frames[0].ip, 0);
    assert_in(rig, crash.frames[1].ip - 1, "deed");
    assert_in(rig, crash.frames[2].ip - 1, "here");
    tb_crash_done(&crash);
}

static void text_of_an_assertion_is_kept(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "assert");
    struct tb_crash crash = rig_crash(rig);
    char text[512];
    assert_signal(rig, &crash, SIGABRT);
    assert_non_null(crash.abort_text);
    snprintf(text, sizeof(text), "%.*s", (int)crash.abort_len, crash.abort_text);
    rig_assert_has(text, "Assertion `zero == 1 && \"the text of the assertion\"' failed.");
    assert_chain(rig, &crash, find_frame(rig, &crash, "here"));
    tb_crash_done(&crash);
}

static void kill_from_outside_names_the_sender(void **state)
{
    struct rig *rig = *state;
    char path[96];
    rig_start(rig, "killed");
    snprintf(path, sizeof(path), "%s/out", rig->folder);
    do {
        rig_read_file(path, rig->out);
    } while (!strstr(rig->out, "ready") && waitpid(rig->pid, &rig->status, WNOHANG) == 0);
    kill(rig->pid, SIGSEGV);
    rig_finish(rig);
    struct tb_crash crash = rig_crash(rig);
    assert_signal(rig, &crash, SIGSEGV);
    assert_int_equal(crash.fixed.code, SI_USER);
    assert_int_equal(crash.fixed.sender_pid, getpid());
    assert_int_equal(crash.fixed.sender_uid, getuid());
    assert_chain(rig, &crash, find_frame(rig, &crash, "here"));
    tb_crash_done(&crash);
}

static void crash_in_a_thread_has_its_name_and_trace(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "thread");
    struct tb_crash crash = rig_crash(rig);
    assert_signal(rig, &crash, SIGSEGV);
    assert_int_not_equal(crash.fixed.tid, rig->pid);
    assert_string_equal(crash.fixed.thread_name, "worker-7");
    assert_true(crash.has_trace);
    assert_memory_equal(crash.scope, "device\0d-18", sizeof("device\0d-18"));
    assert_chain(rig, &crash, 1);
    tb_crash_done(&crash);
}

/* From the outermost frame, which is none of the recursion, to frames of that. */
static void assert_outer_end(const struct rig *rig, const struct tb_crash *crash)
{
    size_t n_other = 0;
    assert_int_equal(crash->n_outer, TB_CRASH_OUTER_MAX);
    assert_true(crash->depth > TB_CRASH_FRAMES_MAX + TB_CRASH_OUTER_MAX);
    for (size_t i = 0; i + 1 < crash->n_outer; i++)
        assert_true(crash->outer[i].sp > crash->outer[i + 1].sp);
    assert_true(crash->outer[crash->n_outer - 1].sp > crash->frames[crash->n_frames - 1].sp);
    uint64_t deed = rig_said(rig, "deed", 16);
    while (n_other < crash->n_outer && crash->outer[n_other].ip - deed >= FUNCTION_BYTES)
        n_other++;
    assert_true(n_other > 0 && n_other < 16);
    for (size_t i = n_other; i < crash->n_outer; i++)
        assert_in(rig, crash->outer[i].ip - 1, "deed");
}

/* The outer end is looked for as long as there is time, which a busy machine may take all of. */
static struct tb_crash overflow(struct rig *rig, const char *way)
{
    enum { TRIES = 5 };
    for (int i = 0;; i++) {
        snprintf(rig->spool, sizeof(rig->spool), "%s/spool-%s-%d", rig->folder, way, i);
        rig_run(rig, way);
        struct tb_crash crash = rig_crash(rig);
        if (crash.n_outer > 0 || i == TRIES)
            return crash;
        tb_crash_done(&crash);
    }
}

static void stack_overflow_is_recorded(void **state)
{
    struct rig *rig = *state;
    static const char *const ways[] = {"overflow", "thread-overflow"};
    for (size_t i = 0; i < 2; i++) {
        struct tb_crash crash = overflow(rig, ways[i]);
        assert_signal(rig, &crash, SIGSEGV);
        assert_in(rig, crash.frames[0].ip, "deed");
        assert_in(rig, crash.frames[1].ip - 1, "deed");
        assert_int_equal(crash.n_frames, TB_CRASH_FRAMES_MAX);
        assert_true(crash.end_flags & TB_CRASH_FRAMES_CUT);
        assert_true(crash.end_flags & TB_CRASH_STACK_CUT);
        assert_int_equal(crash.stack_len, 64 << 10);
        assert_outer_end(rig, &crash);
        tb_crash_done(&crash);
    }
}

static void many_threads_at_once_make_one_record(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 5; i++) {
        snprintf(rig->spool, sizeof(rig->spool), "%s/spool-%d", rig->folder, i);
        rig_run(rig, "many-threads");
        struct tb_crash crash = rig_crash(rig);
        assert_signal(rig, &crash, SIGSEGV);
        assert_int_equal(crash.fixed.fault_address, 16);
        tb_crash_done(&crash);
    }
}

static void plugin_loaded_after_init_is_named(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "plugin");
    struct tb_crash crash = rig_crash(rig);
    assert_signal(rig, &crash, SIGSEGV);
    assert_in(rig, crash.frames[0].ip, "plugin");
    assert_true(crash.n_frames >= 3);
    const struct tb_process *process = &rig->records[0].process;
    const struct tb_module *module = tb_process_module(process, crash.frames[0].ip);
    assert_non_null(module);
    rig_assert_has(module->path, "/plugin.so");
    assert_true(module->build_id_len >= 8);
    assert_non_null(tb_process_module(process, crash.frames[1].ip));
    assert_true(tb_process_module(process, crash.frames[1].ip)->flags & TB_MODULE_MAIN);
    tb_crash_done(&crash);
}

static void crash_without_descriptors_or_file_size_is_recorded(void **state)
{
    struct rig *rig = *state;
    static const char *const ways[] = {"closed", "file-size"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(rig->spool, sizeof(rig->spool), "%s/spool-%zu", rig->folder, i);
        rig_run(rig, ways[i]);
        struct tb_crash crash = rig_crash(rig);
        assert_signal(rig, &crash, SIGSEGV);
        tb_crash_done(&crash);
    }
}

static void archive_records_as_the_shared_library_does(void **state)
{
    struct rig *rig = *state;
    rig->program = "victim_static";
    null_write_is_recorded_whole(state);
    snprintf(rig->spool, sizeof(rig->spool), "%s/spool-2", rig->folder);
    crash_in_a_thread_has_its_name_and_trace(state);
}

static void handler_never_calls_malloc(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "no-malloc");
    assert_null(strstr(rig->out, "malloc was called"));
    assert_true(WIFSIGNALED(rig->status));
    assert_int_equal(WTERMSIG(rig->status), SIGSEGV);
    struct tb_crash crash = rig_crash(rig);
    assert_true(crash.n_frames > 3);
    tb_crash_done(&crash);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(null_write_is_recorded_whole),
        CASE(record_names_its_process),
        CASE(every_fault_has_its_signal_and_its_chain),
        CASE(call_of_null_shows_the_caller),
        CASE(text_of_an_assertion_is_kept),
        CASE(kill_from_outside_names_the_sender),
        CASE(crash_in_a_thread_has_its_name_and_trace),
        CASE(stack_overflow_is_recorded),
        CASE(many_threads_at_once_make_one_record),
        CASE(plugin_loaded_after_init_is_named),
        CASE(crash_without_descriptors_or_file_size_is_recorded),
        CASE(archive_records_as_the_shared_library_does),
        CASE(handler_never_calls_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
