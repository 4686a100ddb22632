/* The image of a trace context, and the texts that it carries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trace/image.h"

static const struct tb_trace trace = {.trace_id = {1}, .span_id = {2}, .flags = 3};

static void the_bytes_are_where_the_page_says(void **state)
{
    (void)state;
    const struct tb_trace_image more = {.source = TB_TRACE_FROM_XRAY,
                                        .sampled = TB_SAMPLED_YES,
                                        .is_debug = true,
                                        .kinds = 0x0203,
                                        .carrier = 0x0405,
                                        .generation = 0x06070809,
                                        .started_ns = 0x0a0b0c0d0e0f1011};
    static const uint8_t want[38] = {2, 6, 3, 2,    5,    4,    9,    8,    7,    6,    0,
                                     0, 0, 0, 0x11, 0x10, 0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a};
    uint8_t image[TB_TRACE_IMAGE_BYTES];
    uint8_t plain[TB_TRACE_IMAGE_BYTES];
    tb_trace_image_pack(&trace, &more, image);
    tb_trace_pack(&trace, plain);
    assert_memory_equal(image, plain, 90);
    assert_memory_equal(image + 90, want, sizeof(want));
}

static void an_image_comes_back_as_it_was(void **state)
{
    (void)state;
    const struct tb_trace_image more = {.source = TB_TRACE_FROM_API,
                                        .sampled = TB_SAMPLED_NO,
                                        .kinds = 3,
                                        .carrier = 1024,
                                        .generation = 4000000000,
                                        .started_ns = 1767225600123456789};
    uint8_t image[TB_TRACE_IMAGE_BYTES];
    struct tb_trace_context context;
    struct tb_trace_image again;
    tb_trace_image_pack(&trace, &more, image);
    assert_int_equal(tb_trace_image_unpack(image, &context, &again), 0);
    assert_memory_equal(&context.trace, &trace, sizeof(trace));
    assert_int_equal(context.source, TB_TRACE_FROM_API);
    assert_int_equal(context.sampled, TB_SAMPLED_NO);
    assert_false(context.is_debug);
    assert_int_equal(again.kinds, 3);
    assert_int_equal(again.carrier, 1024);
    assert_int_equal(again.generation, 4000000000);
    assert_int_equal(again.started_ns, 1767225600123456789);
    image[24] = 0;
    assert_int_equal(tb_trace_image_unpack(image, &context, &again), -22);
}

static void foreign_bytes_give_no_more_than_is_known(void **state)
{
    (void)state;
    uint8_t image[TB_TRACE_IMAGE_BYTES];
    struct tb_trace_context context;
    struct tb_trace_image more;
    memset(image, 0xff, sizeof(image));
    image[24] = 1;
    assert_int_equal(tb_trace_image_unpack(image, &context, &more), 0);
    assert_int_equal(context.source, 0);
    assert_int_equal(context.sampled, TB_SAMPLED_UNSAID);
    assert_string_equal(tb_trace_source_name(context.source), "");
}

static struct tb_trace_context sample(void)
{
    return (struct tb_trace_context){.state = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7",
                                     .xray_more = "k=v;Lineage=a87bd80c:1|68fd508a:5;z=1",
                                     .dataset = {"my%20data", 9},
                                     .honeycomb_context = {"e30=", 4},
                                     .datadog_origin = {"rum", 3},
                                     .other = {{"one of them", 3}, {"two", 3}},
                                     .n_others = 2};
}

static void assert_slice(const struct tb_slice *slice, const char *text)
{
    assert_non_null(slice->text);
    assert_int_equal(slice->len, strlen(text));
    assert_memory_equal(slice->text, text, slice->len);
}

static void texts_come_back_as_they_were(void **state)
{
    (void)state;
    char texts[TB_TRACE_CARRIED_BYTES];
    struct tb_trace_context context = sample();
    struct tb_trace_context again = {.n_others = 0};
    size_t len = tb_trace_carried_pack(&context, texts);
    tb_trace_carried_unpack(texts, len, &again);
    assert_string_equal(again.state, context.state);
    assert_string_equal(again.xray_more, context.xray_more);
    assert_slice(&again.lineage, "a87bd80c:1|68fd508a:5");
    assert_slice(&again.dataset, "my%20data");
    assert_slice(&again.honeycomb_context, "e30=");
    assert_slice(&again.datadog_origin, "rum");
    assert_int_equal(again.n_others, 2);
    assert_slice(&again.other[0], "one");
    assert_slice(&again.other[1], "two");
}

static void what_does_not_fit_is_left_out_and_the_rest_is_whole(void **state)
{
    (void)state;
    char texts[TB_TRACE_CARRIED_BYTES];
    char big[TB_TRACE_CARRIED_BYTES];
    struct tb_trace_context context = sample();
    struct tb_trace_context again = {.n_others = 0};
    memset(context.state, 's', sizeof(context.state) - 1);
    memset(context.xray_more, 'x', sizeof(context.xray_more) - 1);
    memset(big, 'b', sizeof(big));
    for (int i = 0; i < TB_TRACE_OTHERS; i++)
        context.other[i] = (struct tb_slice){big, sizeof(big)};
    context.n_others = TB_TRACE_OTHERS;
    context.dataset = (struct tb_slice){big, sizeof(big)};
    size_t len = tb_trace_carried_pack(&context, texts);
    assert_true(len <= sizeof(texts));
    tb_trace_carried_unpack(texts, len, &again);
    assert_string_equal(again.state, context.state);
    assert_string_equal(again.xray_more, context.xray_more);
    assert_null(again.dataset.text);
    assert_true(again.n_others >= 1);
    assert_int_equal(again.other[0].len, TB_TRACE_OTHER_BYTES);
}

/* Any cut, and bytes of any kind, behind memory of their length exactly. */
static void unpack_takes_any_bytes(void **state)
{
    (void)state;
    char texts[TB_TRACE_CARRIED_BYTES];
    struct tb_trace_context context = sample();
    size_t len = tb_trace_carried_pack(&context, texts);
    for (size_t cut = 0; cut < len; cut++) {
        struct tb_trace_context again = {.n_others = 0};
        char *copy = malloc(cut + 1);
        assert_non_null(copy);
        memcpy(copy + 1, texts, cut);
        tb_trace_carried_unpack(copy + 1, cut, &again);
        free(copy);
    }
    srand(7);
    for (int round = 0; round < 10000; round++) {
        struct tb_trace_context again = {.n_others = 0};
        for (size_t i = 0; i < 64; i++)
            texts[i] = "sxdcgo\0\0ab"[rand() % 10];
        tb_trace_carried_unpack(texts, 64, &again);
        assert_true(again.n_others <= TB_TRACE_OTHERS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_are_where_the_page_says),
        cmocka_unit_test(an_image_comes_back_as_it_was),
        cmocka_unit_test(foreign_bytes_give_no_more_than_is_known),
        cmocka_unit_test(texts_come_back_as_they_were),
        cmocka_unit_test(what_does_not_fit_is_left_out_and_the_rest_is_whole),
        cmocka_unit_test(unpack_takes_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
