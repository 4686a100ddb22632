/* test_show.c - an occurrence in the terminal: which process it was, and why there is no stack. */
#include "run.h"

#include "cli/show.h"

static void show(struct run *run, const char *data)
{
    struct tb_occurrence_row row = {.uuid = CRASH_UUID,
                                    .title = "",
                                    .trace_id = "",
                                    .xray_trace_id = "",
                                    .span_id = "",
                                    .level = "",
                                    .data = data,
                                    .data_len = strlen(data)};
    FILE *out = tmpfile();
    assert_non_null(out);
    int kept = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(fileno(out), STDOUT_FILENO);
    (void)tb_show_occurrence(&(const struct tb_cli){0}, &row);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    run_take(out, run->out);
}

static void process_and_thread_are_named_in_one_line(void **state)
{
    struct run *run = *state;
    show(run, "{\"server\":{\"host\":\"web-1\",\"pid\":4294967295},\"code_version\":\"1.2\","
              "\"custom\":{\"native\":{\"thread\":{\"tid\":4251,\"name\":\"worker\\u001b[2\"}}}}");
    run_has(run->out, "\n  pid 4294967295, thread 4251, named \"worker?[2\", host web-1, version "
                      "1.2\n\nStack\n");
}

static void what_is_not_there_is_left_out(void **state)
{
    struct run *run = *state;
    show(run, "{\"server\":{\"host\":\"web-1\",\"pid\":-1}}");
    run_has(run->out, "\n  host web-1\n\nStack\n");
    show(run, "{\"server\":7,\"code_version\":{}}");
    run_has_not(run->out, "version");
}

static void the_reason_for_no_stack_is_true(void **state)
{
    struct run *run = *state;
    show(run, "{\"body\":{\"trace\":{\"frames\":[],\"exception\":{\"class\":\"SIGKILL\"}}},"
              "\"custom\":{\"native\":{\"kind\":\"vanished\",\"meaning\":\"pid 77, killed\"}}}");
    run_has(run->out, "  SIGKILL: pid 77, killed\n");
    run_has(run->out, "no stack: no handler saw it\n");
    show(run, "{\"body\":{\"trace\":{\"frames\":[],\"exception\":{\"class\":\"X\"}}}}");
    run_has(run->out, "no stack: it came without frames\n");
    show(run, "{\"body\":{\"message\":{\"body\":\"hello\"}}}");
    run_has(run->out, "no stack: it was reported as a message\n");
}

static void what_else_is_known_of_a_death_is_shown(void **state)
{
    struct run *run = *state;
    show(run,
         "{\"custom\":{\"native\":{\"signal\":\"SIGSYS\",\"meaning\":\"m\",\"exception\":{\"type\":"
         "\"ns::Mine\",\"what\":\"no\\u001bfile\"},\"syscall\":{\"number\":101,\"name\":\"ptrace\","
         "\"arch\":\"x86_64\"},\"sender\":{\"pid\":7,\"uid\":0},\"mappings\":[{\"lo\":\"0x1000\","
         "\"hi\":"
         "\"0x2000\",\"rights\":\"rw-p\",\"path\":\"[heap]\"},{\"lo\":\"0x3000\",\"hi\":\"0x4000\","
         "\"rights\":\"---p\"}],\"unloaded\":[{\"lo\":\"0x7000\",\"hi\":\"0x8000\",\"path\":"
         "\"/l/libplug.so\"}]}}}");
    run_has(run->out, "  exception   ns::Mine: no?file\n"
                      "  call        ptrace number 101 of x86_64\n"
                      "  sent by     pid 7 uid 0\n"
                      "  mapped      0x1000-0x2000 rw-p [heap]\n"
                      "  mapped      0x3000-0x4000 ---p\n"
                      "  unloaded    0x7000-0x8000 /l/libplug.so\n");
}

static void a_sentence_that_names_its_class_is_enough(void **state)
{
    struct run *run = *state;
    show(run, "{\"body\":{\"trace\":{\"frames\":[],\"exception\":{\"class\":\"stack overflow\"}}},"
              "\"custom\":{\"native\":{\"meaning\":\"stack overflow: write at 0x10\"}}}");
    run_has(run->out, "\n  stack overflow: write at 0x10\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(process_and_thread_are_named_in_one_line, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_left_out, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(the_reason_for_no_stack_is_true, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(what_else_is_known_of_a_death_is_shown, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(a_sentence_that_names_its_class_is_enough, run_setup,
                                        run_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
