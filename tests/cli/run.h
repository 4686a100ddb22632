/* run.h - runs the tool in this process, its output caught, on a state folder of the test's own. */
#ifndef TESTS_CLI_RUN_H
#define TESTS_CLI_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "store/store.h"

enum { RUN_WORDS = 24, RUN_OUTPUT = 256 << 10 };

struct run {
    char dir[64];
    char state[96], spool[96], socket[96], config[96];
    char out[RUN_OUTPUT], err[RUN_OUTPUT]; /* of the last run */
};

/* Reads a temporary file from its start and closes it. */
static inline void run_take(FILE *file, char *out)
{
    rewind(file);
    size_t len = fread(out, 1, RUN_OUTPUT - 1, file);
    out[len] = '\0';
    fclose(file);
}

/* The tool with these words; the last is NULL. Returns its exit code. */
static inline int run_words(struct run *run, char **words)
{
    int argc = 0;
    while (words[argc] != NULL)
        argc++;
    FILE *out = tmpfile();
    FILE *err = tmpfile();
    assert_non_null(out);
    assert_non_null(err);
    fflush(stdout);
    fflush(stderr);
    int kept_out = dup(STDOUT_FILENO);
    int kept_err = dup(STDERR_FILENO);
    dup2(fileno(out), STDOUT_FILENO);
    dup2(fileno(err), STDERR_FILENO);
    int code = tb_cli_main(argc, words);
    fflush(stdout);
    fflush(stderr);
    dup2(kept_out, STDOUT_FILENO);
    dup2(kept_err, STDERR_FILENO);
    close(kept_out);
    close(kept_err);
    run_take(out, run->out);
    run_take(err, run->err);
    return code;
}

/* towbar WORD... NULL. */
static inline int run_plain(struct run *run, const char *word, ...)
{
    char *words[RUN_WORDS] = {(char[]){"towbar"}};
    int n = 1;
    va_list args;
    va_start(args, word);
    for (; word != NULL; word = va_arg(args, const char *))
        words[n++] = strdup(word);
    va_end(args);
    words[n] = NULL;
    char *owned[RUN_WORDS];
    memcpy(owned, words, sizeof(owned)); /* getopt moves them about */
    int code = run_words(run, words);
    for (int i = 1; i < n; i++)
        free(owned[i]);
    return code;
}

/* The same on the test's own folders. */
#define run_here(run, ...)                                                                         \
    run_plain((run), __VA_ARGS__, "--config", (run)->config, "--state-dir", (run)->state,          \
              "--spool", (run)->spool, "--socket", (run)->socket, NULL)

static inline int run_setup(void **state)
{
    static const char *const foreign[] = {"TOWBAR_SPOOL",         "TOWBAR_SOCKET",
                                          "ROLLBAR_ACCESS_TOKEN", "ROLLBAR_ENDPOINT",
                                          "ROLLBAR_ENVIRONMENT",  "NO_COLOR"};
    struct run *run = calloc(1, sizeof(*run));
    if (run == NULL)
        return -1;
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        unsetenv(foreign[i]);
    strcpy(run->dir, "/tmp/towbar-cli.XXXXXX");
    if (mkdtemp(run->dir) == NULL)
        return -1;
    snprintf(run->state, sizeof(run->state), "%s/state", run->dir);
    snprintf(run->spool, sizeof(run->spool), "%s/spool", run->dir);
    snprintf(run->socket, sizeof(run->socket), "%s/towbard.sock", run->dir);
    snprintf(run->config, sizeof(run->config), "%s/towbard.yaml", run->dir);
    FILE *config = fopen(run->config, "we");
    if (config == NULL)
        return -1;
    fputs("environment: test\nlisten: 127.0.0.1:0\n", config);
    fclose(config);
    *state = run;
    return 0;
}

static inline int run_teardown(void **state)
{
    struct run *run = *state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", run->dir);
    int code = system(command); // NOLINT(cert-env33-c): a folder of our own
    free(run);
    return code;
}

static inline void run_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

static inline void run_has_not(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("\"%s\" is in:\n%s", part, text);
}

/* ---- a database with three occurrences of two bugs: item 1 is the crash, 2 the error ---- */

