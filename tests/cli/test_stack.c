/* test_stack.c - the stack as people read it: recursion folded, missing source explained. */
#include "run.h"

#include "cli/print.h"

/* Prints the stack of frames (JSON, oldest first) of a crash of which native says more into
 * run->out. */
static void print_native(struct run *run, const char *frames, const char *native)
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
    tb_print_stack(data, "", 0);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    run_take(out, run->out);
    cJSON_Delete(data);
}

static void print(struct run *run, const char *frames)
{
    print_native(run, frames, "");
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
    run_has(run->out, "5 more frames of parse");
    run_has(run->out, "#7  main");
    run_has_not(run->out, "#2 ");
}

static void what_is_left_out_of_a_recursion_is_told_between_its_ends(void **state)
{
    struct run *run = *state;
    print_native(run,
                 FRAME("main", "3", "") "," PARSE "," PARSE "," PARSE "," PARSE "," PARSE "," PARSE
                                        "," PARSE "," PARSE "," PARSE "," PARSE "," PARSE,
                 "\"frames_omitted\":20000,\"frames_oldest\":6");
    run_has(run->out, "#0  parse");
    run_has(run->out, ">  5 more frames of parse\n>  20000 frames are left out\n#6  parse");
    run_has(run->out, ">  4 more frames of parse\n#11 main");
    print_native(run, PARSE, "\"frames_omitted\":7,\"frames_oldest\":\"x\"");
    run_has(run->out, "7 frames are left out");
}

static void a_few_calls_of_one_function_are_all_shown(void **state)
{
    struct run *run = *state;
    print(run, PARSE "," PARSE "," FRAME("parse", "8", "") "," PARSE);
    run_has(run->out, "#3  parse");
    run_has_not(run->out, "more frames");
}

static void missing_source_is_explained(void **state)
{
    struct run *run = *state;
    print(run, PARSE);
    run_has(run->out, "TOWBAR_ROOT");
    print(run, FRAME("parse", "7", ",\"code\":\"x = 1;\""));
    run_has_not(run->out, "TOWBAR_ROOT");
    run_has(run->out, "x = 1;");
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
        cmocka_unit_test_setup_teardown(the_root_of_the_server_is_cut_off, run_setup, run_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
