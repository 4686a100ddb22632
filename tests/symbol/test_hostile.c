/* test_hostile.c - ELF files that were cut or have flipped bits, each read by a child of its own:
 * whatever becomes of it, it ends soon, and what it answers is JSON. */
#include "support.h"

#include <signal.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/fd.h"
#include "symbol/answer/answer.h"

enum { CUTS = 60, FLIPPED_FILES = 300, CPU_S_MAX = 10 };

static struct tb_symbol_config config;
static struct subject subject;
static struct tb_buf original;
static int n_ended_early;

/* A stack on which the addresses of the subject lie, to be walked with its unwind data. */
static int answer_crash(struct tb_symbol_cache *cache, struct tb_json *json)
{
    static uint8_t stack[4096];
    struct tb_crash crash = {.stack = stack, .stack_len = sizeof(stack), .stack_address = 0x10000};
    for (size_t i = 0; i < sizeof(stack) / 8; i++)
        memcpy(stack + i * 8, &subject.addresses[i % subject.n_addresses], 8);
    crash.fixed.regs[16] = subject.addresses[0];
    crash.fixed.regs[15] = 0x10000;
    crash.fixed.regs[10] = 0x10100;
    return tb_symbol_answer_crash(cache, &config, &subject.process, &crash, json);
}

/* Addresses, the crash, and the addresses again, from files that stay open: the last answer is the
 * first one. */
static int answer_all(void)
{
    static char replies[3][REPLY_BYTES];
    struct tb_symbol_cache cache;
    struct tb_json json;
    tb_symbol_cache_init(&cache);
    for (int round = 0; round < 3; round++) {
        tb_json_init(&json, replies[round], sizeof(replies[round]));
        int err = round == 1
                      ? answer_crash(&cache, &json)
                      : tb_symbol_answer_addresses(&cache, &config, &subject.process,
                                                   subject.addresses, subject.n_addresses, &json);
        if (err != 0 || tb_json_finish(&json) != 0)
            return 3;
        cJSON *answer = cJSON_Parse(replies[round]);
        if (!answer || n_frames_of(answer) == 0)
            return 4;
        cJSON_Delete(answer);
    }
    tb_symbol_cache_done(&cache);
    return strcmp(replies[0], replies[2]) == 0 ? 0 : 5;
}

/* Ends by itself, or by a fault; never by the clock. */
static void read_in_a_child(const char *data, size_t len)
{
    int status;
    struct rlimit cpu = {.rlim_cur = CPU_S_MAX, .rlim_max = CPU_S_MAX + 1};
    int fd = open(subject.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    assert_true(fd >= 0);
    assert_int_equal(tb_fd_write_all(fd, data, len), 0);
    close(fd);
    pid_t pid = fork();
    if (pid == 0) {
        int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null_fd, 2); /* what a sanitizer has to say about libdw */
        setrlimit(RLIMIT_CPU, &cpu);
        _exit(answer_all());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        assert_int_not_equal(WTERMSIG(status), SIGXCPU);
        assert_int_not_equal(WTERMSIG(status), SIGKILL);
        n_ended_early++;
    } else if (WEXITSTATUS(status) != 0) {
        assert_int_not_equal(WEXITSTATUS(status), 3);
        assert_int_not_equal(WEXITSTATUS(status), 4);
        assert_int_not_equal(WEXITSTATUS(status), 5);
        n_ended_early++;
    }
}

static void whole_file_is_answered(void **state)
{
    (void)state;
    n_ended_early = 0;
    read_in_a_child(original.data, original.len);
    assert_int_equal(n_ended_early, 0);
}

static void cut_files_end_soon(void **state)
{
    (void)state;
    n_ended_early = 0;
    for (size_t i = 0; i < CUTS; i++)
        read_in_a_child(original.data, original.len * i / CUTS);
    for (size_t len = 0; len < 1024; len += 61)
        read_in_a_child(original.data, len);
    assert_int_equal(n_ended_early, 0);
}

static void files_with_flipped_bytes_end_soon(void **state)
{
    unsigned seed = 20240607;
    (void)state;
    char *copy = malloc(original.len);
    assert_non_null(copy);
    n_ended_early = 0;
    for (int round = 0; round < FLIPPED_FILES; round++) {
        memcpy(copy, original.data, original.len);
        for (int i = 0; i < 1 + round % 40; i++) {
            seed = seed * 1103515245 + 12345;
            size_t at = (seed >> 4) % original.len;
            seed = seed * 1103515245 + 12345;
            copy[at] = (char)(seed >> 16);
        }
        read_in_a_child(copy, original.len);
    }
    free(copy);
    /* libdw 0.188 has faults of its own; they must stay rare. */
    print_message("%d of %d ended by a fault\n", n_ended_early, FLIPPED_FILES);
    assert_true(n_ended_early < FLIPPED_FILES / 10);
}

static void what_is_no_module_is_not_opened(void **state)
{
    static const char *const paths[] = {"/dev/zero", "/proc/self/mem", "/", "relative",
                                        "",          "/etc/../bin/sh"};
    char fifo[512];
    (void)state;
    assert_int_equal(mkfifo(in_folder(fifo, "fifo"), 0666), 0);
    for (size_t i = 0; i <= sizeof(paths) / sizeof(paths[0]); i++) {
        struct subject s = subject;
        bool is_fifo = i == sizeof(paths) / sizeof(paths[0]);
        s.process.modules = s.modules;
        s.modules[0].path = is_fifo ? fifo : paths[i];
        cJSON *answer = ask(&config, &s); /* a FIFO would never return */
        const cJSON *module = cJSON_GetArrayItem(cJSON_GetObjectItem(answer, "modules"), 0);
        assert_string_equal(text_of(module, "symbols"), "unreadable");
        assert_string_equal(text_of(frame_at(answer, 0), "method"), "<unknown>");
        cJSON_Delete(answer);
    }
}

static int set_up(void **state)
{
    char path[512];
    char probe[512];
    if (make_folder(state) != 0)
        return -1;
    default_config(&config);
    RUN(c_compiler(), "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN(c_compiler(), "-g", "-O2", CHAIN_C, probe, "-o", in_folder(path, "victim"));
    run_subject(path, &subject);
    /* Only the program: the others are not touched. */
    for (size_t i = 0; i < subject.process.n_modules; i++) {
        if (subject.modules[i].flags & TB_MODULE_MAIN)
            subject.modules[0] = subject.modules[i];
    }
    subject.process.n_modules = 1;
    subject.process.modules = subject.modules;
    tb_buf_init(&original, 16 << 20);
    return tb_fd_slurp(AT_FDCWD, path, &original);
}

static int tear_down(void **state)
{
    tb_buf_done(&original);
    tb_symbol_config_done(&config);
    return remove_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_file_is_answered),
        cmocka_unit_test(cut_files_end_soon),
        cmocka_unit_test(files_with_flipped_bytes_end_soon),
        cmocka_unit_test(what_is_no_module_is_not_opened),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
