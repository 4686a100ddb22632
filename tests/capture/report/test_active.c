/* The trace of what a thread does: from headers, to headers, from thread to thread. */
#include "rig.h"

#include <pthread.h>
#include <spawn.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>

#include "capture/report/active.h"
#include "capture/report/context.h"

#define ID_A "0af7651916cd43dd8448eb211c80319c"
#define SPAN_A "b7ad6b7169203331"
#define W3C_A "00-" ID_A "-" SPAN_A "-01"
#define ID_B "4bf92f3577b34da6a3ce929d0e0e4736"
#define W3C_B "00-" ID_B "-00f067aa0ba902b7-00"
#define XRAY_ID "1-5759e988-bd862e3fe1be46a994272793"
#define XRAY "Root=" XRAY_ID ";Parent=53995c3f42cd8ad8;Sampled=1"
#define MORE "Lineage=a87bd80c:1|68fd508a:5;k=v"
#define STATE "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"

enum { HEADERS_MAX = 16, NAME_BYTES = 64, VALUE_BYTES = 1024 };

struct headers {
    char names[HEADERS_MAX][NAME_BYTES];
    char values[HEADERS_MAX][VALUE_BYTES];
    int n;
};

static void put(void *arg, const char *name, const char *value)
{
    struct headers *headers = arg;
    snprintf(headers->names[headers->n], NAME_BYTES, "%s", name);
    snprintf(headers->values[headers->n++], VALUE_BYTES, "%s", value);
}

static const char *get(void *arg, const char *name)
{
    const struct headers *headers = arg;
    for (int i = 0; i < headers->n; i++) {
        if (strcasecmp(headers->names[i], name) == 0)
            return headers->values[i];
    }
    return NULL;
}

static const char *injected(struct headers *headers, const char *name)
{
    *headers = (struct headers){.n = 0};
    int n = towbar_trace_inject(put, headers);
    assert_int_equal(n, headers->n);
    const char *value = get(headers, name);
    return value ? value : "";
}

static void assert_ids(const char *trace_id, const char *span_id)
{
    char trace_text[33];
    char span_text[17];
    assert_int_equal(towbar_trace_ids(trace_text, span_text), trace_id[0] ? 0 : -ENOENT);
    assert_string_equal(trace_text, trace_id);
    assert_string_equal(span_text, span_id);
}

static struct headers both(void)
{
    struct headers headers = {.n = 0};
    put(&headers, "Traceparent", W3C_A);
    put(&headers, "TraceState", STATE);
    put(&headers, "x-amzn-trace-id", XRAY ";" MORE);
    return headers;
}

/* ---- in and out ---- */

static void all_headers_of_a_request_go_on_as_they_came(void **state)
{
    (void)state;
    struct headers in = both();
    struct headers out;
    towbar_trace_state before = towbar_trace_extract(get, &in);
    assert_ids(ID_A, SPAN_A);
    assert_string_equal(injected(&out, "traceparent"), W3C_A);
    assert_string_equal(get(&out, "tracestate"), STATE);
    rig_assert_has(get(&out, "X-Amzn-Trace-Id"), "Root=" XRAY_ID ";Parent=53995c3f42cd8ad8");
    rig_assert_has(get(&out, "X-Amzn-Trace-Id"), "Sampled=1");
    rig_assert_has(get(&out, "X-Amzn-Trace-Id"), MORE);
    assert_int_equal(out.n, 3);
    towbar_trace_pop(&before);
    assert_ids("", "");
    out.n = 0;
    assert_int_equal(towbar_trace_inject(put, &out), 0);
}

static void what_did_not_come_does_not_go_on(void **state)
{
    (void)state;
    struct headers out;
    towbar_trace_push(W3C_A);
    assert_string_equal(injected(&out, "traceparent"), W3C_A);
    assert_int_equal(out.n, 1);
    towbar_trace_push(XRAY ";" MORE);
    rig_assert_has(injected(&out, "X-Amzn-Trace-Id"), MORE);
    assert_int_equal(out.n, 1);
    towbar_trace_pop(NULL);
}

static void a_request_without_a_trace_has_none(void **state)
{
    (void)state;
    struct headers in = {.n = 0};
    put(&in, "traceparent", "00-nonsense");
    put(&in, "tracestate", STATE);
    towbar_trace_push(W3C_A);
    towbar_trace_state before = towbar_trace_extract(get, &in);
    assert_ids("", "");
    towbar_trace_pop(&before);
    assert_ids(ID_A, SPAN_A);
    towbar_trace_extract(NULL, NULL);
    assert_ids("", "");
}

