/* test_offline.c - a process dies for real; its stack is walked again from the record alone, and
 * must come out as it did in the process. */
#include "support.h"

#include <signal.h>
#include <sys/mman.h>

#include "base/pack.h"
#include "self.h"
#include "symbol/stack/offline.h"

enum { RECORD_BYTES = 128 << 10, STACK_BYTES = 48 << 10, RED_ZONE = 128, FRAMES = 128 };

/* Shared with the child that dies. */
static struct {
    uint8_t record[RECORD_BYTES];
    size_t len;
} * shared;

static volatile int sink;
static volatile uintptr_t zero;

static void add_chunk(uint16_t tag, const void *data, size_t len)
{
    if (shared->len + tb_chunk_room(len) > RECORD_BYTES)
        return;
    uint8_t *at = shared->record + shared->len;
    tb_chunk_header(tag, len, at);
    memcpy(at + TB_CHUNK_HEADER_BYTES, data, len);
    shared->len += tb_chunk_room(len);
}

static void add_stack(uint64_t from)
{
    static uint8_t bytes[8 + STACK_BYTES];
    size_t len = 0;
    tb_put64(bytes, from);
    while (len < STACK_BYTES && live_read(NULL, from + len, bytes + 8 + len, 64) == 0)
        len += 64;
    add_chunk(TB_CRASH_STACK, bytes, 8 + len);
}

static void add_frames(const ucontext_t *context)
{
    static struct tb_unwind_frame frames[FRAMES];
    static uint8_t bytes[FRAMES * 24];
    size_t n = tb_unwind_walk(&live.ops, live_regs(context), 1, frames, FRAMES, NULL);
    for (size_t i = 0; i < n; i++) {
        tb_put64(bytes + i * 24, frames[i].ip);
        tb_put64(bytes + i * 24 + 8, frames[i].sp);
        tb_put64(bytes + i * 24 + 16, (uint64_t)frames[i].trust);
    }
    add_chunk(TB_CRASH_FRAMES, bytes, n * 24);
}

static void on_fault(int signo, siginfo_t *info, void *arg)
{
    const ucontext_t *context = arg;
    struct tb_crash_fixed fixed = {.signo = signo, .fault_address = (uint64_t)(uintptr_t)info};
    uint8_t packed[TB_CRASH_FIXED_BYTES];
    uint8_t end[16] = {0};
    struct tb_unwind_regs regs = live_regs(context);
    fixed.regs[16] = regs.ip; /* where gregset_t of x86-64 has them */
    fixed.regs[15] = regs.sp;
    fixed.regs[10] = regs.bp;
    tb_crash_fixed_pack(&fixed, packed);
    add_chunk(TB_CRASH_FIXED, packed, sizeof(packed));
    add_frames(context);
    add_stack(regs.sp - RED_ZONE);
    add_chunk(TB_CRASH_END, end, sizeof(end));
    _exit(0);
}

#define FAULT __asm__ volatile("movl $1, 0" ::: "memory")

static void write_null(void)
{
    FAULT; /* mark: write_null */
}

static void call_null(void)
{
    void (*nothing)(void) = (void (*)(void))(uintptr_t)zero;
    nothing();
    sink = 1;
}

static int compare_and_fault(const void *a, const void *b)
{
    if (sink++ > 2)
        FAULT;
    return *(const int *)a - *(const int *)b;
}

static void fault_in_qsort(void)
{
    int numbers[] = {4, 2, 9, 1, 7};
    sink = 0;
    qsort(numbers, 5, sizeof(numbers[0]), compare_and_fault);
    sink = 2;
}

static void on_user_signal(int signo)
{
    (void)signo;
    write_null();
}

static void fault_in_handler(void)
{
    struct sigaction action = {.sa_handler = on_user_signal};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    sink = 3;
}

__attribute__((noinline)) static void wait_for_claim(void)
{
    FAULT;
    sink = 5;
}

static void tb_crash_handle(int signo)
{
    (void)signo;
    wait_for_claim();
    sink = 6;
}

static void fault_in_crash_handler(void)
{
    struct sigaction action = {.sa_handler = tb_crash_handle};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    sink = 7;
}

static void ruin_bp(void)
{
    __asm__ volatile("movq $0x41414141, %%rbp\n\tmovl $1, 0" ::: "memory");
}

