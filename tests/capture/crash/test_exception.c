/* With the C++ runtime that is installed, driven from C: no compiler for C++ is needed. */
#include "capture/crash/exception.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/crash/exception_text.h"
#include "image.h"

/* From the beginning of a header of libstdc++ to the object. */
enum { HEADER_BYTES = 112, CLASS_AT = 80, OBJECT_AT = 32 };

static void *library; /* opened as a plug-in does: its names are not global */
static struct tb_memory memory;
static struct tb_dynsym runtime;
static struct tb_exception seen;

static void *named(const char *name)
{
    void *found = dlsym(library, name);
    assert_non_null(found);
    return found;
}

static uintptr_t call_of(const char *name)
{
    return (uintptr_t)named(name);
}

static int open_library(const char *name)
{
    struct dl_find_object found;
    library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return -ENOENT;
    (void)_dl_find_object(named("__cxa_begin_catch"), &found);
    const struct tb_module module = {.lo = (uint64_t)(uintptr_t)found.dlfo_map_start,
                                     .hi = (uint64_t)(uintptr_t)found.dlfo_map_end,
                                     .bias = found.dlfo_link_map->l_addr};
    tb_memory_reset(&memory);
    return tb_dynsym_open(&runtime, &memory, &module);
}

static int open_runtime(void **state)
{
    (void)state;
    int err = open_library("libstdc++.so.6");
    return err == -ENOENT ? 0 : err;
}

static int open_other_runtime(void **state)
{
    (void)state;
    int err = open_library("libc++abi.so.1");
    return err == -ENOENT ? 0 : err;
}

static void need_runtime(void)
{
    if (!library)
        skip();
    tb_memory_reset(&memory);
}

static uint64_t globals_by_call(void)
{
    return (uint64_t)(uintptr_t)((void *(*)(void))call_of("__cxa_get_globals"))();
}

static void *find_in_thread(void *arg)
{
    static struct tb_memory its_memory;
    struct tb_dynsym its_runtime = runtime;
    uint64_t before = 1;
    uint64_t after = 1;
    its_runtime.memory = &its_memory;
    tb_memory_reset(&its_memory);
    int err = tb_exception_globals(&its_runtime, &before);
    uint64_t want = globals_by_call();
    tb_memory_reset(&its_memory);
    *(int *)arg = tb_exception_globals(&its_runtime, &after) == 0 && after == want &&
                  (err == -ENOENT || before == want);
    return NULL;
}

/* A thread that never came to the runtime has none, or the right ones. */
static void globals_of_every_thread_are_those_that_the_runtime_says(void **state)
{
    (void)state;
    uint64_t address = 0;
    need_runtime();
    uint64_t want = globals_by_call();
    assert_int_equal(tb_exception_globals(&runtime, &address), 0);
    assert_true(address == want);
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        int is_right = 0;
        assert_int_equal(pthread_create(&thread, NULL, find_in_thread, &is_right), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(is_right);
    }
}

/* As throw does it: an object of type, made by a constructor from a text, that is thrown once. */
static char *make_exception(const char *type, const char *constructor, const char *text)
{
    enum { OBJECT_BYTES = 16, COUNT_AT = -128 };
    const int count = 1;
    char destructor[64];
    size_t len = strlen(constructor) - strlen("C1EPKc");
    memcpy(destructor, constructor, len);
    memcpy(destructor + len, "D1Ev", 5);
    char *object = ((void *(*)(size_t))call_of("__cxa_allocate_exception"))(OBJECT_BYTES);
    void *(*init)(void *, void *, void *) =
        (void *(*)(void *, void *, void *))call_of("__cxa_init_primary_exception");
    assert_non_null(object);
    (void)init(object, named(type), named(destructor));
    memcpy(object + COUNT_AT, &count, sizeof(count));
    ((void (*)(void *, const char *))call_of(constructor))(object, text);
    return object;
}

static void begin_catch(char *object)
{
    (void)((void *(*)(void *))call_of("__cxa_begin_catch"))(object - OBJECT_AT);
}

static void end_catch(void)
{
    ((void (*)(void))call_of("__cxa_end_catch"))();
}

static int look(void)
{
    tb_memory_reset(&memory);
    return tb_exception_find(&runtime, &seen);
}

