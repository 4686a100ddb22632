/* test_stack.c - the stack as people read it: recursion folded, missing source explained. */
#include "run.h"

#include "cli/print.h"

/* Prints the stack of frames (JSON, oldest first) of a crash of which native says more into
 * run->out. Returns how many frames are folded. */
static size_t print_native(struct run *run, const char *frames, const char *native,
                           enum tb_stack_form form)
{
    char item[8192];
    (void)snprintf(item, sizeof(item),
                   "{\"server\":{\"root\":\"/srv\"},\"custom\":{\"native\":{%s}},"
                   "\"body\":{\"trace\":{\"frames\":[%s]}}}",
                   native, frames);
    cJSON *data = cJSON_Parse(item);
    assert_non_null(data);
    FILE *out = tmpfile();
    assert_non_null(out);
    int kept = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(fileno(out), STDOUT_FILENO);
    size_t n_folded = tb_print_stack(data, "", form);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    run_take(out, run->out);
    cJSON_Delete(data);
    return n_folded;
}

static void print(struct run *run, const char *frames)
{
    (void)print_native(run, frames, "", TB_STACK_FOLDED);
}

#define FRAME(method, line, code)                                                                  \
    "{\"filename\":\"p.c\",\"method\":\"" method "\",\"lineno\":" line ",\"in_app\":true" code "}"
#define PARSE FRAME("parse", "7", "")

static void recursion_is_shown_once_with_its_depth(void **state)
{
    struct run *run = *state;
    print(run, FRAME("main", "3", "") "," PARSE "," PARSE "," PARSE "," PARSE "," PARSE "," PARSE
                                      "," FRAME("leaf", "9", ""));
    run_has(run->out, "#0  leaf");
    run_has(run->out, "#1  parse");
    run_has(run->out, ">  \xc3\x97 6: parse, up to #6\n#7  main");
    run_has_not(run->out, "#2 ");
}

#define LIST FRAME("parse_list", "17", "")
#define VALUE FRAME("parse_value", "27", "")
#define PAIR LIST "," VALUE
#define LIBRARY(method, module)                                                                    \
    "{\"filename\":\"" module "\",\"method\":\"" method "\",\"module\":\"" module                  \
    "\",\"module_offset\":\"0x10\",\"in_app\":false}"

static void calls_that_recur_together_are_shown_once(void **state)
{
    struct run *run = *state;
    print(run, FRAME("main", "3", "") "," PAIR "," PAIR "," PAIR "," FRAME("leaf", "9", ""));
    run_has(run->out, "#1  parse_value       p.c:27\n#2  parse_list        p.c:17\n"
                      ">  \xc3\x97 3: the 2 frames above, up to #6\n#7  main");
}

#define EVENT_LOOP                                                                                 \
    LIBRARY("event_base_loop", "libevent-2.1.so.7")                                                \
    "," LIBRARY("event_process_active", "libevent-2.1.so.7")
#define READ LIBRARY("fread", "libc.so.6") "," LIBRARY("read", "libc.so.6")
#define ON_READ FRAME("on_read", "9", "")
#define MAIN FRAME("main", "3", "")

static const char event_stack[] =
    LIBRARY("start", "libx.so.1") "," MAIN "," EVENT_LOOP "," ON_READ "," READ;

static void runs_of_library_frames_are_one_line(void **state)
{
    struct run *run = *state;
    assert_int_equal(print_native(run, event_stack, "", TB_STACK_FOLDED), 4);
    run_has(run->out, ">  2 frames of libc\n"
                      "#2  on_read           p.c:9   (here)\n"
                      ">  2 frames of libevent-2.1\n"
                      "#5  main              p.c:3\n"
                      "#6  start             libx.so.1 +0x10\n");
    assert_int_equal(print_native(run, event_stack, "", TB_STACK_WHOLE), 0);
    run_has(run->out, "#0  read              libc.so.6 +0x10\n#1  fread ");
    run_has(run->out, "#3  event_process_active");
    run_has_not(run->out, ">");
    assert_int_equal(print_native(run, event_stack, "", TB_STACK_SHORT), 5);
    run_has(run->out, ">  2 frames of libc\n#2  on_read           p.c:9\n");
    run_has(run->out, ">  1 frame of libx\n");
}