__attribute__((noinline)) static void caller(void (*fault)(void))
{
    fault();
    sink = 4;
}

/* What a child that runs fault leaves behind. */
static void die(void (*fault)(void), struct tb_crash *out)
{
    int status;
    shared->len = 0;
    pid_t pid = fork();
    if (pid == 0) {
        static char stack[1 << 16];
        stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
        struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigaltstack(&alternate, NULL);
        sigaction(SIGSEGV, &action, NULL);
        caller(fault);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(tb_crash_unpack(shared->record, shared->len, out), 0);
}

static void offline_frames_equal_those_found_in_the_process(void **state)
{
    static void (*const faults[])(void) = {write_null, call_null, fault_in_qsort, fault_in_handler,
                                           ruin_bp};
    (void)state;
    for (size_t k = 0; k < sizeof(faults) / sizeof(faults[0]); k++) {
        struct tb_crash crash;
        struct tb_symbol_cache cache;
        struct tb_symbol_modules opened;
        struct tb_symbol_stack_found found;
        die(faults[k], &crash);
        tb_symbol_cache_init(&cache);
        assert_int_equal(tb_symbol_modules_init(&cache, &config, &process, &opened), 0);
        tb_symbol_offline_unwind(&opened, &crash, &found);
        assert_false(found.by_process);
        assert_false(found.cut);
        assert_int_equal(found.n, crash.n_frames);
        assert_true(found.n > 5);
        for (size_t i = 0; i < found.n; i++) {
            assert_int_equal(found.frames[i].ip, crash.frames[i].ip);
            assert_int_equal(found.frames[i].trust, crash.frames[i].trust);
        }
        tb_symbol_modules_done(&opened);
        tb_symbol_cache_done(&cache);
        tb_crash_done(&crash);
    }
}

static void crash_is_named_down_to_the_faulting_line(void **state)
{
    struct tb_crash crash;
    (void)state;
    die(write_null, &crash);
    cJSON *answer = ask_crash(&crash);
    const cJSON *fault = frame_at(answer, 0);
    assert_string_equal(text_of(fault, "method"), "write_null");
    assert_string_equal(text_of(fault, "filename"),
                        TEST_SOURCE "/tests/symbol/stack/test_offline.c");
    assert_non_null(strstr(text_of(fault, "code"), "mark: write_null"));
    assert_string_equal(text_of(fault, "trust"), "context");
    const cJSON *context = cJSON_GetObjectItem(fault, "context");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(context, "pre")), 3);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(context, "post")), 3);
    assert_string_equal(text_of(frame_at(answer, 1), "method"), "caller");
    assert_string_equal(text_of(frame_at(answer, n_frames_of(answer) - 1), "method"), "main");
    assert_string_equal(text_of(answer, "unwound_by"), "agent");
    cJSON_Delete(answer);
    tb_crash_done(&crash);
}

static void signal_handler_returns_through_a_frame_of_the_library(void **state)
{
    struct tb_crash crash;
    int i = 0;
    (void)state;
    die(fault_in_handler, &crash);
    for (size_t k = 0; k < 2; k++) {
        cJSON *answer = ask_crash(&crash);
        for (i = 0; i < n_frames_of(answer); i++) {
            if (strcmp(text_of(frame_at(answer, i), "method"), "__restore_rt") == 0)
                break;
        }
        assert_int_equal(i, 2); /* behind write_null and the handler */
        assert_true(cJSON_IsFalse(cJSON_GetObjectItem(frame_at(answer, i), "in_app")));
        assert_string_equal(text_of(answer, "unwound_by"), k == 0 ? "agent" : "process");
        cJSON_Delete(answer);
        crash.stack_len = 0; /* and by the list that the process made */
    }
    tb_crash_done(&crash);
}

