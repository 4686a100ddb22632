/* Functions as compilers write them out, and their names alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "agent/meaning/function_name.h"

static void names_are_cut_out(void **state)
{
    static const char *const cases[][2] = {
        {"ring_write", "ring_write"},
        {"main", "main"},
        {"", ""},
        {"void ns::f(int)", "ns::f"},
        {"int main(int, char**)", "main"},
        {"bool ns::ring<T, N>::write(const T&) const [with T = int; unsigned int N = 8]",
         "ns::ring::write"},
        {"std::map<std::string, std::vector<int> > load(const char*)", "load"},
        {"void (anonymous namespace)::f(int)", "(anonymous namespace)::f"},
        {"T *ns::make(U &&) [T = int, U = char]", "ns::make"},
        {"int* ns::find(int)", "ns::find"},
        {"ns::Queue::Queue(size_t)", "ns::Queue::Queue"},
        {"ns::Queue::~Queue()", "ns::Queue::~Queue"},
        {"bool ns::operator==(const ns::A&, const ns::A&)", "ns::operator=="},
        {"void ns::F::operator()(int) const", "ns::F::operator()"},
        {"std::ostream& operator<<(std::ostream&, const A&)", "operator<<"},
        {"ns::A::operator bool() const", "ns::A::operator bool"},
        {"load(const char*)::<lambda(int)>", "load::<lambda>"},
        {"auto load(const char *)::(anonymous class)::operator()(int) const",
         "load::(anonymous class)::operator()"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[TB_FUNCTION_NAME_BYTES];
        tb_function_name_short(cases[i][0], name);
        assert_string_equal(name, cases[i][1]);
    }
}

static void anything_fits(void **state)
{
    static const char letters[] = "(<>)[]: *&~operator a::b-";
    char pretty[600];
    (void)state;
    for (unsigned seed = 0; seed < 20000; seed++) {
        char name[TB_FUNCTION_NAME_BYTES];
        unsigned x = seed * 2654435761u;
        size_t len = seed % sizeof(pretty);
        for (size_t i = 0; i < len; i++) {
            x = x * 1664525u + 1013904223u;
            pretty[i] = letters[(x >> 16) % (sizeof(letters) - 1)];
        }
        pretty[len] = '\0';
        tb_function_name_short(pretty, name);
        assert_true(strlen(name) < sizeof(name));
    }
}

static void a_string_is_called_one(void **state)
{
    char type[] =
        "std::map<std::__cxx11::basic_string<char, std::char_traits<char>, "
        "std::allocator<char> >, std::__cxx11::basic_string<char, std::char_traits<char>, "
        "std::allocator<char> >, int>";
    char other[] = "std::basic_string_view<char>";
    (void)state;
    tb_type_name_short(type);
    assert_string_equal(type, "std::map<std::string, std::string, int>");
    tb_type_name_short(other);
    assert_string_equal(other, "std::basic_string_view<char>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_cut_out),
        cmocka_unit_test(anything_fits),
        cmocka_unit_test(a_string_is_called_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
