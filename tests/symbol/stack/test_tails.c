/* test_tails.c - functions that have jumped away are put back where there is no doubt. */
#include "../support.h"
#include "../index/built.h"
#include "symbol/answer/answer_frame.h"
#include "symbol/files/cache.h"
#include "symbol/stack/frames.h"
#include "symbol/stack/tails.h"
#include "unwind/walk.h"

#define TAILS_C (DATA "/tails.c")

static struct tb_symbol_config config;

struct scene {
    struct subject subject;
    struct built built;
    struct tb_symbol_cache cache;
    struct tb_symbol_modules modules;
    struct tb_symbol_raw raw[SUBJECT_ADDRESSES_MAX];
    struct tb_symbol_frames frames;
};

static void open_scene(struct scene *s, const char *compiler, const char *way, const char *option,
                       const char *version)
{
    char path[512];
    char probe[512];
    char define[64];
    (void)snprintf(define, sizeof(define), "-DWAY=%s", way);
    RUN(c_compiler(), "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN(compiler, "-g", option, version, define, TAILS_C, probe, "-o", in_folder(path, "tails"));
    run_subject(path, &s->subject);
    assert_int_equal(build_index(path, NULL, NULL, &s->built), 0);
    tb_symbol_cache_init(&s->cache);
    assert_int_equal(tb_symbol_modules_init(&s->cache, &config, &s->subject.process, &s->modules),
                     0);
    struct tb_symbol_module *module = tb_symbol_modules_find(&s->modules, s->subject.addresses[0]);
    assert_non_null(module);
    module->index = &s->built.index;
    for (size_t i = 0; i < s->subject.n_addresses; i++)
        s->raw[i] = (struct tb_symbol_raw){.ip = s->subject.addresses[i], .trust = TB_TRUST_CFI};
}

static void make_frames(struct scene *s)
{
    s->frames = (struct tb_symbol_frames){0};
    assert_int_equal(tb_symbol_frames_make(&s->modules, s->raw, s->subject.n_addresses,
                                           TB_SYMBOL_STACK_REPORT, &s->frames),
                     0);
}

static void close_scene(struct scene *s)
{
    tb_symbol_frames_done(&s->frames);
    tb_symbol_modules_done(&s->modules);
    tb_symbol_cache_done(&s->cache);
    drop_index(&s->built);
}

/* names: of all frames, innermost first, with a space between. */
static void expect_names(const struct scene *s, const char *names)
{
    char all[512] = "";
    for (size_t i = 0; i < s->frames.n; i++)
        (void)snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i > 0 ? " " : "",
                       s->frames.items[i].method ? s->frames.items[i].method : "?");
    assert_string_equal(all, names);
}

static void expect_chain(const char *compiler, const char *option, const char *version)
{
    static const char *const marks[] = {"last", "hop", "chain", "main"};
    struct scene s;
    open_scene(&s, compiler, "chain", option, version);
    make_frames(&s);
    expect_names(&s, "last hop chain main");
    for (size_t i = 0; i < 4; i++) {
        const struct tb_symbol_frame *frame = &s.frames.items[i];
        assert_int_equal(frame->line, line_of("tails.c", marks[i]));
        assert_string_equal(frame->file, TAILS_C);
        assert_true(frame->in_app);
        if (strcmp(option, "-O2") == 0)
            assert_int_equal(frame->trust, i == 1 || i == 2 ? TB_SYMBOL_TRUST_TAIL : TB_TRUST_CFI);
    }
    close_scene(&s);
}

static void chain_of_tail_calls_is_as_without_optimisation(void **state)
{
    (void)state;
    expect_chain(c_compiler(), "-O0", "-gdwarf-5");
    expect_chain(c_compiler(), "-O2", "-gdwarf-5");
    expect_chain(c_compiler(), "-O2", "-gdwarf-4");
    if (!is_installed("clang"))
        skip();
    expect_chain("clang", "-O2", "-gdwarf-5");
}

static void answer_says_that_a_frame_is_not_on_the_stack(void **state)
{
    struct scene s;
    struct tb_json json;
    char text[1024];
    (void)state;
    open_scene(&s, c_compiler(), "chain", "-O2", "-gdwarf-5");
    make_frames(&s);
    tb_json_init(&json, text, sizeof(text));
    tb_json_object(&json);
    tb_symbol_answer_place(&json, &s.frames.items[1], false);
    tb_json_end(&json);
    assert_int_equal(tb_json_finish(&json), 0);
    cJSON *frame = cJSON_Parse(text);
    assert_string_equal(text_of(frame, "trust"), "tail");
    assert_string_equal(text_of(frame, "module"), "tails");
    cJSON_Delete(frame);
    close_scene(&s);
}

static void function_with_several_jumps_has_no_line(void **state)
{
    struct scene s;
    (void)state;
    if (!is_installed("gcc"))
        skip();
    open_scene(&s, "gcc", "twice", "-O2", "-fno-crossjumping");
    make_frames(&s);
    expect_names(&s, "last twice main");
    assert_int_equal(s.frames.items[1].trust, TB_SYMBOL_TRUST_TAIL);
    assert_string_equal(s.frames.items[1].file, TAILS_C);
    assert_int_equal(s.frames.items[1].line, 0);
    close_scene(&s);
}

