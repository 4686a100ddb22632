/* test_worker.c - the symbolizer as a process behind a socket. */
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/pack.h"

enum { RECORD_BYTES = 64 << 10 };

static struct subject subject;
static uint8_t record[RECORD_BYTES]; /* of the subject's process */
static size_t record_len;
static char reply[8 + TB_SYMBOL_REPLY_MAX];

struct peer {
    int fd;
    pid_t pid;
};

static struct peer start_worker(void)
{
    int pair[2];
    struct peer peer = {.fd = -1};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    peer.pid = fork();
    if (peer.pid == 0) {
        close(pair[0]);
        _exit(tb_symbol_worker(pair[1]));
    }
    assert_true(peer.pid > 0);
    close(pair[1]);
    peer.fd = pair[0];
    return peer;
}

/* Ends the worker by closing its socket. Returns the exit code, or -signal. */
static int stop_worker(struct peer *peer)
{
    int status;
    close(peer->fd);
    assert_int_equal(waitpid(peer->pid, &status, 0), peer->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void send_header(const struct peer *peer, uint32_t magic, uint32_t op, size_t process_len,
                        size_t body_len)
{
    uint8_t header[TB_SYMBOL_HEADER_BYTES];
    tb_put32(header, magic);
    tb_put32(header + 4, op);
    tb_put32(header + 8, (uint32_t)process_len);
    tb_put32(header + 12, (uint32_t)body_len);
    assert_int_equal(tb_fd_write_all(peer->fd, header, sizeof(header)), 0);
}

static void read_all(const struct peer *peer, char *out, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = read(peer->fd, out + done, len - done);
        assert_true(n > 0);
        done += (size_t)n;
    }
}

/* The error of the next answer; its JSON is in reply then. */
static int read_answer(const struct peer *peer)
{
    char header[8];
    read_all(peer, header, sizeof(header));
    uint32_t len = tb_get32(header + 4);
    assert_true(len <= TB_SYMBOL_REPLY_MAX);
    read_all(peer, reply, len);
    reply[len] = '\0';
    return (int32_t)tb_get32(header);
}

static int ask_worker(const struct peer *peer, uint32_t op, const void *process, size_t process_len,
                      const void *body, size_t body_len)
{
    send_header(peer, TB_SYMBOL_MAGIC, op, process_len, body_len);
    assert_int_equal(tb_fd_write_all(peer->fd, process, process_len), 0);
    assert_int_equal(tb_fd_write_all(peer->fd, body, body_len), 0);
    return read_answer(peer);
}

static int configure(const struct peer *peer, const char *text)
{
    return ask_worker(peer, TB_SYMBOL_CONFIG, "", 0, text, strlen(text));
}

/* Asks for the addresses of the subject, and looks at the innermost. */
static void expect_names(const struct peer *peer, bool with_source)
{
    uint8_t body[SUBJECT_ADDRESSES_MAX * 8];
    for (size_t i = 0; i < subject.n_addresses; i++)
        tb_put64(body + i * 8, subject.addresses[i]);
    assert_int_equal(
        ask_worker(peer, TB_SYMBOL_ADDRESSES, record, record_len, body, subject.n_addresses * 8),
        0);
    cJSON *answer = cJSON_Parse(reply);
    assert_non_null(answer);
    const cJSON *frame = frame_at(answer, 0);
    assert_string_equal(text_of(frame, "method"), "innermost");
    assert_int_equal(number_of(frame, "lineno"), line_of("chain.c", "innermost"));
    if (with_source)
        assert_non_null(strstr(text_of(frame, "code"), "mark: innermost"));
    else
        assert_null(cJSON_GetObjectItem(frame, "code"));
    assert_string_equal(text_of(frame_at(answer, 4), "method"), "main");
    assert_int_equal(n_frames_of(answer), 5);
    cJSON_Delete(answer);
}

static void worker_answers_until_the_socket_ends(void **state)
{
    struct peer peer = start_worker();
    (void)state;
    expect_names(&peer, false);
    assert_int_equal(configure(&peer, "source_root=" DATA "\ncontext_lines=1\n"), 0);
    expect_names(&peer, true);
    expect_names(&peer, true);
    assert_int_equal(stop_worker(&peer), 0);
}

static void lines_of_a_file_newer_than_the_program_are_not_shown(void **state)
{
    const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
    const struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    struct peer peer = start_worker();
    (void)state;
    assert_int_equal(configure(&peer, "source_root=" DATA "\n"), 0);
    assert_int_equal(utimensat(AT_FDCWD, subject.path, old, 0), 0);
    expect_names(&peer, false);
    assert_non_null(strstr(reply, "\"code_note\":\"chain.c is newer than chain: its lines"));
    assert_int_equal(utimensat(AT_FDCWD, subject.path, now, 0), 0);
    expect_names(&peer, true);
    assert_null(strstr(reply, "code_note"));
    assert_int_equal(stop_worker(&peer), 0);
}

static size_t put_chunk(uint8_t *at, uint16_t tag, const void *data, size_t len)
{
    tb_chunk_header(tag, len, at);
    memcpy(at + TB_CHUNK_HEADER_BYTES, data, len);
    return tb_chunk_room(len);
}

static void a_worker_in_its_sandbox_names_a_thousand_threads(void **state)
{
    enum { N_CRASH_THREADS = 1000, IP = 16, SP = 15, STACK = 0x10000 };
    (void)state;
    struct peer peer = start_worker();
    uint8_t *body = calloc(N_CRASH_THREADS + 2, 512);
    assert_non_null(body);
    uint8_t bytes[TB_CRASH_THREAD_BYTES + SUBJECT_ADDRESSES_MAX * 8];
    struct tb_crash_fixed fixed = {.signo = SIGSEGV};
    fixed.regs[IP] = subject.addresses[0] - 1; /* in the call */
    tb_crash_fixed_pack(&fixed, bytes);
    size_t len = put_chunk(body, TB_CRASH_FIXED, bytes, TB_CRASH_FIXED_BYTES);
    for (uint32_t i = 0; i < N_CRASH_THREADS; i++) {
        struct tb_crash_thread thread = {.tid = i, .stack_address = STACK, .name = "pool"};
        thread.regs[IP] = subject.addresses[0] - 1 - i % 4;
        thread.regs[SP] = STACK;
        tb_crash_thread_pack(&thread, bytes);
        for (size_t k = 0; k < subject.n_addresses && k < 16; k++)
            tb_put64(bytes + TB_CRASH_THREAD_BYTES + k * 8, subject.addresses[k]);
        len +=
            put_chunk(body + len, TB_CRASH_THREAD, bytes, TB_CRASH_THREAD_BYTES + (size_t)16 * 8);
    }
    assert_int_equal(ask_worker(&peer, TB_SYMBOL_CRASH, record, record_len, body, len), 0);
    cJSON *answer = cJSON_Parse(reply);
    int n = number_of(answer, "threads_omitted");
    const cJSON *group;
    assert_true(cJSON_HasObjectItem(answer, "threads"));
    cJSON_ArrayForEach(group, cJSON_GetObjectItem(answer, "threads"))
    {
        n += cJSON_GetArraySize(cJSON_GetObjectItem(group, "tids"));
        assert_string_equal(text_of(frame_at(group, 0), "method"), "innermost");
    }
    assert_int_equal(n, N_CRASH_THREADS);
    assert_string_equal(text_of(frame_at(answer, 0), "method"), "innermost");
    cJSON_Delete(answer);
    free(body);
    expect_names(&peer, false);
    assert_int_equal(stop_worker(&peer), 0);
}

static void bad_questions_get_an_error_and_the_next_one_its_answer(void **state)
{
    struct peer peer = start_worker();
    uint8_t garbage[4096];
    (void)state;
    memset(garbage, 0xa5, sizeof(garbage));
    assert_int_equal(configure(&peer, "colour=red\n"), -EINVAL);
    assert_int_equal(ask_worker(&peer, 77, "", 0, "", 0), -EINVAL);
    assert_int_equal(ask_worker(&peer, TB_SYMBOL_ADDRESSES, garbage, 4096, garbage, 4096),
                     -EBADMSG);
    assert_int_equal(ask_worker(&peer, TB_SYMBOL_CRASH, record, record_len, garbage, 4096),
                     -EBADMSG);
    assert_int_equal(ask_worker(&peer, TB_SYMBOL_CRASH, record, record_len, "", 0), -EBADMSG);
    assert_int_equal(ask_worker(&peer, TB_SYMBOL_ADDRESSES, record, record_len, "", 0), 0);
    cJSON *answer = cJSON_Parse(reply);
    assert_int_equal(n_frames_of(answer), 0);
    cJSON_Delete(answer);
    assert_int_equal(ask_worker(&peer, TB_SYMBOL_ADDRESSES, record, record_len, garbage, 4095), 0);
    expect_names(&peer, false);
    assert_int_equal(stop_worker(&peer), 0);
}

static void what_is_no_question_ends_the_worker(void **state)
{
    static const struct {
        uint32_t magic;
        size_t process_len, body_len;
        int err;
    } cases[] = {
        {0x12345678, 0, 0, -EBADMSG},
        {TB_SYMBOL_MAGIC, TB_SYMBOL_BODY_MAX + 1, 0, -EMSGSIZE},
        {TB_SYMBOL_MAGIC, 0, UINT32_MAX, -EMSGSIZE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char rest;
        struct peer peer = start_worker();
        send_header(&peer, cases[i].magic, TB_SYMBOL_ADDRESSES, cases[i].process_len,
                    cases[i].body_len);
        assert_int_equal(read_answer(&peer), cases[i].err);
        assert_int_equal(read(peer.fd, &rest, 1), 0);
        assert_int_equal(stop_worker(&peer), 1);
    }
    struct peer peer = start_worker();
    send_header(&peer, TB_SYMBOL_MAGIC, TB_SYMBOL_ADDRESSES, 100, 100);
    assert_int_equal(shutdown(peer.fd, SHUT_WR), 0); /* in the middle of a question */
    assert_int_equal(read_answer(&peer), -EBADMSG);
    assert_int_equal(stop_worker(&peer), 1);
}

static void more_addresses_than_a_stack_has_are_cut(void **state)
{
    struct peer peer = start_worker();
    size_t len = TB_SYMBOL_BODY_MAX;
    uint8_t *body = malloc(len);
    (void)state;
    assert_non_null(body);
    for (size_t i = 0; i + 8 <= len; i += 8)
        tb_put64(body + i, subject.addresses[i / 8 % 3]);
    assert_int_equal(ask_worker(&peer, TB_SYMBOL_ADDRESSES, record, record_len, body, len), 0);
    cJSON *answer = cJSON_Parse(reply);
    assert_int_equal(n_frames_of(answer), 256);
    assert_true(is_set(answer, "cut"));
    cJSON_Delete(answer);
    free(body);
    assert_int_equal(stop_worker(&peer), 0);
}

/* What the answer says of the symbols of the subject. */
static void expect_symbols(const struct peer *peer, const char *symbols)
{
    uint8_t body[8];
    tb_put64(body, subject.addresses[0]);
    assert_int_equal(ask_worker(peer, TB_SYMBOL_ADDRESSES, record, record_len, body, sizeof(body)),
                     0);
    cJSON *answer = cJSON_Parse(reply);
    assert_string_equal(symbols_of(answer, "chain"), symbols);
    cJSON_Delete(answer);
}

static void file_replaced_between_questions_is_noticed(void **state)
{
    struct peer peer = start_worker();
    char path[512];
    char kept[512];
    char probe[512];
    (void)state;
    expect_names(&peer, false);
    assert_int_equal(rename(in_folder(path, "chain"), in_folder(kept, "kept")), 0);
    expect_symbols(&peer, "unreadable");
    RUN(c_compiler(), "-g", "-O0", CHAIN_C, in_folder(probe, "probe.o"), "-o", path);
    expect_symbols(&peer, "changed");
    assert_int_equal(rename(kept, path), 0);
    expect_symbols(&peer, "debug");
    expect_names(&peer, false);
    assert_int_equal(stop_worker(&peer), 0);
}

/* Seen from outside, in /proc: the limits hold. */
static void worker_has_no_more_than_it_needs(void **state)
{
    char path[64];
    struct tb_buf text;
    struct peer peer = start_worker();
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    (void)stop_worker(&peer);
    skip(); /* a sanitizer needs more */
#endif
    expect_names(&peer, false);
    tb_buf_init(&text, 65536);
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)peer.pid);
    assert_int_equal(tb_fd_slurp(AT_FDCWD, path, &text), 0);
    assert_non_null(strstr(text.data, "NoNewPrivs:\t1"));
    assert_non_null(strstr(text.data, "Seccomp:\t2"));
    tb_buf_reset(&text);
    (void)snprintf(path, sizeof(path), "/proc/%d/limits", (int)peer.pid);
    assert_int_equal(tb_fd_slurp(AT_FDCWD, path, &text), 0);
    assert_non_null(strstr(text.data, "Max core file size        0 "));
    assert_non_null(strstr(text.data, "Max address space         2147483648 "));
    assert_non_null(strstr(text.data, "Max open files            256 "));
    tb_buf_done(&text);
    assert_int_equal(stop_worker(&peer), 0);
}

static int set_up(void **state)
{
    char path[512];
    char probe[512];
    if (make_folder(state) != 0)
        return -1;
    RUN(c_compiler(), "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN(c_compiler(), "-g", "-O2", CHAIN_C, probe, "-o", in_folder(path, "chain"));
    run_subject(path, &subject);
    record_len = tb_process_pack(&subject.process, record, sizeof(record));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worker_answers_until_the_socket_ends),
        cmocka_unit_test(lines_of_a_file_newer_than_the_program_are_not_shown),
        cmocka_unit_test(a_worker_in_its_sandbox_names_a_thousand_threads),
        cmocka_unit_test(bad_questions_get_an_error_and_the_next_one_its_answer),
        cmocka_unit_test(what_is_no_question_ends_the_worker),
        cmocka_unit_test(more_addresses_than_a_stack_has_are_cut),
        cmocka_unit_test(file_replaced_between_questions_is_noticed),
        cmocka_unit_test(worker_has_no_more_than_it_needs),
    };
    return cmocka_run_group_tests(tests, set_up, remove_folder);
}