static int report_with_all(struct rig *rig)
{
    struct headers in = both();
    if (towbar_init(TOWBAR_OPTIONS(.spool = rig->spool, .no_crash_handler = 1)) != 0)
        return 1;
    towbar_trace_extract(get, &in);
    return towbar_error("of the request") != 0;
}

static void everything_known_is_in_a_report(void **state)
{
    struct rig *rig = *state;
    char started[32];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    assert_int_equal(rig_in_child(report_with_all, rig), 0);
    const char *item = rig_only(rig, TB_KIND_NATIVE)->data;
    rig_assert_has(item, "\"trace_id\":\"" ID_A "\",\"span_id\":\"" SPAN_A "\"");
    rig_assert_has(item, "\"xray_trace_id\":\"" XRAY_ID "\",\"trace\":{\"flags\":\"01\","
                         "\"source\":\"traceparent\",\"xray_parent_id\":\"53995c3f42cd8ad8\","
                         "\"xray_sampled\":\"1\",\"started_at\":");
    rig_assert_has(item, "\"state\":\"" STATE "\",\"xray_lineage\":\"a87bd80c:1|68fd508a:5\"}");
    const char *at = strstr(item, "\"started_at\":") + strlen("\"started_at\":");
    snprintf(started, sizeof(started), "%.17s", at);
    double seconds = strtod(started, NULL);
    double after = seconds - (double)now.tv_sec - (double)now.tv_nsec / 1e9;
    assert_true(after > -0.001 && after < 60);
}

static int report_undecided(struct rig *rig)
{
    if (towbar_init(TOWBAR_OPTIONS(.spool = rig->spool, .no_crash_handler = 1)) != 0)
        return 1;
    towbar_trace_push("Root=" XRAY_ID ";Parent=53995c3f42cd8ad8");
    return towbar_error("undecided") != 0;
}

/* No flags: they would say "not sampled". */
static void what_nobody_decided_is_not_told_as_no(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(report_undecided, rig), 0);
    rig_assert_has(rig_only(rig, TB_KIND_NATIVE)->data,
                   "\"trace\":{\"source\":\"xray\",\"xray_parent_id\":\"53995c3f42cd8ad8\","
                   "\"started_at\":");
}

static void a_new_trace_is_one_for_x_ray_too(void **state)
{
    (void)state;
    struct headers out;
    char first[33];
    char second[33];
    char root[64];
    time_t before = time(NULL);
    towbar_trace_start();
    assert_int_equal(towbar_trace_ids(first, NULL), 0);
    snprintf(root, sizeof(root), "Root=1-%.8s-%s", first, first + 8);
    rig_assert_has(injected(&out, "X-Amzn-Trace-Id"), root);
    rig_assert_has(get(&out, "X-Amzn-Trace-Id"), "Sampled=1");
    assert_memory_equal(get(&out, "traceparent") + 3, first, 32);
    assert_string_equal(get(&out, "traceparent") + 52, "-03"); /* sampled, random */
    snprintf(root, sizeof(root), "%.8s", first);
    time_t seconds = (time_t)strtoul(root, NULL, 16);
    assert_true(seconds >= before && seconds <= time(NULL));
    towbar_trace_start();
    assert_int_equal(towbar_trace_ids(second, NULL), 0);
    assert_string_not_equal(first, second);
    towbar_trace_pop(NULL);
}

/* ---- from thread to thread ---- */

struct job {
    towbar_trace_state trace;
    struct headers out;
    char id[33];
};

static void *work(void *arg)
{
    struct job *job = arg;
    if (towbar_trace_ids(job->id, NULL) != -ENOENT)
        return NULL; /* a thread begins without a trace */
    {
        TOWBAR_TRACE_ADOPT(&job->trace);
        (void)towbar_trace_inject(put, &job->out);
        (void)towbar_trace_ids(job->id, NULL);
    }
    return towbar_trace_ids(NULL, NULL) == -ENOENT ? arg : NULL;
}

static void a_job_takes_its_trace_and_its_texts_to_another_thread(void **state)
{
    (void)state;
    struct headers in = both();
    struct job job = {.id = ""};
    pthread_t thread;
    void *done;
    towbar_trace_state before = towbar_trace_extract(get, &in);
    job.trace = towbar_trace_capture();
    towbar_trace_pop(&before);
    memset(&in, 'x', sizeof(in)); /* nothing of it is borrowed */
    assert_int_equal(pthread_create(&thread, NULL, work, &job), 0);
    pthread_join(thread, &done);
    assert_non_null(done);
    assert_string_equal(job.id, ID_A);
    assert_string_equal(get(&job.out, "tracestate"), STATE);
    rig_assert_has(get(&job.out, "X-Amzn-Trace-Id"), MORE);
}

