/* test_stack.c - the stack as people read it: recursion folded, missing source explained. */
#include "run.h"

#include "cli/print.h"

/* Prints the stack of frames (JSON, oldest first) into run->out. */
static void print(struct run *run, const char *frames)
{
    char item[8192];
    (void)snprintf(item, sizeof(item),
                   "{\"server\":{\"root\":\"/srv\"},\"body\":{\"trace\":{\"frames\":[%s]}}}",
                   frames);
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
        cmocka_unit_test_setup_teardown(a_few_calls_of_one_function_are_all_shown, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(missing_source_is_explained, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(the_root_of_the_server_is_cut_off, run_setup, run_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