static void the_exception_that_is_handled_now_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *type, *constructor, *name, *text;
    } rows[] = {
        {"_ZTISt13runtime_error", "_ZNSt13runtime_errorC1EPKc", "St13runtime_error", "of run"},
        {"_ZTISt11logic_error", "_ZNSt11logic_errorC1EPKc", "St11logic_error", "of logic"},
        {"_ZTISt12out_of_range", "_ZNSt12out_of_rangeC1EPKc", "St12out_of_range", "below that"},
        {"_ZTISt14overflow_error", "_ZNSt14overflow_errorC1EPKc", "St14overflow_error", ""},
    };
    need_runtime();
    assert_int_equal(look(), -ENOENT);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin_catch(make_exception(rows[i].type, rows[i].constructor, rows[i].text));
        assert_int_equal(look(), 0);
        assert_string_equal(seen.type, rows[i].name);
        assert_int_equal(seen.type_len, strlen(rows[i].name));
        assert_int_equal(seen.what_len, strlen(rows[i].text));
        assert_memory_equal(seen.what, rows[i].text, seen.what_len);
    }
    for (size_t i = sizeof(rows) / sizeof(rows[0]); i-- > 0;) { /* one in the other's handler */
        assert_int_equal(look(), 0);
        assert_string_equal(seen.type, rows[i].name);
        end_catch();
    }
    assert_int_equal(look(), -ENOENT);
}

static void a_long_text_is_cut_at_its_cap(void **state)
{
    (void)state;
    static char text[4096];
    need_runtime();
    memset(text, 'x', sizeof(text) - 1);
    begin_catch(make_exception("_ZTISt13runtime_error", "_ZNSt13runtime_errorC1EPKc", text));
    assert_int_equal(look(), 0);
    assert_int_equal(seen.what_len, TB_CRASH_WHAT_MAX);
    end_catch();
}

static void one_that_is_no_cxx_exception_is_left_out(void **state)
{
    (void)state;
    need_runtime();
    char *object =
        make_exception("_ZTISt13runtime_error", "_ZNSt13runtime_errorC1EPKc", "of another");
    begin_catch(object);
    memcpy(object - OBJECT_AT, "\0TSURZOM", 8);
    assert_int_equal(look(), -ENOENT);
    memcpy(object - OBJECT_AT, "\2++CCUNG", 8);
    assert_int_equal(look(), -ENOENT);
    memcpy(object - OBJECT_AT, "\0++CCUNG", 8);
    assert_int_equal(look(), 0);
    end_catch();
}

/* Where all is overwritten but the class: nothing is followed into the void. */
static void a_header_that_was_overwritten_is_none(void **state)
{
    (void)state;
    static const uint8_t values[] = {0, 1, 0x41, 0xff};
    need_runtime();
    char *object = make_exception("_ZTISt13runtime_error", "_ZNSt13runtime_errorC1EPKc", "whole");
    char *header = object - HEADER_BYTES;
    char kept[HEADER_BYTES];
    begin_catch(object);
    memcpy(kept, header, sizeof(kept));
    for (size_t i = 0; i < sizeof(values); i++) {
        memset(header, values[i], CLASS_AT);
        assert_int_equal(look(), -ENOENT);
    }
    memcpy(header, kept, CLASS_AT);
    for (size_t at = 0; at < HEADER_BYTES; at++) {
        char was = header[at];
        header[at] = (char)~was;
        (void)look();
        header[at] = was;
    }
    assert_int_equal(look(), 0);
    end_catch();
}

/* ---- ways to find the globals, as compilers write them ---- */

#if defined(__x86_64__)
static _Thread_local uint64_t variable;

static uint64_t thread_pointer(void)
{
    uint64_t pointer;
    __asm__("movq %%fs:0, %0" : "=r"(pointer));
    return pointer;
}

/* The function's code is where the symbol is; its number of four bytes at number_at is the distance
 * from the end of that instruction to data, or the value itself if data is NULL. */
static int globals_by(const char *code, size_t len, size_t number_at, int32_t value,
                      const void *data, uint64_t *address)
{
    static uint8_t image[IMAGE_BYTES];
    static struct tb_memory its_memory;
    struct tb_dynsym table;
    const struct tb_module module = image_make(image, "__cxa_get_globals_fast");
    memcpy(image + IMAGE_SYMBOL_AT, code, len);
    if (data) {
        memcpy(image, ELFMAG, SELFMAG);
        memcpy(image + IMAGE_BYTES - 32, data, 16);
        value = (int32_t)(IMAGE_BYTES - 32 - (IMAGE_SYMBOL_AT + number_at + 4));
    }
    memcpy(image + IMAGE_SYMBOL_AT + number_at, &value, sizeof(value));
    tb_memory_reset(&its_memory);
    assert_int_equal(tb_dynsym_open(&table, &its_memory, &module), 0);
    return tb_exception_globals(&table, address);
}