static void of_a_very_old_request_the_texts_alone_are_lost(void **state)
{
    (void)state;
    struct headers in = both();
    struct headers out;
    towbar_trace_extract(get, &in);
    towbar_trace_state old = towbar_trace_capture();
    for (int i = 0; i < 1024; i++)
        towbar_trace_extract(get, &in);
    assert_string_equal(injected(&out, "tracestate"), STATE);
    towbar_trace_adopt(&old);
    assert_string_equal(injected(&out, "traceparent"), W3C_A);
    assert_null(get(&out, "tracestate"));
    rig_assert_has(get(&out, "X-Amzn-Trace-Id"), "Root=" XRAY_ID ";Parent=53995c3f42cd8ad8");
    towbar_trace_pop(NULL);
}

static void interleaved_requests_keep_theirs(void **state)
{
    (void)state;
    towbar_trace_push(W3C_A);
    towbar_trace_state a = towbar_trace_capture();
    towbar_trace_push(W3C_B);
    towbar_trace_state b = towbar_trace_capture();
    towbar_trace_pop(NULL);
    const towbar_trace_state none = {{0}};
    for (int step = 0; step < 3; step++) {
        TOWBAR_TRACE_ADOPT(&a);
        assert_ids(ID_A, SPAN_A);
        {
            TOWBAR_TRACE_ADOPT(&b);
            assert_ids(ID_B, "00f067aa0ba902b7");
            TOWBAR_TRACE_ADOPT(&none);
            assert_ids("", "");
        }
        assert_ids(ID_A, SPAN_A);
    }
    assert_ids("", "");
}

/* ---- fork, spawn, exec ---- */

static int inherited(void)
{
    struct tb_trace_context context;
    struct tb_trace_image image;
    char texts[TB_TRACE_CARRIED_BYTES];
    return tb_active_load(&context, &image, texts) ? context.trace.inherited : 9;
}

static int forked(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(inherited());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static int fork_after_init(struct rig *rig)
{
    if (towbar_init(TOWBAR_OPTIONS(.spool = rig->spool, .no_crash_handler = 1)) != 0)
        return 99;
    towbar_trace_push(W3C_A);
    int seen = forked();
    return inherited() == 0 ? seen : 98; /* the parent's is what it was */
}

static int fork_that_forgets(struct rig *rig)
{
    setenv("TOWBAR_FORK_TRACE", "reset", 1);
    return fork_after_init(rig);
}

static void a_fork_child_inherits_or_forgets(void **state)
{
    assert_int_equal(rig_in_child(fork_after_init, *state), 1);
    assert_int_equal(rig_in_child(fork_that_forgets, *state), 9);
}

extern char **environ;

static int spawn_after_init(struct rig *rig)
{
    char *const argv[] = {(char *)(uintptr_t) "true", NULL};
    pid_t pid;
    int status = 1;
    if (towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0)
        return 1;
    towbar_trace_push(W3C_A);
    if (posix_spawnp(&pid, "true", NULL, NULL, argv, environ) != 0 ||
        waitpid(pid, &status, 0) != pid || status != 0)
        return 2;
    pid = vfork();
    if (pid == 0)
        _exit(0);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        return 3;
    return inherited() == 0 ? 0 : 4;
}

static void a_parent_keeps_its_own_through_vfork_and_spawn(void **state)
{
    assert_int_equal(rig_in_child(spawn_after_init, *state), 0);
}

static int init_and_look(struct rig *rig)
{
    struct tb_trace_context context;
    struct tb_trace_image image;
    char texts[TB_TRACE_CARRIED_BYTES];
    if (towbar_init(TOWBAR_OPTIONS(.spool = rig->spool, .no_crash_handler = 1)) != 0)
        return 1;
    if (!tb_active_load(&context, &image, texts))
        return 2;
    if (context.source != TB_TRACE_FROM_ENVIRONMENT || !context.trace.inherited ||
        strcmp(context.state, STATE) != 0 || strcmp(context.xray_more, MORE) != 0)
        return 3;
    struct headers out = {.n = 0};
    (void)towbar_trace_inject(put, &out);
    return strcmp(get(&out, "traceparent"), W3C_A) == 0 &&
                   strcmp(get(&out, "tracestate"), STATE) == 0
               ? 0
               : 4;
}

static void a_program_that_is_started_gets_it_by_its_environment(void **state)
{
    struct headers in = both();
    char memory[TOWBAR_TRACE_ENV_BYTES];
    char *entries[TOWBAR_TRACE_ENV_ENTRIES];
    towbar_trace_extract(get, &in);
    int n = towbar_trace_env(memory, sizeof(memory), entries, TOWBAR_TRACE_ENV_ENTRIES);
    towbar_trace_pop(NULL);
    assert_int_equal(n, 4);
    assert_string_equal(entries[0], "TRACEPARENT=" W3C_A);
    assert_string_equal(entries[1], "TRACESTATE=" STATE);
    rig_assert_has(entries[2], "X_AMZN_TRACE_ID=Root=" XRAY_ID ";");
    rig_assert_has(entries[3], "_X_AMZN_TRACE_ID=Root=" XRAY_ID ";");
    for (int i = 0; i < n; i++)
        assert_int_equal(putenv(entries[i]), 0);
    int seen = rig_in_child(init_and_look, *state);
    for (int i = 0; i < n; i++) {
        *strchr(entries[i], '=') = '\0';
        unsetenv(entries[i]);
    }
    assert_int_equal(seen, 0);
}

static void entries_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    char memory[TOWBAR_TRACE_ENV_BYTES];
    char *entries[TOWBAR_TRACE_ENV_ENTRIES];
    assert_int_equal(towbar_trace_env(memory, sizeof(memory), entries, 4), 0);
    towbar_trace_push(W3C_A);
    for (size_t size = 0; size < strlen("TRACEPARENT=" W3C_A) + 1; size++)
        assert_int_equal(towbar_trace_env(memory, size, entries, 4), -ENOSPC);
    assert_int_equal(towbar_trace_env(memory, sizeof(memory), entries, 0), -ENOSPC);
    assert_int_equal(towbar_trace_env(memory, strlen("TRACEPARENT=" W3C_A) + 1, entries, 1), 1);
    assert_int_equal(towbar_trace_env(NULL, 9, NULL, 9), -EINVAL);
    towbar_trace_pop(NULL);
}

