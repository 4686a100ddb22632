/* Names of system calls, held to the kernel's own headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <cmocka.h>

#include "agent/meaning/syscalls.h"

static void numbers_have_the_names_of_the_header(void **state)
{
    static const struct {
        long number;
        const char *name;
    } calls[] = {{SYS_read, "read"},
                 {SYS_openat, "openat"},
                 {SYS_ptrace, "ptrace"},
                 {SYS_getppid, "getppid"},
                 {SYS_prctl, "prctl"},
                 {SYS_exit_group, "exit_group"},
                 {SYS_seccomp, "seccomp"},
                 {SYS_clone, "clone"},
                 {SYS_rseq, "rseq"},
                 {SYS_pidfd_send_signal, "pidfd_send_signal"},
                 {SYS_io_uring_setup, "io_uring_setup"},
                 {SYS_clone3, "clone3"},
                 {SYS_memfd_secret, "memfd_secret"},
                 {SYS_set_mempolicy_home_node, "set_mempolicy_home_node"}};
    char name[TB_SYSCALL_NAME_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        assert_string_equal(tb_syscall_name(TB_SYSCALL_X86_64, (uint64_t)calls[i].number, name),
                            calls[i].name);
}

static void other_tables_have_numbers_of_their_own(void **state)
{
    char name[TB_SYSCALL_NAME_BYTES];
    (void)state;
    assert_string_equal(tb_syscall_name(TB_SYSCALL_I386, 26, name), "ptrace");
    assert_string_equal(tb_syscall_name(TB_SYSCALL_I386, 5, name), "open");
    assert_string_equal(tb_syscall_name(TB_SYSCALL_X32, 0x40000000, name), "read");
    assert_string_equal(tb_syscall_name(TB_SYSCALL_X32, 0x40000000 + 520, name), "execve");
}

static void numbers_without_a_name_have_none(void **state)
{
    static const uint64_t numbers[] = {335, 400, 468, 511, 4000, 0x40000000, UINT64_MAX};
    char name[TB_SYSCALL_NAME_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        assert_null(tb_syscall_name(TB_SYSCALL_X86_64, numbers[i], name));
    assert_null(tb_syscall_name(TB_SYSCALL_X32, 0x40000000 + 600, name));
    assert_null(tb_syscall_name(TB_SYSCALL_I386, 1000, name));
}

static void the_instruction_tells_whose_numbers_they_are(void **state)
{
    static const uint8_t interrupt[] = {0xcd, 0x80};
    static const uint8_t sysenter[] = {0x0f, 0x34};
    static const uint8_t syscall_[] = {0x0f, 0x05};
    (void)state;
    assert_int_equal(tb_syscall_arch(interrupt, 26), TB_SYSCALL_I386);
    assert_int_equal(tb_syscall_arch(sysenter, 26), TB_SYSCALL_I386);
    assert_int_equal(tb_syscall_arch(syscall_, 101), TB_SYSCALL_X86_64);
    assert_int_equal(tb_syscall_arch(NULL, 101), TB_SYSCALL_X86_64);
    assert_int_equal(tb_syscall_arch(syscall_, 0x40000000 + 101), TB_SYSCALL_X32);
    assert_string_equal(tb_syscall_arch_name(TB_SYSCALL_I386), "i386");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_the_names_of_the_header),
        cmocka_unit_test(other_tables_have_numbers_of_their_own),
        cmocka_unit_test(numbers_without_a_name_have_none),
        cmocka_unit_test(the_instruction_tells_whose_numbers_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