static void globals_in_the_program_itself_are_at_a_distance_from_the_thread(void **state)
{
    (void)state;
    static const char code[] = "\xf3\x0f\x1e\xfa\x48\x83\xec\x08\x66\x66\x66\x64\x48\x8b\x04\x25"
                               "\0\0\0\0\x48\x83\xc4\x08\x48\x05\0\0\0\0\xc3";
    uint64_t address = 0;
    int32_t distance = (int32_t)((uint64_t)(uintptr_t)&variable - thread_pointer());
    assert_int_equal(globals_by(code, sizeof(code), 26, distance, NULL, &address), 0);
    assert_true(address == (uint64_t)(uintptr_t)&variable);
}

static void globals_at_a_distance_that_the_loader_knows_are_found(void **state)
{
    (void)state;
    static const char code[] = "\x48\x8b\x05\0\0\0\0\x64\x48\x03\x04\x25\0\0\0\0\xc3";
    uint64_t address = 0;
    const uint64_t data[2] = {(uint64_t)(uintptr_t)&variable - thread_pointer()};
    assert_int_equal(globals_by(code, sizeof(code), 3, 0, data, &address), 0);
    assert_true(address == (uint64_t)(uintptr_t)&variable);
}

static void globals_under_a_key_are_found(void **state)
{
    (void)state;
    static const char code[] = "\x50\x8b\x3d\0\0\0\0\x58\xe9\0\0\0\0";
    uint64_t address = 0;
    pthread_key_t key;
    assert_int_equal(pthread_key_create(&key, NULL), 0);
    uint64_t data[2] = {key};
    assert_int_equal(globals_by(code, sizeof(code), 3, 0, data, &address), -ENOENT);
    assert_int_equal(pthread_setspecific(key, &variable), 0);
    assert_int_equal(globals_by(code, sizeof(code), 3, 0, data, &address), 0);
    assert_true(address == (uint64_t)(uintptr_t)&variable);
    data[0] = UINT32_MAX; /* not made yet */
    assert_int_equal(globals_by(code, sizeof(code), 3, 0, data, &address), -ENOENT);
    pthread_key_delete(key);
}

static void a_module_that_the_thread_has_nothing_of_has_no_globals(void **state)
{
    (void)state;
    static const char code[] = "\x66\x48\x8d\x3d\0\0\0\0\x66\x66\x48\xe8\0\0\0\0\xc3";
    uint64_t address = 0;
    const uint64_t modules[] = {0, 100000, UINT64_MAX, (uint64_t)1 << 60};
    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
        const uint64_t data[2] = {modules[i]};
        assert_int_equal(globals_by(code, sizeof(code), 4, 0, data, &address), -ENOENT);
    }
}

static void code_that_is_not_understood_is_not_believed(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        size_t len;
    } rows[] = {
        {"\xc3", 1},                                          /* returns what was in rax */
        {"\x31\xc0\xc3", 3},                                  /* NULL */
        {"\x64\x48\x8b\x04\x25\0\0\0\0\x48\x8b\x00\xc3", 13}, /* loads more */
        {"\x64\x48\x8b\x04\x25\x08\0\0\0\xc3", 10},           /* another place of the thread */
        {"\x48\x05\0\0\0\0\xc3", 7},                          /* no base */
        {"\x66\x66\x66\x66", 4},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t address = 0;
        assert_int_equal(globals_by(rows[i].code, rows[i].len, 40, 0, NULL, &address), -ENOENT);
    }
}
#endif

/* ---- types of our own: rows of std::type_info as the compiler writes them ---- */

struct single {
    uint64_t vptr;
    const char *name;
    const void *base;
};

struct several {
    uint64_t vptr;
    const char *name;
    uint32_t flags, n;
    struct {
        const void *type;
        int64_t offset;
    } bases[3];
};