/* ---- settings ---- */

static int only_xray(struct rig *rig)
{
    struct headers in = both();
    struct headers out = {.n = 0};
    char id[33];
    setenv("OTEL_PROPAGATORS", "xray", 1);
    if (towbar_init(TOWBAR_OPTIONS(.spool = rig->spool, .no_crash_handler = 1)) != 0)
        return 1;
    setenv("OTEL_PROPAGATORS", "tracecontext", 1); /* too late */
    towbar_trace_extract(get, &in);
    if (towbar_trace_ids(id, NULL) != 0 || strcmp(id, "5759e988bd862e3fe1be46a994272793") != 0)
        return 2;
    if (towbar_trace_inject(put, &out) != 1 || !get(&out, "x-amzn-trace-id"))
        return 3;
    towbar_trace_push(W3C_A); /* the caller's word counts */
    return towbar_trace_ids(id, NULL) == 0 && strcmp(id, ID_A) == 0 ? 0 : 4;
}

static int no_propagator(struct rig *rig)
{
    struct headers in = both();
    setenv("OTEL_PROPAGATORS", "none", 1);
    if (towbar_init(TOWBAR_OPTIONS(.spool = rig->spool, .no_crash_handler = 1)) != 0)
        return 1;
    towbar_trace_extract(get, &in);
    return towbar_trace_ids(NULL, NULL) == -ENOENT ? 0 : 2;
}

static void propagators_are_those_of_the_environment_at_init(void **state)
{
    assert_int_equal(rig_in_child(only_xray, *state), 0);
    assert_int_equal(rig_in_child(no_propagator, *state), 0);
}

/* ---- for log lines ---- */

static void a_header_that_is_too_long_is_none(void **state)
{
    enum { LONGEST = 8192 };
    char header[LONGEST + 2];
    (void)state;
    memset(header, 'a', sizeof(header));
    memcpy(header, XRAY ";", sizeof(XRAY));
    header[LONGEST] = '\0';
    towbar_trace_push(header);
    assert_ids("5759e988bd862e3fe1be46a994272793", "53995c3f42cd8ad8");
    header[LONGEST] = 'a';
    header[LONGEST + 1] = '\0';
    towbar_trace_push(header);
    assert_ids("", "");
}