#define TRACE_ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define TRACE_XRAY "1-4bf92f35-77b34da6a3ce929d0e0e4736"
#define OTHER_XRAY_ID "5759e988bd862e3fe1be46a994272793"
#define OTHER_XRAY "1-5759e988-bd862e3fe1be46a994272793"
#define CRASH_UUID "11111111-1111-4111-8111-111111111111"
#define ERROR_UUID_1 "22222222-2222-4222-8222-222222222221"
#define ERROR_UUID_2 "22222222-2222-4222-8222-222222222222"

static const char run_crash[] =
    "{\"uuid\":\"" CRASH_UUID "\",\"environment\":\"demo\",\"level\":\"critical\","
    "\"title\":\"SIGSEGV in queue_push\",\"body\":{\"trace\":{\"frames\":["
    "{\"filename\":\"libc.so.6\",\"method\":\"start_thread\",\"module\":\"/lib/libc.so.6\","
    "\"module_offset\":\"0x89044\",\"in_app\":false},"
    "{\"filename\":\"cruddur/worker.c\",\"lineno\":71,\"method\":\"worker_loop\",\"code\":"
    "\"        worker_handle(fd, request);\",\"in_app\":true},"
    "{\"filename\":\"cruddur/queue.c\",\"lineno\":28,\"method\":\"queue_push\",\"code\":"
    "\"    m->next = q->tail->next;\",\"context\":{\"pre\":[\"    m->id = ++q->n_pushed;\"],"
    "\"post\":[\"    q->tail->next = m;\"]},\"in_app\":true}],"
    "\"exception\":{\"class\":\"SIGSEGV\",\"message\":\"near-NULL read at 0x18\"}},"
    "\"telemetry\":[{\"level\":\"info\",\"type\":\"log\",\"source\":\"server\",\"timestamp_ms\":"
    "1790000000500,\"body\":{\"message\":\"reading the feed\"}}]},"
    "\"custom\":{\"trace_id\":\"" TRACE_ID "\",\"scope\":{\"user\":\"andrew\"},"
    "\"big\":9007199254740993,\"none\":null}}";

static const char run_error[] =
    "{\"uuid\":\"22222222-2222-4222-8222-222222222222\",\"environment\":\"demo\",\n"
    "  \"level\":\"error\",\"title\":\"ENOENT: \\u001b[31mred\",\"body\":{\"message\":{\"body\":"
    "\"cannot read \\u001b]0;owned\\u0007 file\"}}}";

static inline void run_fill(struct run *run)
{
    char why[TB_STORE_WHY] = "";
    struct tb_store *store = NULL;
    struct tb_occurrence crash = {
        .uuid = CRASH_UUID,
        .fingerprint = "f1f1",
        .environment = "demo",
        .service = "feedd",
        .title = "SIGSEGV in queue_push",
        .level = "critical",
        .framework = "",
        .trace_id = TRACE_ID,
        .xray_trace_id = OTHER_XRAY_ID,
        .span_id = "00f067aa0ba902b7",
        .group_inputs = "{\"by\":\"functions\",\"why\":\"the same class SIGSEGV; in queue_push\","
                        "\"class\":\"SIGSEGV\",\"functions\":[\"queue_push\","
                        "\"worker_loop\"]}",
        .class_ = 0,
        .occurred_ns = 1790000001000000000,
        .received_ns = 1790000002000000000,
        .data = run_crash,
        .data_len = sizeof(run_crash) - 1};
    struct tb_occurrence error = crash;
    const struct tb_outbox_to sinks[] = {{"rollbar", ""}};
    error.fingerprint = "e2e2";
    error.title = "ENOENT: \x1b[31mred";
    error.level = "error";
    error.xray_trace_id = "";
    error.uuid = ERROR_UUID_1;
    error.occurred_ns = 1790000000900000000;
    error.class_ = 1;
    error.data = run_error;
    error.data_len = sizeof(run_error) - 1;
    assert_int_equal(tb_store_open(run->state, TB_STORE_WRITE, &store, why), 0);
    assert_int_equal(tb_store_begin(store), 0);
    assert_int_equal(tb_store_add(store, &crash, NULL, 0), 0);
    assert_int_equal(tb_store_add(store, &error, NULL, 0), 0);
    error.uuid = ERROR_UUID_2;
    error.trace_id = "";
    assert_int_equal(tb_store_add(store, &error, sinks, 1), 0);
    assert_int_equal(tb_store_commit(store), 0);
    tb_store_close(store);
}

#endif
