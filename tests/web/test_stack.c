/* test_stack.c - stacks as people read them: folds, blame, and shapes that nobody expects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "base/buf.h"
#include "web/stack.h"

struct read {
    struct tb_event event;
    struct tb_stack stacks[TB_STACKS];
    int n;
};

static void read_json(struct read *out, const char *json)
{
    assert_int_equal(tb_event_init(&out->event, json, strlen(json)), 0);
    out->n = tb_stack_read(&out->event, out->stacks);
    assert_true(out->n >= 0);
}

static void done(struct read *read)
{
    while (read->n > 0)
        tb_stack_done(&read->stacks[--read->n]);
    tb_event_done(&read->event);
}

static struct tb_fold fold_at(const struct read *read, size_t i, enum tb_fold_kind expected)
{
    struct tb_fold fold = tb_stack_fold(&read->stacks[0], i);
    assert_int_equal(fold.kind, expected);
    return fold;
}

static void the_innermost_frame_is_number_0(void **state)
{
    (void)state;
    struct read read;
    read_json(&read, "{\"body\":{\"trace\":{\"exception\":{\"class\":\"E\"},\"frames\":["
                     "{\"method\":\"main\",\"filename\":\"m.c\",\"lineno\":1},"
                     "{\"method\":\"f\",\"filename\":\"libx.so\",\"module_offset\":\"0x1f\"}]}}}");
    assert_int_equal(read.n, 1);
    const struct tb_stack *stack = &read.stacks[0];
    assert_int_equal(stack->n, 2);
    assert_string_equal(stack->frames[0].method, "f");
    assert_string_equal(tb_frame_place(&read.event, &stack->frames[0]), "libx.so +0x1f");
    assert_string_equal(tb_frame_place(&read.event, &stack->frames[1]), "m.c:1");
    done(&read);
}

static void the_root_of_the_server_is_cut_off(void **state)
{
    (void)state;
    struct read read;
    read_json(&read, "{\"server\":{\"root\":\"/srv\"},\"body\":{\"trace\":{\"frames\":["
                     "{\"filename\":\"/srv2/a.py\",\"lineno\":1},"
                     "{\"filename\":\"/srv/a.py\",\"lineno\":2}]}}}");
    assert_string_equal(tb_frame_place(&read.event, &read.stacks[0].frames[0]), "a.py:2");
    assert_string_equal(tb_frame_place(&read.event, &read.stacks[0].frames[1]), "/srv2/a.py:1");
    done(&read);
}

static void library_frames_fold_and_the_program_s_own_is_blamed(void **state)
{
    (void)state;
    struct read read;
    read_json(&read,
              "{\"body\":{\"trace\":{\"frames\":["
              "{\"method\":\"start\",\"in_app\":false},{\"method\":\"mine\",\"in_app\":true},"
              "{\"method\":\"raise\",\"in_app\":false},{\"method\":\"kill\",\"in_app\":false}]"
              "}}}");
    assert_int_equal(read.stacks[0].blamed, 2);
    assert_int_equal(fold_at(&read, 0, TB_FOLD_LIBRARY).n, 2);
    assert_int_equal(fold_at(&read, 2, TB_FOLD_NONE).n, 1);
    assert_int_equal(fold_at(&read, 3, TB_FOLD_LIBRARY).n, 1);
    done(&read);
}

static void a_stack_of_libraries_alone_blames_its_innermost_frame(void **state)
{
    (void)state;
    struct read read;
    read_json(&read, "{\"body\":{\"trace\":{\"frames\":[{\"method\":\"a\",\"in_app\":false},"
                     "{\"method\":\"b\",\"in_app\":false}]}}}");
    assert_int_equal(read.stacks[0].blamed, 0);
    assert_int_equal(fold_at(&read, 0, TB_FOLD_NONE).n, 1);
    assert_int_equal(fold_at(&read, 1, TB_FOLD_LIBRARY).n, 1);
    done(&read);
}

static void a_stack_of_libraries_alone_blames_the_one_that_is_not_the_c_library(void **state)
{
    (void)state;
    struct read read;
    read_json(&read, "{\"body\":{\"trace\":{\"frames\":["
                     "{\"method\":\"a\",\"module\":\"libpng.so.16\",\"in_app\":false},"
                     "{\"method\":\"b\",\"module\":\"libz.so.1\",\"in_app\":false},"
                     "{\"method\":\"c\",\"module\":\"libc.so.6\",\"in_app\":false}]}}}");
    assert_int_equal(read.stacks[0].blamed, 1);
    assert_int_equal(fold_at(&read, 0, TB_FOLD_LIBRARY).n, 1);
    assert_int_equal(fold_at(&read, 1, TB_FOLD_NONE).n, 1);
    assert_int_equal(fold_at(&read, 2, TB_FOLD_LIBRARY).n, 1);
    done(&read);
}

static void a_package_that_is_the_server_s_root_is_no_library(void **state)
{
    (void)state;
    struct read read;
    read_json(&read, "{\"server\":{\"root\":\"/venv/lib/python3.11/site-packages/app\"},"
                     "\"body\":{\"trace\":{\"frames\":["
                     "{\"method\":\"f\","
                     "\"filename\":\"/venv/lib/python3.11/site-packages/app/x.py\"},"
                     "{\"method\":\"g\","
                     "\"filename\":\"/venv/lib/python3.11/site-packages/flask/app.py\"}]}}}");
    assert_true(read.stacks[0].frames[0].is_library);
    assert_false(read.stacks[0].frames[1].is_library);
    assert_int_equal(read.stacks[0].blamed, 1);
    done(&read);
}

static void a_frame_that_ended_in_a_tail_call_says_so(void **state)
{
    (void)state;
    struct read read;
    read_json(&read, "{\"body\":{\"trace\":{\"frames\":["
                     "{\"method\":\"f\",\"trust\":\"tail\"},"
                     "{\"method\":\"g\",\"trust\":\"cfi\",\"inlined\":true}]}}}");
    assert_false(read.stacks[0].frames[0].is_tail);
    assert_true(read.stacks[0].frames[0].is_inlined);
    assert_true(read.stacks[0].frames[1].is_tail);
    done(&read);
}

static void installed_packages_are_libraries(void **state)
{
    (void)state;
    struct read read;
    read_json(&read,
              "{\"body\":{\"trace\":{\"frames\":["
              "{\"method\":\"f\",\"filename\":\"/srv/app.py\"},"
              "{\"method\":\"g\",\"filename\":\"/usr/lib/python3/dist-packages/flask/app.py\"}"
              "]}}}");
    assert_true(read.stacks[0].frames[0].is_library);
    assert_int_equal(read.stacks[0].blamed, 1);
    done(&read);
}

static void recursion_folds(void **state)
{
    (void)state;
    struct read read;
    struct tb_buf json;
    tb_buf_init(&json, 1 << 20);
    tb_buf_adds(&json, "{\"body\":{\"trace\":{\"frames\":[{\"method\":\"main\"}");
    for (int i = 0; i < 100; i++)
        tb_buf_adds(&json, ",{\"method\":\"again\",\"filename\":\"r.c\",\"lineno\":7}");
    tb_buf_adds(&json, "]}}}");
    read_json(&read, tb_buf_str(&json));
    assert_int_equal(fold_at(&read, 0, TB_FOLD_CYCLE).times, 100);
    assert_int_equal(fold_at(&read, 100, TB_FOLD_NONE).n, 1);
    done(&read);
    tb_buf_done(&json);
}

static void recursion_folds_on_both_sides_of_what_is_left_out(void **state)
{
    (void)state;
    struct read read;
    struct tb_buf json;
    tb_buf_init(&json, 1 << 20);
    tb_buf_adds(&json, "{\"custom\":{\"native\":{\"frames_omitted\":5000,\"frames_oldest\":31}},"
                       "\"body\":{\"trace\":{\"frames\":[{\"method\":\"main\"}");
    for (int i = 0; i < 100; i++)
        tb_buf_adds(&json, ",{\"method\":\"again\",\"filename\":\"r.c\",\"lineno\":7}");
    tb_buf_adds(&json, "]}}}");
    read_json(&read, tb_buf_str(&json));
    assert_int_equal(read.stacks[0].gap, 70);
    assert_int_equal(read.stacks[0].n_in_gap, 5000);
    assert_int_equal(fold_at(&read, 0, TB_FOLD_CYCLE).n, 70);
    assert_int_equal(fold_at(&read, 70, TB_FOLD_CYCLE).n, 30);
    assert_int_equal(fold_at(&read, 100, TB_FOLD_NONE).n, 1);
    done(&read);
    tb_buf_done(&json);
}

static void place_of_what_is_left_out_is_believed_only_inside_of_the_stack(void **state)
{
    static const char *const places[] = {"0", "-1", "2", "3", "1e99", "\"1\"", "[1]"};
    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct read read;
        char json[256];
        snprintf(json, sizeof(json),
                 "{\"custom\":{\"native\":{\"frames_omitted\":9,\"frames_oldest\":%s}},"
                 "\"body\":{\"trace\":{\"frames\":[{\"method\":\"a\"},{\"method\":\"b\"}]}}}",
                 places[i]);
        read_json(&read, json);
        assert_int_equal(read.stacks[0].gap, 0);
        done(&read);
    }
}

static void the_innermost_frames_of_a_long_stack_are_kept(void **state)
{
    (void)state;
    struct read read;
    struct tb_buf json;
    tb_buf_init(&json, 1 << 20);
    tb_buf_adds(&json, "{\"body\":{\"trace\":{\"frames\":[{\"method\":\"main\"}");
    for (int i = 0; i < 1500; i++)
        tb_buf_addf(&json, ",{\"method\":\"f%d\"}", i);
    tb_buf_adds(&json, "]}}}");
    read_json(&read, tb_buf_str(&json));
    assert_int_equal(read.stacks[0].n, TB_STACK_FRAMES);
    assert_int_equal(read.stacks[0].n_all, 1501);
    assert_string_equal(read.stacks[0].frames[0].method, "f1499");
    assert_string_equal(read.stacks[0].frames[999].method, "f500");
    done(&read);
    tb_buf_done(&json);
}

static void what_is_of_another_shape_is_no_stack(void **state)
{
    (void)state;
    static const char *const ODD[] = {
        "[]",
        "7",
        "null",
        "{}",
        "nonsense",
        "",
        "{\"body\":[]}",
        "{\"body\":{\"trace\":[]}}",
        "{\"body\":{\"trace_chain\":{}}}",
        "{\"body\":{\"trace\":{\"frames\":{\"a\":1}}}}",
        "{\"body\":{\"trace_chain\":[7,null,[]]}}",
        "{\"body\":{\"trace\":{\"frames\":[7,null,[],{\"method\":{},\"lineno\":\"x\"}]}}}"};
    for (size_t i = 0; i < sizeof(ODD) / sizeof(ODD[0]); i++) {
        struct read read;
        struct tb_frame frame;
        read_json(&read, ODD[i]);
        int err = tb_stack_blamed(&read.event, &frame);
        assert_true(err == 0 || err == -ENOENT);
        done(&read);
    }
}

static void a_chain_is_as_long_as_it_may_be(void **state)
{
    (void)state;
    struct read read;
    struct tb_buf json;
    tb_buf_init(&json, 1 << 20);
    tb_buf_adds(&json, "{\"body\":{\"trace_chain\":[{}");
    for (int i = 0; i < 2 * TB_STACKS; i++)
        tb_buf_adds(&json, ",{}");
    tb_buf_adds(&json, "]}}");
    read_json(&read, tb_buf_str(&json));
    assert_int_equal(read.n, TB_STACKS);
    done(&read);
    tb_buf_done(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_innermost_frame_is_number_0),
        cmocka_unit_test(the_root_of_the_server_is_cut_off),
        cmocka_unit_test(library_frames_fold_and_the_program_s_own_is_blamed),
        cmocka_unit_test(a_stack_of_libraries_alone_blames_its_innermost_frame),
        cmocka_unit_test(a_stack_of_libraries_alone_blames_the_one_that_is_not_the_c_library),
        cmocka_unit_test(a_package_that_is_the_server_s_root_is_no_library),
        cmocka_unit_test(a_frame_that_ended_in_a_tail_call_says_so),
        cmocka_unit_test(installed_packages_are_libraries),
        cmocka_unit_test(recursion_folds),
        cmocka_unit_test(recursion_folds_on_both_sides_of_what_is_left_out),
        cmocka_unit_test(place_of_what_is_left_out_is_believed_only_inside_of_the_stack),
        cmocka_unit_test(the_innermost_frames_of_a_long_stack_are_kept),
        cmocka_unit_test(what_is_of_another_shape_is_no_stack),
        cmocka_unit_test(a_chain_is_as_long_as_it_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