static uint64_t vptr_of(const char *type)
{
    uint64_t vptr;
    memcpy(&vptr, named(type), sizeof(vptr));
    return vptr;
}

static void text_of(const void *type, const void *object, const char *name, const char *text)
{
    tb_memory_reset(&memory);
    assert_int_equal(
        tb_exception_text(&runtime, (uint64_t)(uintptr_t)type, (uint64_t)(uintptr_t)object, &seen),
        0);
    assert_string_equal(seen.type, name);
    assert_int_equal(seen.what_len, strlen(text));
    assert_memory_equal(seen.what, text, seen.what_len);
}

static void the_text_is_found_in_bases_of_any_depth(void **state)
{
    (void)state;
    static const char *const object[] = {"vptr", "a text", "another vptr", "a text behind"};
    need_runtime();
    const struct single inner = {vptr_of("_ZTISt13runtime_error"), "5Inner",
                                 named("_ZTISt11logic_error")};
    const struct single outer = {vptr_of("_ZTISt13runtime_error"), "*5Outer", &inner};
    const struct several many = {
        vptr_of("_ZTISd"), "4Many", 0, 2, {{named("_ZTISt9exception"), 2}, {&outer, 16 << 8 | 2}}};
    const struct several virtual_ = {vptr_of("_ZTISd"), "7Virtual", 0, 1, {{&outer, 16 << 8 | 3}}};
    text_of(&inner, object, "5Inner", "a text");
    text_of(&outer, object, "5Outer", "a text");
    text_of(&many, object, "4Many", "a text behind");
    text_of(&virtual_, object, "7Virtual", "");
    text_of(named("_ZTIPKc"), object, "PKc", "vptr");
    text_of(named("_ZTISt9bad_alloc"), object, "St9bad_alloc", "");
    text_of(named("_ZTIi"), object, "i", "");
}

static void bases_that_go_round_in_circles_end(void **state)
{
    (void)state;
    need_runtime();
    struct single round = {vptr_of("_ZTISt13runtime_error"), "5Round", NULL};
    round.base = &round;
    text_of(&round, &round, "5Round", "");
    struct several many = {vptr_of("_ZTISd"), "4Many", 0, UINT32_MAX, {{NULL, 0}}};
    for (int i = 0; i < 3; i++)
        many.bases[i].type = &many;
    text_of(&many, &many, "4Many", "");
}

static void a_type_without_a_name_is_none(void **state)
{
    (void)state;
    need_runtime();
    const struct single nameless = {vptr_of("_ZTISt13runtime_error"), "", NULL};
    const struct single wild = {1, (const char *)16, NULL};
    tb_memory_reset(&memory);
    assert_int_equal(tb_exception_text(&runtime, (uint64_t)(uintptr_t)&nameless, 0, &seen),
                     -ENOENT);
    assert_int_equal(tb_exception_text(&runtime, (uint64_t)(uintptr_t)&wild, 0, &seen), -ENOENT);
    assert_int_equal(tb_exception_text(&runtime, 16, 0, &seen), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(globals_of_every_thread_are_those_that_the_runtime_says),
        cmocka_unit_test(the_exception_that_is_handled_now_is_found),
        cmocka_unit_test(a_long_text_is_cut_at_its_cap),
        cmocka_unit_test(one_that_is_no_cxx_exception_is_left_out),
        cmocka_unit_test(a_header_that_was_overwritten_is_none),
#if defined(__x86_64__)
        cmocka_unit_test(globals_in_the_program_itself_are_at_a_distance_from_the_thread),
        cmocka_unit_test(globals_at_a_distance_that_the_loader_knows_are_found),
        cmocka_unit_test(globals_under_a_key_are_found),
        cmocka_unit_test(a_module_that_the_thread_has_nothing_of_has_no_globals),
        cmocka_unit_test(code_that_is_not_understood_is_not_believed),
#endif
        cmocka_unit_test(the_text_is_found_in_bases_of_any_depth),
        cmocka_unit_test(bases_that_go_round_in_circles_end),
        cmocka_unit_test(a_type_without_a_name_is_none),
    };
    const struct CMUnitTest others[] = {
        /* where it is installed */
        cmocka_unit_test(globals_of_every_thread_are_those_that_the_runtime_says),
    };
    int failed = cmocka_run_group_tests(tests, open_runtime, NULL);
    return failed + cmocka_run_group_tests(others, open_other_runtime, NULL);
}