/* What main calls was called; what came after it is not known. */
static void where_there_are_two_ways_or_an_unknown_one_only_their_begin_is_put_in(void **state)
{
    static const char *const ways[] = {"fork_of", "doubtful"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char names[64];
        struct scene s;
        open_scene(&s, c_compiler(), ways[i], "-O2", "-gdwarf-5");
        make_frames(&s);
        (void)snprintf(names, sizeof(names), "last %s main", ways[i]);
        expect_names(&s, names);
        assert_int_equal(s.frames.items[1].trust, TB_SYMBOL_TRUST_TAIL);
        assert_int_equal(s.frames.items[1].line, 0);
        close_scene(&s);
    }
}

/* The program was sent to an address that is in no module. */
static void function_that_jumped_to_nowhere_is_put_in(void **state)
{
    struct scene s;
    (void)state;
    open_scene(&s, c_compiler(), "doubtful", "-O2", "-gdwarf-5");
    s.raw[0] = (struct tb_symbol_raw){.ip = 0x10, .is_exact = true, .trust = TB_TRUST_CONTEXT};
    make_frames(&s);
    expect_names(&s, "? doubtful main");
    close_scene(&s);
}

/* The same chain; what is doubtful is how the stack was found. */
static void nothing_is_put_in_where_the_stack_is_in_doubt(void **state)
{
    struct scene s;
    struct tb_symbol_hop hops[TB_SYMBOL_HOPS_MAX];
    (void)state;
    open_scene(&s, c_compiler(), "chain", "-O2", "-gdwarf-5");
    assert_int_equal(tb_symbol_tails_find(&s.modules, &s.raw[0], &s.raw[1], hops), 2);
    static const int trusts[] = {TB_TRUST_FP, TB_TRUST_SCAN};
    for (size_t i = 0; i < 2; i++) {
        s.raw[1].trust = trusts[i];
        assert_int_equal(tb_symbol_tails_find(&s.modules, &s.raw[0], &s.raw[1], hops), 0);
    }
    s.raw[1].trust = TB_TRUST_CFI;
    s.raw[1].is_exact = true;
    assert_int_equal(tb_symbol_tails_find(&s.modules, &s.raw[0], &s.raw[1], hops), 0);
    s.raw[1].is_exact = false;
    /* A caller that calls something else. */
    assert_int_equal(tb_symbol_tails_find(&s.modules, &s.raw[1], &s.raw[0], hops), 0);
    s.frames = (struct tb_symbol_frames){0};
    close_scene(&s);
}

static uint64_t address_in(const struct tb_process *process, const char *name)
{
    for (size_t i = 0; i < process->n_modules; i++)
        if (strstr(process->modules[i].path, name))
            return process->modules[i].lo + (process->modules[i].hi - process->modules[i].lo) / 2;
    fail_msg("no %s", name);
    return 0;
}

/* The data say nothing of a jump in last, but it was called and libc's code is not in it. The
 * loader's may have been looking for it. */
static void function_that_led_into_a_library_is_put_in(void **state)
{
    struct scene s;
    struct tb_symbol_hop hops[TB_SYMBOL_HOPS_MAX];
    (void)state;
    open_scene(&s, c_compiler(), "last", "-O2", "-gdwarf-5");
    s.raw[0] = (struct tb_symbol_raw){.ip = address_in(&s.subject.process, "libc.so"),
                                      .is_exact = true,
                                      .trust = TB_TRUST_CONTEXT};
    assert_int_equal(tb_symbol_tails_find(&s.modules, &s.raw[0], &s.raw[1], hops), 1);
    assert_false(hops[0].is_only);
    make_frames(&s);
    assert_true(s.frames.n >= 3);
    const struct tb_symbol_frame *frame = &s.frames.items[s.frames.n - 2];
    assert_string_equal(frame->method, "last");
    assert_int_equal(frame->line, 0);
    assert_int_equal(frame->trust, TB_SYMBOL_TRUST_TAIL);
    s.raw[0].ip = address_in(&s.subject.process, "ld-linux");
    assert_int_equal(tb_symbol_tails_find(&s.modules, &s.raw[0], &s.raw[1], hops), 0);
    close_scene(&s);
}

static int set_up(void **state)
{
    default_config(&config);
    return make_folder(state);
}

static int tear_down(void **state)
{
    tb_symbol_config_done(&config);
    return remove_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain_of_tail_calls_is_as_without_optimisation),
        cmocka_unit_test(answer_says_that_a_frame_is_not_on_the_stack),
        cmocka_unit_test(function_with_several_jumps_has_no_line),
        cmocka_unit_test(where_there_are_two_ways_or_an_unknown_one_only_their_begin_is_put_in),
        cmocka_unit_test(function_that_jumped_to_nowhere_is_put_in),
        cmocka_unit_test(function_that_led_into_a_library_is_put_in),
        cmocka_unit_test(nothing_is_put_in_where_the_stack_is_in_doubt),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