static void a_whole_stack_shows_each_call_of_a_recursion(void **state)
{
    struct run *run = *state;
    assert_int_equal(print_native(run, PAIR "," PAIR "," PAIR, "", TB_STACK_WHOLE), 0);
    run_has(run->out, "#5  parse_list");
    assert_int_equal(print_native(run, PAIR "," PAIR "," PAIR, "", TB_STACK_FOLDED), 4);
    assert_int_equal(print_native(run, PAIR "," PAIR "," PAIR, "", TB_STACK_SHORT), 4);
    run_has(run->out, "the 2 frames above");
}

static void frames_of_a_package_without_modules_are_of_the_package(void **state)
{
    struct run *run = *state;
    print(run,
          "{\"filename\":\"/srv/v/lib/python3.11/site-packages/flask/app.py\",\"method\":\"a\"},"
          "{\"filename\":\"/srv/v/lib/python3.11/site-packages/werkzeug/x.py\",\"method\":\"b\"},"
          "{\"filename\":\"/srv/app.py\",\"method\":\"view\",\"lineno\":4}");
    run_has(run->out, "#0  view              app.py:4   (here)\n>  2 frames of werkzeug, flask\n");
}

static void names_of_libraries_cannot_steer_the_terminal(void **state)
{
    struct run *run = *state;
    print(run, FRAME("main", "3", "") "," LIBRARY("a", "x\\u001b[31m\\u0007") "," LIBRARY(
                   "b", "x\\u001b[31m\\u0007"));
    run_has(run->out, ">  2 frames of x?[31m?");
    run_has_not(run->out, "\x1b");
}

static void inlined_and_tail_calls_are_marked(void **state)
{
    struct run *run = *state;
    print(run, FRAME("main", "3", ",\"trust\":\"tail\"") "," FRAME("f", "4", ",\"inlined\":true"));
    run_has(run->out, "#0  f                 p.c:4   (here)   inlined\n"
                      "#1  main              p.c:3   tail call\n");
}

static void what_is_left_out_of_a_recursion_is_told_between_its_ends(void **state)
{
    struct run *run = *state;
    print_native(run,
                 FRAME("main", "3", "") "," PARSE "," PARSE "," PARSE "," PARSE "," PARSE "," PARSE
                                        "," PARSE "," PARSE "," PARSE "," PARSE "," PARSE,
                 "\"frames_omitted\":20000,\"frames_oldest\":6", TB_STACK_FOLDED);
    run_has(run->out, "#0  parse");
    run_has(run->out, ">  \xc3\x97 6: parse, up to #5\n>  20000 frames are left out\n#6  parse");
    run_has(run->out, ">  \xc3\x97 5: parse, up to #10\n#11 main");
    print_native(run, PARSE, "\"frames_omitted\":7,\"frames_oldest\":\"x\"", TB_STACK_FOLDED);
    run_has(run->out, "7 frames are left out");
}

static void a_few_calls_of_one_function_are_all_shown(void **state)
{
    struct run *run = *state;
    print(run, PARSE "," PARSE "," FRAME("parse", "8", "") "," PARSE);
    run_has(run->out, "#3  parse");
    run_has_not(run->out, ">");
}

static void missing_source_is_explained(void **state)
{
    struct run *run = *state;
    print(run, PARSE);
    run_has(run->out, "TOWBAR_ROOT");
    print(run, FRAME("parse", "7", ",\"code\":\"x = 1;\""));
    run_has_not(run->out, "TOWBAR_ROOT");
    run_has(run->out, "x = 1;");
    print(run, FRAME("parse", "7", ",\"code_note\":\"a.c is newer than x\"") "," PARSE);
    run_has(run->out, "a.c is newer than x\n");
    run_has_not(run->out, "TOWBAR_ROOT");
}

static void the_root_of_the_server_is_cut_off(void **state)
{
    struct run *run = *state;
    print(
        run,
        "{\"filename\":\"/srv/app.py\",\"lineno\":4},{\"filename\":\"/srv2/app.py\",\"lineno\":5}");
    run_has(run->out, " app.py:4");
    run_has(run->out, " /srv2/app.py:5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(recursion_is_shown_once_with_its_depth, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(what_is_left_out_of_a_recursion_is_told_between_its_ends,
                                        run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(a_few_calls_of_one_function_are_all_shown, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(missing_source_is_explained, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(calls_that_recur_together_are_shown_once, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(runs_of_library_frames_are_one_line, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(a_whole_stack_shows_each_call_of_a_recursion, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(frames_of_a_package_without_modules_are_of_the_package,
                                        run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(names_of_libraries_cannot_steer_the_terminal, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(inlined_and_tail_calls_are_marked, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(the_root_of_the_server_is_cut_off, run_setup, run_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
