/* What a crash record says of the death itself, as members of custom.native. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "agent/native/native.h"

static void expect(const struct tb_crash *crash, const char *json)
{
    char mem[4096];
    struct tb_json j;
    struct tb_why why = {.crash = crash, .exception_type = "ns::Mine"};
    tb_json_init(&j, mem, sizeof(mem));
    tb_json_object(&j);
    tb_native_death_write(&j, &why);
    tb_json_end(&j);
    assert_int_equal(tb_json_finish(&j), 0);
    if (strstr(mem, json) == NULL)
        fail_msg("%s is not in %s", json, mem);
}

static void deny(const struct tb_crash *crash, const char *key)
{
    char mem[4096];
    struct tb_json j;
    struct tb_why why = {.crash = crash};
    tb_json_init(&j, mem, sizeof(mem));
    tb_json_object(&j);
    tb_native_death_write(&j, &why);
    tb_json_end(&j);
    assert_int_equal(tb_json_finish(&j), 0);
    if (strstr(mem, key) != NULL)
        fail_msg("%s is in %s", key, mem);
}

static void a_fault_says_signal_code_address_and_access(void **state)
{
    const struct tb_crash crash = {
        .fixed = {
            .signo = SIGSEGV, .code = SEGV_MAPERR, .fault_address = 0x18, .trap = TB_TRAP_PAGE}};
    (void)state;
    expect(&crash, "{\"signal\":\"SIGSEGV\",\"code\":\"SEGV_MAPERR\",\"address\":\"0x18\","
                   "\"access\":\"read\",\"registers\":{\"r8\":\"0x0\"");
    deny(&crash, "sender");
    deny(&crash, "exception");
    deny(&crash, "syscall");
    deny(&crash, "mappings");
    deny(&crash, "unloaded");
}

static void a_sender_is_named_but_for_timers(void **state)
{
    struct tb_crash crash = {
        .fixed = {.signo = SIGABRT, .code = SI_USER, .sender_pid = 7, .sender_uid = 8}};
    (void)state;
    expect(&crash, "\"sender\":{\"pid\":7,\"uid\":8}");
    deny(&crash, "address");
    crash.fixed.code = SI_TIMER;
    deny(&crash, "sender");
}

static void an_exception_says_type_and_text(void **state)
{
    const struct tb_crash crash = {.fixed = {.signo = SIGABRT, .code = SI_TKILL},
                                   .exception_type = "N2ns4MineE",
                                   .exception_what = "no\nfile, and more",
                                   .exception_what_len = strlen("no\nfile")};
    (void)state;
    expect(&crash, "\"exception\":{\"type\":\"ns::Mine\",\"mangled\":\"N2ns4MineE\",\"what\":"
                   "\"no\\nfile\"}");
}

static void a_system_call_says_number_name_and_arch(void **state)
{
    struct tb_crash crash = {.fixed = {.signo = SIGSYS, .code = 1}};
    (void)state;
    crash.fixed.regs[TB_RAX] = 101;
    expect(&crash, "\"syscall\":{\"number\":101,\"name\":\"ptrace\",\"arch\":\"x86_64\"}");
    crash.fixed.regs[TB_RAX] = 9999;
    expect(&crash, "\"syscall\":{\"number\":9999,\"arch\":\"x86_64\"}");
}

static void mappings_and_unloaded_libraries_are_listed(void **state)
{
    struct tb_crash crash = {.fixed = {.signo = SIGSEGV, .code = SEGV_MAPERR}};
    (void)state;
    crash.n_mappings = 2;
    crash.mappings[0] = (struct tb_crash_mapping){
        .lo = 0x1000, .hi = 0x2000, .rights = 3, .path = "[heap]", .len = strlen("[heap]")};
    crash.mappings[1] =
        (struct tb_crash_mapping){.lo = 0x4000, .hi = 0x5000, .rights = 13, .offset = 0x3000};
    crash.n_unloaded = 1;
    crash.unloaded[0] = (struct tb_crash_unloaded){
        .lo = 0x7000, .hi = 0x9000, .path = "/opt/libplug.so", .len = strlen("/opt/libplug.so")};
    expect(&crash, "\"mappings\":[{\"lo\":\"0x1000\",\"hi\":\"0x2000\",\"rights\":\"rw-p\","
                   "\"offset\":\"0x0\",\"path\":\"[heap]\"},{\"lo\":\"0x4000\",\"hi\":\"0x5000\","
                   "\"rights\":\"r-xs\",\"offset\":\"0x3000\"}]");
    expect(&crash,
           "\"unloaded\":[{\"lo\":\"0x7000\",\"hi\":\"0x9000\",\"path\":\"/opt/libplug.so\"}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_says_signal_code_address_and_access),
        cmocka_unit_test(a_sender_is_named_but_for_timers),
        cmocka_unit_test(an_exception_says_type_and_text),
        cmocka_unit_test(a_system_call_says_number_name_and_arch),
        cmocka_unit_test(mappings_and_unloaded_libraries_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