static void thread_in_the_crash_handler_crashed_too(void **state)
{
    struct tb_crash crash;
    (void)state;
    die(fault_in_crash_handler, &crash);
    struct tb_crash_thread thread = {.tid = 7,
                                     .stack_address = crash.stack_address,
                                     .stack = crash.stack,
                                     .stack_len = crash.stack_len};
    memcpy(thread.regs, crash.fixed.regs, sizeof(thread.regs));
    struct tb_crash_thread *none = crash.threads;
    crash.threads = &thread;
    crash.n_threads = 1;
    cJSON *answer = ask_crash(&crash);
    const cJSON *group = cJSON_GetArrayItem(cJSON_GetObjectItem(answer, "threads"), 0);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(group, "crashed")));
    assert_null(cJSON_GetObjectItem(group, "waits_in"));
    assert_true(n_frames_of(group) > 2);
    for (int i = 0; i < n_frames_of(group); i++) {
        const char *method = text_of(frame_at(group, i), "method");
        assert_string_not_equal(method, "wait_for_claim");
        assert_string_not_equal(method, "tb_crash_handle");
        assert_string_not_equal(method, "__restore_rt");
    }
    cJSON_Delete(answer);
    crash.threads = none;
    crash.n_threads = 0;
    tb_crash_done(&crash);
}

static void call_of_null_has_a_frame_of_its_own_and_its_caller(void **state)
{
    struct tb_crash crash;
    (void)state;
    die(call_null, &crash);
    cJSON *answer = ask_crash(&crash);
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "<unknown>");
    assert_string_equal(text_of(frame_at(answer, 0), "filename"), "<unknown>");
    assert_string_equal(text_of(frame_at(answer, 0), "address"), "0x0");
    assert_string_equal(text_of(frame_at(answer, 1), "method"), "call_null");
    cJSON_Delete(answer);
    tb_crash_done(&crash);
}

static void list_of_the_process_is_taken_when_there_is_no_stack(void **state)
{
    struct tb_crash crash;
    (void)state;
    die(write_null, &crash);
    crash.stack_len = 0;
    cJSON *answer = ask_crash(&crash);
    assert_string_equal(text_of(answer, "unwound_by"), "process");
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "write_null");
    assert_string_equal(text_of(frame_at(answer, 1), "method"), "caller");
    assert_string_equal(text_of(frame_at(answer, 1), "trust"), "cfi");
    cJSON_Delete(answer);
    tb_crash_done(&crash);
}

static void list_of_the_process_is_taken_when_the_program_was_replaced(void **state)
{
    struct tb_crash crash;
    (void)state;
    die(write_null, &crash);
    struct tb_module *program = process.modules;
    while (!(program->flags & TB_MODULE_MAIN))
        program++;
    if (program->build_id_len == 0)
        program->build_id_len = 20; /* a linker that gives none */
    program->build_id[0] ^= 1;
    cJSON *answer = ask_crash(&crash);
    program->build_id[0] ^= 1;
    assert_string_equal(text_of(answer, "unwound_by"), "process");
    assert_string_equal(symbols_of(answer, "symbol_test_offline"), "changed");
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "<unknown>");
    cJSON_Delete(answer);
    tb_crash_done(&crash);
}

static void outer_end_of_a_deep_stack_is_put_behind_what_was_unwound(void **state)
{
    struct tb_crash crash;
    struct tb_symbol_cache cache;
    struct tb_symbol_modules opened;
    struct tb_symbol_stack_found found;
    (void)state;
    die(write_null, &crash);
    size_t n = crash.n_frames;
    crash.n_outer = 4;
    crash.depth = 1000;
    for (size_t i = 0; i < crash.n_outer; i++)
        crash.outer[i] = crash.frames[n - 1 - i];
    tb_symbol_cache_init(&cache);
    assert_int_equal(tb_symbol_modules_init(&cache, &config, &process, &opened), 0);
    tb_symbol_offline_unwind(&opened, &crash, &found);
    assert_int_equal(found.n, n); /* the end was met */
    assert_int_equal(found.gap.at, 0);
    crash.stack_len = 0;
    crash.n_frames = 2;
    tb_symbol_offline_unwind(&opened, &crash, &found);
    assert_int_equal(found.n, 6);
    assert_int_equal(found.gap.at, 2);
    assert_int_equal(found.gap.n_left_out, 994);
    assert_true(found.cut);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(found.frames[2 + i].ip, crash.frames[n - 4 + i].ip);
    tb_symbol_modules_done(&opened);
    tb_symbol_cache_done(&cache);
    cJSON *answer = ask_crash(&crash);
    int n_shown = n_frames_of(answer);
    assert_int_equal(number_of(answer, "frames_omitted"), 994);
    assert_int_equal(number_of(answer, "frames_oldest"), n_shown - 2);
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "write_null");
    assert_string_equal(text_of(frame_at(answer, n_shown - 1), "method"), "main");
    cJSON_Delete(answer);
    tb_crash_done(&crash);
}

