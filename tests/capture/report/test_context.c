/* The active trace of a thread, and the record that others read by its symbol. */
#include "rig.h"

#include <dlfcn.h>
#include <pthread.h>

#include "capture/report/context.h"
#include "towbar/towbar.h"

#define W3C_A "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
#define W3C_B "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
#define XRAY "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"

extern _Thread_local void *otel_thread_ctx_v1;

static void assert_trace(const char *id)
{
    unsigned char image[TB_TRACE_IMAGE_BYTES];
    struct tb_trace trace = {0};
    char text[TB_TRACE_ID_TEXT];
    if (!id) {
        assert_int_equal(tb_context_trace(image), 0);
        return;
    }
    assert_int_equal(tb_context_trace(image), 1);
    assert_int_equal(tb_trace_unpack(image, &trace), 0);
    tb_trace_id_text(trace.trace_id, text);
    assert_string_equal(text, id);
}

static void blocks_nest_and_undo_themselves(void **state)
{
    (void)state;
    assert_trace(NULL);
    {
        TOWBAR_TRACE(W3C_A);
        assert_trace("0af7651916cd43dd8448eb211c80319c");
        {
            TOWBAR_TRACE(W3C_B);
            assert_trace("4bf92f3577b34da6a3ce929d0e0e4736");
        }
        assert_trace("0af7651916cd43dd8448eb211c80319c");
        {
            TOWBAR_TRACE(NULL);
            assert_trace(NULL);
        }
        assert_trace("0af7651916cd43dd8448eb211c80319c");
        {
            TOWBAR_TRACE("complete nonsense");
            assert_trace(NULL);
        }
        assert_trace("0af7651916cd43dd8448eb211c80319c");
    }
    assert_trace(NULL);
}

static void xray_header_gives_both_ids(void **state)
{
    (void)state;
    TOWBAR_TRACE(XRAY);
    unsigned char image[TB_TRACE_IMAGE_BYTES];
    struct tb_trace trace;
    char text[TB_XRAY_ID_TEXT];
    assert_int_equal(tb_context_trace(image), 1);
    assert_int_equal(tb_trace_unpack(image, &trace), 0);
    tb_xray_id_text(trace.xray_trace_id, text);
    assert_string_equal(text, "1-5759e988-bd862e3fe1be46a994272793");
    assert_int_equal(trace.xray_sampled, TB_XRAY_YES);
    assert_trace("5759e988bd862e3fe1be46a994272793");
}

static void open_telemetry_reads_it_by_its_symbol(void **state)
{
    (void)state;
    static const unsigned char expected[28] = {
        0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80,
        0x31, 0x9c, 0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31, 1,    1,    0,    0};
    TOWBAR_TRACE(W3C_A);
    assert_non_null(otel_thread_ctx_v1);
    assert_memory_equal(otel_thread_ctx_v1, expected, sizeof(expected));
    TOWBAR_TRACE(NULL);
    assert_int_equal(((unsigned char *)otel_thread_ctx_v1)[24], 0);
}

static void *check_other_thread(void *arg)
{
    unsigned char image[TB_TRACE_IMAGE_BYTES];
    int has = tb_context_trace(image);
    towbar_trace_push(W3C_B);
    return has ? arg : NULL;
}

static void threads_have_traces_of_their_own(void **state)
{
    (void)state;
    TOWBAR_TRACE(W3C_A);
    pthread_t thread;
    void *had = NULL;
    assert_int_equal(pthread_create(&thread, NULL, check_other_thread, &had), 0);
    pthread_join(thread, &had);
    assert_null(had);
    assert_trace("0af7651916cd43dd8448eb211c80319c");
}

static int inherited(void)
{
    unsigned char image[TB_TRACE_IMAGE_BYTES];
    struct tb_trace trace;
    if (!tb_context_trace(image) || tb_trace_unpack(image, &trace) != 0)
        return 9;
    return trace.inherited;
}

static void environment_and_fork_hand_the_trace_down(void **state)
{
    struct rig *rig = *state;
    int status = 0;
    setenv("TRACEPARENT", W3C_A, 1);
    setenv("_X_AMZN_TRACE_ID", XRAY, 1);
    assert_int_equal(towbar_init(TOWBAR_OPTIONS(.spool = rig->spool, .no_crash_handler = 1)), 0);
    unsetenv("TRACEPARENT");
    unsetenv("_X_AMZN_TRACE_ID");
    assert_trace("0af7651916cd43dd8448eb211c80319c");
    assert_int_equal(inherited(), 1);
    towbar_error("of the first");
    towbar_trace_push(W3C_B);
    assert_int_equal(inherited(), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(inherited());
    waitpid(pid, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_int_equal(inherited(), 0);
    towbar_trace_pop(NULL);
    towbar_shutdown();
    const struct rig_record *record = rig_only(rig, TB_KIND_NATIVE);
    rig_assert_has(record->data, "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\"");
    rig_assert_has(record->data, "\"xray_trace_id\":\"1-5759e988-bd862e3fe1be46a994272793\"");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(blocks_nest_and_undo_themselves),          CASE(xray_header_gives_both_ids),
        CASE(open_telemetry_reads_it_by_its_symbol),    CASE(threads_have_traces_of_their_own),
        CASE(environment_and_fork_hand_the_trace_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
