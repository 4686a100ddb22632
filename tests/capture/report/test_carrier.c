/* The ring of texts: whole or not at all, whoever writes meanwhile. */
#include "rig.h"

#include <pthread.h>

#include "capture/report/carrier.h"

static const struct tb_trace trace = {.trace_id = {1}, .xray_trace_id = {2}};

enum { N_PLACES = 1024, N_THREADS = 4, N_ROUNDS = 20000 };

static void a_text_is_kept_and_read_often(void **state)
{
    (void)state;
    char out[TB_TRACE_CARRIED_BYTES];
    char longest[TB_TRACE_CARRIED_BYTES];
    struct tb_trace_image image = {.source = 0};
    memset(longest, 'x', sizeof(longest));
    for (size_t len = 1; len <= sizeof(longest); len += 13) {
        tb_carrier_keep(&trace, longest, len, &image);
        assert_true(image.carrier > 0);
        for (int i = 0; i < 3; i++) {
            memset(out, 0, sizeof(out));
            assert_int_equal(tb_carrier_read(&trace, &image, out), len);
            assert_memory_equal(out, longest, len);
        }
    }
}

static void nothing_and_too_much_are_kept_nowhere(void **state)
{
    (void)state;
    char out[TB_TRACE_CARRIED_BYTES];
    static const char text[TB_TRACE_CARRIED_BYTES + 1];
    struct tb_trace_image image = {.carrier = 7, .generation = 2};
    tb_carrier_keep(&trace, text, 0, &image);
    assert_int_equal(image.carrier, 0);
    assert_int_equal(tb_carrier_read(&trace, &image, out), 0);
    tb_carrier_keep(&trace, text, sizeof(text), &image);
    assert_int_equal(image.carrier, 0);
}

static void one_that_was_written_over_is_gone(void **state)
{
    (void)state;
    char out[TB_TRACE_CARRIED_BYTES];
    struct tb_trace_image first;
    struct tb_trace_image image;
    tb_carrier_keep(&trace, "first", 5, &first);
    for (int i = 0; i < N_PLACES - 1; i++)
        tb_carrier_keep(&trace, "other", 5, &image);
    assert_int_equal(tb_carrier_read(&trace, &first, out), 5);
    assert_memory_equal(out, "first", 5);
    tb_carrier_keep(&trace, "other", 5, &image);
    assert_int_equal(tb_carrier_read(&trace, &first, out), 0);
    assert_int_equal(tb_carrier_read(&trace, &image, out), 5);
}

static void an_image_of_nonsense_reads_nothing(void **state)
{
    (void)state;
    char out[TB_TRACE_CARRIED_BYTES];
    for (unsigned carrier = 0; carrier <= UINT16_MAX; carrier += 17) {
        for (uint32_t generation = 1; generation < 8;
             generation += 2) { /* odd: never a whole one */
            const struct tb_trace_image image = {.carrier = (uint16_t)carrier,
                                                 .generation = generation};
            assert_int_equal(tb_carrier_read(&trace, &image, out), 0);
        }
    }
}

/* A state of another process, whose ring had another trace there. */
static void the_text_of_another_trace_is_not_read(void **state)
{
    (void)state;
    char out[TB_TRACE_CARRIED_BYTES];
    struct tb_trace_image image;
    struct tb_trace other = trace;
    tb_carrier_keep(&trace, "text", 4, &image);
    other.trace_id[15] = 1;
    assert_int_equal(tb_carrier_read(&other, &image, out), 0);
    other = trace;
    other.xray_trace_id[0] = 0;
    assert_int_equal(tb_carrier_read(&other, &image, out), 0);
    other = trace;
    other.span_id[0] = 1; /* another span of the same trace */
    assert_int_equal(tb_carrier_read(&other, &image, out), 4);
}

/* Each writes texts of one letter, and reads its last ones and what it can find of others'. */
static void *write_and_read(void *arg)
{
    char letter = (char)('a' + (intptr_t)arg);
    char text[TB_TRACE_CARRIED_BYTES];
    char out[TB_TRACE_CARRIED_BYTES];
    struct tb_trace_image image;
    memset(text, letter, sizeof(text));
    for (int i = 0; i < N_ROUNDS; i++) {
        size_t want = 1 + (size_t)i % sizeof(text);
        tb_carrier_keep(&trace, text, want, &image);
        size_t len = image.carrier ? tb_carrier_read(&trace, &image, out) : 0;
        if (len != 0 && (len != want || out[0] != letter || out[len - 1] != letter))
            return arg;
        image.carrier = (uint16_t)(1 + i % N_PLACES); /* another's, perhaps while it is written */
        len = tb_carrier_read(&trace, &image, out);
        if (len > 0 && (out[0] < 'b' || out[0] >= 'b' + N_THREADS))
            continue; /* of the other tests */
        for (size_t at = 1; at < len; at++) {
            if (out[at] != out[0])
                return arg;
        }
    }
    return NULL;
}

static void threads_never_see_a_torn_text(void **state)
{
    (void)state;
    pthread_t threads[N_THREADS];
    for (intptr_t i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_and_read, (void *)(i + 1)), 0);
    for (int i = 0; i < N_THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test(name)
    const struct CMUnitTest tests[] = {
        CASE(a_text_is_kept_and_read_often),         CASE(nothing_and_too_much_are_kept_nowhere),
        CASE(one_that_was_written_over_is_gone),     CASE(an_image_of_nonsense_reads_nothing),
        CASE(the_text_of_another_trace_is_not_read), CASE(threads_never_see_a_torn_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