static void a_log_line_has_what_each_system_searches_for(void **state)
{
    (void)state;
    struct headers in = both();
    char line[TOWBAR_TRACE_LOG_BYTES];
    static const char want[] =
        "trace_id=" ID_A " span_id=" SPAN_A " trace_flags=01 xray_trace_id=" XRAY_ID;
    assert_int_equal(towbar_trace_log(line, sizeof(line)), -ENOENT);
    assert_string_equal(line, "");
    towbar_trace_extract(get, &in);
    assert_int_equal(towbar_trace_log(line, sizeof(line)), strlen(want));
    assert_string_equal(line, want);
    for (size_t size = 1; size < sizeof(want); size++) {
        assert_int_equal(towbar_trace_log(line, size), -ENOSPC);
        assert_string_equal(line, "");
    }
    assert_int_equal(towbar_trace_log(line, sizeof(want)), strlen(want));
    towbar_trace_push("Root=" XRAY_ID); /* no span is known */
    assert_int_equal(towbar_trace_ids(NULL, line), 0);
    assert_string_equal(line, "");
    assert_true(towbar_trace_log(line, sizeof(line)) > 0);
    assert_string_equal(line, "trace_id=5759e988bd862e3fe1be46a994272793 "
                              "xray_trace_id=" XRAY_ID);
    towbar_trace_pop(NULL);
}

/* ---- small stacks ---- */

enum { STACK_BYTES = 256 << 10, USED_MAX = 8 << 10, PAINT = 0xa5 };

static void put_nothing(void *arg, const char *name, const char *value)
{
    (void)arg;
    (void)name;
    (void)value;
}

/* Every kind of header, the one with the longest text among them, in and out; what it used of the
 * stack below this frame. */
static void *use_all_headers(void *stack)
{
    struct headers *in = *(struct headers **)stack;
    const unsigned char *painted = (const unsigned char *)stack + sizeof(in);
    const unsigned char *here = __builtin_frame_address(0);
    char entries[TOWBAR_TRACE_ENV_BYTES / 4], *envp[TOWBAR_TRACE_ENV_ENTRIES];
    towbar_trace_extract(get, in);
    (void)towbar_trace_inject(put_nothing, NULL);
    (void)towbar_trace_env(entries, sizeof(entries), envp, TOWBAR_TRACE_ENV_ENTRIES);
    towbar_trace_pop(NULL);
    while (*painted == PAINT)
        painted++;
    return (void *)(uintptr_t)(here - painted);
}

/* A stranger chooses the headers of a request, and with them what of the stack is used. */
static void no_header_makes_it_use_much_of_a_stack(void **state)
{
    struct headers in = both();
    unsigned char *stack =
        mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_t attr;
    pthread_t thread;
    void *used = NULL;
    (void)state;
    if (TEST_SANITIZE[0])
        skip(); /* their frames are larger */
    assert_ptr_not_equal(stack, MAP_FAILED);
    put(&in, "x-honeycomb-trace",
        "1;trace_id=" ID_A ",parent_id=" SPAN_A ",dataset=d,context=eyJhIjoxfQ==");
    put(&in, "b3", ID_A "-" SPAN_A "-1");
    put(&in, "x-datadog-trace-id", "1");
    put(&in, "baggage", "a=b");
    struct headers *given = &in;
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstack(&attr, stack, STACK_BYTES), 0);
    for (int i = 0; i < 2; i++) { /* the loader's first calls are not the library's */
        memset(stack, PAINT, STACK_BYTES);
        memcpy(stack, &given, sizeof(given));
        assert_int_equal(pthread_create(&thread, &attr, use_all_headers, stack), 0);
        assert_int_equal(pthread_join(thread, &used), 0);
    }
    assert_in_range((uintptr_t)used, 1, USED_MAX);
    (void)pthread_attr_destroy(&attr);
    (void)munmap(stack, STACK_BYTES);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(all_headers_of_a_request_go_on_as_they_came),
        CASE(what_did_not_come_does_not_go_on),
        CASE(a_request_without_a_trace_has_none),
        CASE(everything_known_is_in_a_report),
        CASE(what_nobody_decided_is_not_told_as_no),
        CASE(a_new_trace_is_one_for_x_ray_too),
        CASE(a_job_takes_its_trace_and_its_texts_to_another_thread),
        CASE(of_a_very_old_request_the_texts_alone_are_lost),
        CASE(interleaved_requests_keep_theirs),
        CASE(a_fork_child_inherits_or_forgets),
        CASE(a_parent_keeps_its_own_through_vfork_and_spawn),
        CASE(a_program_that_is_started_gets_it_by_its_environment),
        CASE(entries_that_do_not_fit_are_refused),
        CASE(propagators_are_those_of_the_environment_at_init),
        CASE(a_header_that_is_too_long_is_none),
        CASE(a_log_line_has_what_each_system_searches_for),
        CASE(no_header_makes_it_use_much_of_a_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