static void frames_that_go_are_next_to_the_gap(void **state)
{
    static struct tb_symbol_raw raw[TB_SYMBOL_RAW_MAX];
    struct tb_symbol_cache cache;
    struct tb_symbol_modules opened;
    (void)state;
    tb_symbol_cache_init(&cache);
    assert_int_equal(tb_symbol_modules_init(&cache, &config, &process, &opened), 0);
    for (size_t i = 0; i < TB_SYMBOL_RAW_MAX; i++)
        raw[i] = (struct tb_symbol_raw){.ip = 1000 + i, .trust = TB_SYMBOL_TRUST_UNKNOWN};
    for (size_t at = 1; at < TB_SYMBOL_RAW_MAX; at += 30) {
        struct tb_symbol_frames made;
        const struct tb_symbol_gap gap = {at, 70};
        assert_int_equal(tb_symbol_frames_make_far(&opened, raw, TB_SYMBOL_RAW_MAX,
                                                   TB_SYMBOL_STACK_CRASH, &gap, &made),
                         0);
        assert_int_equal(made.n, TB_SYMBOL_FRAMES_SHOWN);
        assert_int_equal(made.n_left_out, 70 + TB_SYMBOL_RAW_MAX - made.n);
        for (size_t i = 0; i < made.gap; i++)
            assert_int_equal(made.items[i].ip, 1000 + i);
        for (size_t i = made.gap; i < made.n; i++)
            assert_int_equal(made.items[i].ip, 1000 + TB_SYMBOL_RAW_MAX - made.n + i);
        assert_true(made.gap <= at && made.n - made.gap <= TB_SYMBOL_RAW_MAX - at);
        tb_symbol_frames_done(&made);
    }
    tb_symbol_modules_done(&opened);
    tb_symbol_cache_done(&cache);
}

static void nonsense_in_a_record_is_only_nonsense_in_the_answer(void **state)
{
    struct tb_crash crash;
    unsigned seed = 1;
    const int n_rounds = getenv("TOWBAR_LONG") ? 60 : 8;
    (void)state;
    die(write_null, &crash);
    for (int round = 0; round < n_rounds; round++) {
        struct tb_crash bad = crash;
        uint8_t *stack = malloc(crash.stack_len);
        assert_non_null(stack);
        memcpy(stack, crash.stack, crash.stack_len);
        bad.stack = stack;
        for (int i = 0; i < 40; i++) {
            seed = seed * 1103515245 + 12345;
            stack[(seed >> 8) % 1024 % crash.stack_len] = (uint8_t)(seed >> 16);
        }
        bad.fixed.regs[(seed >> 4) % TB_CRASH_N_REGS] ^= UINT64_C(1) << (seed % 64);
        cJSON *answer = ask_crash(&bad);
        assert_true(n_frames_of(answer) > 0);
        cJSON_Delete(answer);
        free(stack);
    }
    tb_crash_done(&crash);
}

static int set_up(void **state)
{
    (void)state;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED ? -1 : self_init();
}

static int tear_down(void **state)
{
    (void)state;
    self_done();
    return munmap(shared, sizeof(*shared));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offline_frames_equal_those_found_in_the_process),
        cmocka_unit_test(crash_is_named_down_to_the_faulting_line),
        cmocka_unit_test(signal_handler_returns_through_a_frame_of_the_library),
        cmocka_unit_test(thread_in_the_crash_handler_crashed_too),
        cmocka_unit_test(call_of_null_has_a_frame_of_its_own_and_its_caller),
        cmocka_unit_test(list_of_the_process_is_taken_when_there_is_no_stack),
        cmocka_unit_test(list_of_the_process_is_taken_when_the_program_was_replaced),
        cmocka_unit_test(outer_end_of_a_deep_stack_is_put_behind_what_was_unwound),
        cmocka_unit_test(frames_that_go_are_next_to_the_gap),
        cmocka_unit_test(nonsense_in_a_record_is_only_nonsense_in_the_answer),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
