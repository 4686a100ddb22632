#include "trace/trace.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define W3C "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"
#define XRAY "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"

/* In memory of exactly that length, so that a sanitizer sees a byte read too much. */
static int parse_exact(int (*parse)(const char *, size_t, struct tb_trace *), const char *text,
                       size_t len)
{
    struct tb_trace trace = {0};
    char *memory = malloc(len > 0 ? len : 1);
    assert_non_null(memory);
    memcpy(memory, text, len);
    int err = parse(memory, len, &trace);
    free(memory);
    return err;
}

static void every_prefix_of_a_header_is_read_within_its_bounds(void **state)
{
    (void)state;
    for (size_t len = 0; len < strlen(W3C); len++)
        assert_int_equal(parse_exact(tb_trace_parse_w3c, W3C, len), -EINVAL);
    assert_int_equal(parse_exact(tb_trace_parse_w3c, W3C, strlen(W3C)), 0);
    for (size_t len = 0; len <= strlen(XRAY); len++)
        assert_int_equal(parse_exact(tb_trace_parse_xray, XRAY, len), len < 40 ? -EINVAL : 0);
}

static void two_traceparents_in_one_are_none(void **state)
{
    (void)state;
    static const char later[] = "cc-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01-x," W3C;
    assert_int_equal(parse_exact(tb_trace_parse_w3c, W3C "," W3C, strlen(W3C "," W3C)), -EINVAL);
    assert_int_equal(parse_exact(tb_trace_parse_w3c, later, strlen(later)), -EINVAL);
}

static void a_later_version_tells_only_whether_it_is_sampled(void **state)
{
    (void)state;
    static const char later[] = "01-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-ff";
    struct tb_trace trace = {0};
    char text[TB_TRACEPARENT_TEXT];
    assert_int_equal(tb_trace_parse_w3c(later, strlen(later), &trace), 0);
    assert_int_equal(trace.flags, 1);
    tb_traceparent_text(&trace, text);
    assert_string_equal(text, W3C);
}

static void a_header_of_either_system_fills_what_is_shown(void **state)
{
    (void)state;
    struct tb_trace w3c = {0};
    struct tb_trace xray = {0};
    struct tb_trace bare = {0};
    static const char bare_text[] = "1-5759e988-bd862e3fe1be46a994272793";
    static const char shouted[] =
        "ROOT=1-5759E988-BD862E3FE1BE46A994272793;parent=53995C3F42CD8AD8";
    assert_int_equal(tb_trace_parse(W3C, strlen(W3C), &w3c), 0);
    assert_int_equal(tb_trace_parse(XRAY, strlen(XRAY), &xray), 0);
    assert_int_equal(tb_trace_parse(bare_text, strlen(bare_text), &bare), 0);
    assert_memory_equal(w3c.trace_id, xray.trace_id, 16);
    assert_memory_equal(w3c.span_id, xray.span_id, 8);
    assert_int_equal(xray.flags, 1);
    assert_memory_equal(bare.trace_id, w3c.trace_id, 16);
    assert_int_equal(bare.xray_sampled, TB_XRAY_UNKNOWN);
    struct tb_trace none = {0};
    assert_memory_equal(w3c.xray_trace_id, none.xray_trace_id, 16);
    assert_int_equal(tb_trace_parse(shouted, strlen(shouted), &none), 0);
    assert_memory_equal(none.span_id, w3c.span_id, 8);
}

static void both_systems_keep_their_own_ids(void **state)
{
    (void)state;
    static const char other[] = "Root=1-5759e988-000000000000000000000001;Sampled=0";
    struct tb_trace trace = {0};
    assert_int_equal(tb_trace_parse(W3C, strlen(W3C), &trace), 0);
    assert_int_equal(tb_trace_parse(other, strlen(other), &trace), 0);
    char w3c[TB_TRACEPARENT_TEXT];
    char xray[TB_XRAY_ID_TEXT];
    tb_traceparent_text(&trace, w3c);
    tb_xray_id_text(trace.xray_trace_id, xray);
    assert_string_equal(w3c, W3C);
    assert_string_equal(xray, "1-5759e988-000000000000000000000001");
    assert_int_equal(trace.xray_sampled, TB_XRAY_NO);
}

/* As the SDKs of AWS and OpenTelemetry read it: else an error would be of another trace than the
 * segments of its service. */
static void of_one_key_the_last_counts(void **state)
{
    (void)state;
    static const char twice[] = "Root=1-5759e988-000000000000000000000001;Parent=0000000000000001;"
                                "Sampled=0;" XRAY;
    static const char spoilt[] = XRAY ";Parent=x;Sampled=2";
    static const char rootless[] = XRAY ";Root=1-5759e988";
    struct tb_trace once = {0};
    struct tb_trace got = {0};
    assert_int_equal(tb_trace_parse_xray(XRAY, strlen(XRAY), &once), 0);
    assert_int_equal(tb_trace_parse_xray(twice, strlen(twice), &got), 0);
    assert_memory_equal(&got, &once, sizeof(got));
    assert_int_equal(tb_trace_parse_xray(spoilt, strlen(spoilt), &got), 0);
    memset(once.xray_parent_id, 0, sizeof(once.xray_parent_id));
    once.xray_sampled = TB_XRAY_UNKNOWN;
    assert_memory_equal(&got, &once, sizeof(got));
    assert_int_equal(tb_trace_parse_xray(rootless, strlen(rootless), &got), -EINVAL);
}

