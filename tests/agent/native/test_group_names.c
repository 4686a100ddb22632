/* One name for a function, however a compiler decorates it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "agent/native/group_names.h"

static void names_are_cleaned(void **state)
{
    static const char *const cases[][2] = {
        {"push", "push"},
        {"push.part.0", "push"},
        {"push.isra.0.cold", "push"},
        {"push.constprop.1", "push"},
        {"f.llvm.1234", "f"},
        {"f.lto_priv.0", "f"},
        {"f.__uniq.1234", "f"},
        {"ns::f(int) [clone .cold]", "ns::f"},
        {".cold", ".cold"},
        {"a.b", "a.b"},
        /* C++ */
        {"ring::push", "ring::push"},
        {"ring<int, std::less<int> >::push<long>", "ring::push"},
        {"name[abi:cxx11]", "name"},
        {"(anonymous namespace)::parse", "parse"},
        {"relay::(anonymous namespace)::Reader::parse", "parse"},
        {"(anonymous namespace)::Cleaner::~Cleaner", "~Cleaner"},
        {"relay::Sink::~Sink", "relay::Sink::~Sink"},
        {"Set::operator()", "Set::operator()"},
        {"Set::operator<", "Set::operator<"},
        {"operator<< <char>", "operator<<"},
        {"Set<int>::operator-><int>", "Set::operator->"},
        {"my_operator<int>", "my_operator"},
        {"run(int, char)", "run"},
        /* lambdas, as gcc, clang and the debug data of gcc have them */
        {"run()::{lambda(int)#2}::operator()(int) const", "run::{lambda}"},
        {"ns::Ring<int>::run(char const*)::{lambda()#1}::operator()() const",
         "ns::Ring::run::{lambda}"},
        {"(anonymous namespace)::run()::{lambda()#1}::operator()()", "run::{lambda}"},
        {"std::sort(int*)::{lambda()#1}::operator()()", "{lambda}"},
        {"apply<run(int)::<lambda()> >", "apply"},
        {"run()::$_0::operator()", "run::{lambda}"},
        {"run()::'lambda'(int)::operator()", "run::{lambda}"},
        {"<lambda(int)>::operator()", "{lambda}"},
        {"operator()", "{lambda}"},
        /* Rust */
        {"feed::push::h0123456789abcdef", "feed::push"},
        {"feed::push::h0123", "feed::push::h0123"},
        {"feed::run::{{closure}}::h0123456789abcdef", "feed::run::{closure}"},
        {"feed::run::{closure#0}", "feed::run::{closure}"},
        {"feed::run::{closure#3}::{closure#0}", "feed::run::{closure}"},
        {"<feed::Ring as core::fmt::Debug>::fmt", "<feed::Ring as core::fmt::Debug>::fmt"},
        {"", ""},
        {"<", "<"}};
    char out[64];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tb_group_clean(cases[i][0], out, sizeof(out));
        assert_string_equal(out, cases[i][1]);
    }
}

static void a_long_name_is_cut(void **state)
{
    char out[8];
    (void)state;
    tb_group_clean("a_very_long_name::{closure#0}", out, sizeof(out));
    assert_string_equal(out, "a_very_");
    tb_group_clean("f::{clo{closure", out, sizeof(out));
    assert_string_equal(out, "f::{clo");
}

static void a_signature_is_the_name_in_it(void **state)
{
    static const char *const cases[][2] = {
        {"push", "push"},
        {"int push(struct ring *)", "push"},
        {"const char *first_of(const char *const *, size_t)", "first_of"},
        {"void (anonymous namespace)::check(int)", "check"},
        {"T relay::Gauge<T>::set(T) [with T = long int]", "relay::Gauge::set"},
        {"std::map<int, long> relay::read(int)", "relay::read"},
        {"bool Less::operator()(int, int) const", "Less::operator()"},
        {"", ""}};
    char out[64];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tb_group_clean_signature(cases[i][0], out, sizeof(out));
        assert_string_equal(out, cases[i][1]);
    }
}

static void what_says_nothing_about_a_bug_is_noise(void **state)
{
    static const char *const noise[] = {
        "abort",         "__GI_raise",       "_int_free",
        "__assert_fail", "towbar_report_at", "std::terminate",
        "__cxa_throw",   "operator new",     "__libc_start_call_main"};
    static const char *const none[] = {"push",      "main",       "standard", "abort_all",
                                       "free_list", "start",      "throw",    "rethrow",
                                       "terminate", "unexpected", "assert"};
    (void)state;
    for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
        assert_true(tb_group_is_noise(noise[i], 0));
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_false(tb_group_is_noise(none[i], 0));
    assert_true(tb_group_is_noise_module("libc.so.6"));
    assert_false(tb_group_is_noise_module("libcurl.so.4"));
}

static void instances_of_the_cxx_library_may_be_of_a_lambda(void **state)
{
    static const char *const those[] = {"std::for_each<int*, run()::$_0>",
                                        "std::function<int (run()::{lambda(int)#1})>::call",
                                        "__gnu_cxx::__ops::_Iter<run()::'lambda'()>::operator()",
                                        "__invoke_impl<int, run()::<lambda(int)>&, int>"};
    static const char *const others[] = {"std::for_each<int*, compare>", "run()::$_0::operator()",
                                         "boost::each<int*, run()::$_0>", "operator()"};
    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_true(tb_group_is_of_lambda(those[i]));
    for (size_t i = 0; i < 4; i++)
        assert_false(tb_group_is_of_lambda(others[i]));
}

static void a_function_of_the_program_may_be_called_as_one_of_the_c_library(void **state)
{
    static const char *const own[] = {"kill", "clone", "free", "raise", "start_thread"};
    static const char *const nobodys[] = {"abort",           "_start",         "__assert_fail",
                                          "__cxa_throw",     "std::terminate", "rust_panic",
                                          "towbar_report_at"};
    (void)state;
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        assert_true(tb_group_is_noise(own[i], 0));
        assert_false(tb_group_is_noise(own[i], 1));
    }
    for (size_t i = 0; i < sizeof(nobodys) / sizeof(nobodys[0]); i++)
        assert_true(tb_group_is_noise(nobodys[i], 1));
}

static void the_function_of_a_lambda_is_found_in_arguments_of_templates(void **state)
{
    static const char *const cases[][2] = {
        {"__invoke_impl<void, handle(char const*)::<lambda()> >", "handle"},
        {"__invoke_r<int, ns::Ring<int, long>::run()::<lambda(int)>&, int>", "ns::Ring::run"},
        {"std::tuple<handle(char const*, int)::{lambda()#4}> >::_M_run", "handle"},
        {"for_each<int**, main::$_0>", "main"}};
    static const char *const none[] = {"push",          "",          "<lambda()>", "::{lambda()#1}",
                                       "std::f()::$_1", "operator()"};
    char out[64];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(tb_group_lambda_scope(cases[i][0], out, sizeof(out)));
        assert_string_equal(out, cases[i][1]);
    }
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_false(tb_group_lambda_scope(none[i], out, sizeof(out)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_cleaned),
        cmocka_unit_test(a_long_name_is_cut),
        cmocka_unit_test(the_function_of_a_lambda_is_found_in_arguments_of_templates),
        cmocka_unit_test(a_signature_is_the_name_in_it),
        cmocka_unit_test(what_says_nothing_about_a_bug_is_noise),
        cmocka_unit_test(instances_of_the_cxx_library_may_be_of_a_lambda),
        cmocka_unit_test(a_function_of_the_program_may_be_called_as_one_of_the_c_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