/* No SDK takes it; towbar_trace_push and the page's search do. */
static void an_id_alone_is_no_header(void **state)
{
    (void)state;
    static const char *const texts[] = {"1-5759e988-bd862e3fe1be46a994272793",
                                        "1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
                                        "Sampled=1;1-5759e988-bd862e3fe1be46a994272793"};
    struct tb_trace got = {0};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(tb_trace_parse_xray(texts[i], strlen(texts[i]), &got), -EINVAL);
        assert_int_equal(tb_trace_parse(texts[i], strlen(texts[i]), &got), i == 0 ? 0 : -EINVAL);
    }
}

static void nonsense_leaves_what_was_there(void **state)
{
    (void)state;
    struct tb_trace trace = {.flags = 2, .inherited = 1};
    struct tb_trace before = trace;
    static const char *const texts[] = {"",     " ",     ";",       "=",
                                        "Root", "Root=", "garbage", ";;=;Root=1-"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(tb_trace_parse(texts[i], strlen(texts[i]), &trace), -EINVAL);
    assert_memory_equal(&trace, &before, sizeof(trace));
}

static void a_bare_id_is_read_in_both_spellings(void **state)
{
    (void)state;
    uint8_t id[16];
    static const char *const bad[] = {"",
                                      "1-",
                                      "00000000000000000000000000000000",
                                      "5759e988",
                                      "5759e988bd862e3fe1be46a99427279g",
                                      "5759e988bd862e3fe1be46a9942727930",
                                      "2-5759e988-bd862e3fe1be46a994272793"};
    assert_int_equal(tb_trace_parse_id("5759E988BD862E3FE1BE46A994272793", id), 0);
    assert_int_equal(id[15], 0x93);
    char xray[TB_XRAY_ID_TEXT];
    assert_string_equal(tb_xray_id_of("5759E988BD862E3FE1BE46A994272793", xray),
                        "1-5759e988-bd862e3fe1be46a994272793");
    assert_string_equal(tb_xray_id_of("1-5759e988-bd862e3fe1be46a994272793", xray),
                        "1-5759e988-bd862e3fe1be46a994272793");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(tb_trace_parse_id(bad[i], id), -EINVAL);
        assert_string_equal(tb_xray_id_of(bad[i], xray), "");
    }
}

static void the_image_has_the_bytes_of_the_specification(void **state)
{
    (void)state;
    struct tb_trace trace = {.flags = 3, .xray_sampled = TB_XRAY_YES, .inherited = 1};
    uint8_t image[TB_TRACE_IMAGE_BYTES];
    uint8_t want[TB_TRACE_IMAGE_BYTES] = {0};
    memset(trace.trace_id, 0xa1, 16);
    memset(trace.span_id, 0xb2, 8);
    memset(trace.xray_trace_id, 0xc3, 16);
    memset(trace.xray_parent_id, 0xd4, 8);
    memset(want, 0xa1, 16);
    memset(want + 16, 0xb2, 8);
    want[24] = 1;
    want[25] = 3;
    memset(want + 64, 0xc3, 16);
    memset(want + 80, 0xd4, 8);
    want[88] = 2;
    want[89] = 1;
    tb_trace_pack(&trace, image);
    assert_memory_equal(image, want, sizeof(want));
    struct tb_trace again;
    assert_int_equal(tb_trace_unpack(image, &again), 0);
    assert_memory_equal(&again, &trace, sizeof(trace));
}

static void an_image_of_no_trace_is_not_valid(void **state)
{
    (void)state;
    struct tb_trace none = {0};
    struct tb_trace out = {.flags = 1};
    uint8_t image[TB_TRACE_IMAGE_BYTES];
    tb_trace_pack(&none, image);
    assert_int_equal(tb_trace_unpack(image, &out), -EINVAL);
    assert_int_equal(out.flags, 1);
    assert_false(tb_trace_is_set(&none));
}

static void an_image_from_a_stranger_has_only_known_values(void **state)
{
    (void)state;
    uint8_t image[TB_TRACE_IMAGE_BYTES];
    struct tb_trace out;
    memset(image, 0xff, sizeof(image));
    assert_int_equal(tb_trace_unpack(image, &out), -EINVAL);
    image[24] = 1;
    assert_int_equal(tb_trace_unpack(image, &out), 0);
    assert_int_equal(out.flags, 3);
    assert_int_equal(out.xray_sampled, TB_XRAY_UNKNOWN);
    assert_int_equal(out.inherited, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_prefix_of_a_header_is_read_within_its_bounds),
        cmocka_unit_test(two_traceparents_in_one_are_none),
        cmocka_unit_test(a_later_version_tells_only_whether_it_is_sampled),
        cmocka_unit_test(a_header_of_either_system_fills_what_is_shown),
        cmocka_unit_test(both_systems_keep_their_own_ids),
        cmocka_unit_test(of_one_key_the_last_counts),
        cmocka_unit_test(an_id_alone_is_no_header),
        cmocka_unit_test(nonsense_leaves_what_was_there),
        cmocka_unit_test(a_bare_id_is_read_in_both_spellings),
        cmocka_unit_test(the_image_has_the_bytes_of_the_specification),
        cmocka_unit_test(an_image_of_no_trace_is_not_valid),
        cmocka_unit_test(an_image_from_a_stranger_has_only_known_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
