#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "capture/crash/memory.h"

enum { PAGE = TB_MEMORY_PAGE, N_PAGES = 20 };

/* N_PAGES readable pages between two that are not, filled with their offsets. */
static unsigned char *island(void)
{
    unsigned char *map = mmap(NULL, (N_PAGES + 2) * PAGE, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map, PAGE, PROT_NONE) != 0 ||
        mprotect(map + (N_PAGES + 1) * PAGE, PAGE, PROT_NONE) != 0)
        return NULL;
    for (size_t i = 0; i < N_PAGES * PAGE; i++)
        map[PAGE + i] = (unsigned char)(i * 31 + i / PAGE);
    return map + PAGE;
}

static uint64_t at(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

/* Returns how many checks failed, so that it can run in a child too. */
static int check_reads(void)
{
    static struct tb_memory memory;
    unsigned char out[2 * PAGE];
    unsigned char *land = island();
    int bad = 0;
    if (!land)
        return 99;
    tb_memory_reset(&memory);
    errno = 4711;
    bad += tb_memory_read(&memory, at(land), out, 8) != 0 || memcmp(out, land, 8) != 0;
    /* Across pages, unaligned, up to the last byte. */
    bad += tb_memory_read(&memory, at(land) + PAGE - 3, out, 100) != 0 ||
           memcmp(out, land + PAGE - 3, 100) != 0;
    bad += tb_memory_read(&memory, at(land) + N_PAGES * PAGE - 1, out, 1) != 0;
    /* One byte too far, the guard pages, nothing, everything. */
    bad += tb_memory_read(&memory, at(land) + N_PAGES * PAGE - 1, out, 2) != -EFAULT;
    bad += tb_memory_read(&memory, at(land) - 1, out, 1) != -EFAULT;
    bad += tb_memory_read(&memory, 0, out, 8) != -EFAULT;
    bad += tb_memory_read(&memory, UINT64_MAX - 3, out, 8) != -EFAULT;
    bad += tb_memory_read(&memory, 0x4141414141414141, out, 8) != -EFAULT;
    /* Copies stop where the memory stops. */
    bad += tb_memory_copy(at(land) + 5, out, sizeof(out)) != sizeof(out) ||
           memcmp(out, land + 5, sizeof(out)) != 0;
    bad += tb_memory_copy(at(land) + N_PAGES * PAGE - 77, out, sizeof(out)) != 77;
    bad += tb_memory_copy(at(land) - 1, out, sizeof(out)) != 0;
    bad += tb_memory_copy(UINT64_MAX - 3, out, sizeof(out)) != 0;
    bad += errno != 4711;
    return bad;
}

static void reads_end_where_the_memory_ends(void **state)
{
    (void)state;
    assert_int_equal(check_reads(), 0);
}

/* process_vm_readv refused, as a container's filter may do. */
static int refuse_and_check(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        return 98;
    return check_reads();
}

static void reads_are_as_safe_where_the_kernel_refuses_the_fast_way(void **state)
{
    (void)state;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(refuse_and_check());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 98)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void copy_is_looked_at_first(void **state)
{
    (void)state;
    static struct tb_memory memory;
    uint64_t word = 0;
    const uint8_t copy[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    tb_memory_reset(&memory);
    memory.copy = copy;
    memory.copy_address = 0x1000;
    memory.copy_len = sizeof(copy);
    assert_int_equal(tb_memory_read(&memory, 0x1008, &word, 8), 0);
    assert_memory_equal(&word, copy + 8, 8);
    assert_int_equal(tb_memory_read(&memory, 0x1009, &word, 8), -EFAULT);
    assert_int_equal(tb_memory_read(&memory, 0xfff, &word, 8), -EFAULT);
}

static void pages_kept_are_forgotten_by_reset(void **state)
{
    (void)state;
    static struct tb_memory memory;
    unsigned char *land = island();
    unsigned char byte;
    assert_non_null(land);
    tb_memory_reset(&memory);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N_PAGES; i++) { /* more than are kept */
            land[i * PAGE] = (unsigned char)(i + 7 * (size_t)round);
            tb_memory_reset(&memory);
            assert_int_equal(tb_memory_read(&memory, at(land) + i * PAGE, &byte, 1), 0);
            assert_int_equal(byte, (unsigned char)(i + 7 * (size_t)round));
        }
    }
}

static void readable_means_every_page(void **state)
{
    (void)state;
    unsigned char *land = island();
    assert_non_null(land);
    assert_true(tb_memory_is_readable(at(land), at(land) + N_PAGES * PAGE));
    assert_false(tb_memory_is_readable(at(land), at(land) + N_PAGES * PAGE + 1));
    assert_false(tb_memory_is_readable(at(land) - 1, at(land) + 1));
    assert_int_equal(munmap(land + 7 * PAGE, PAGE), 0);
    assert_false(tb_memory_is_readable(at(land), at(land) + N_PAGES * PAGE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_end_where_the_memory_ends),
        cmocka_unit_test(reads_are_as_safe_where_the_kernel_refuses_the_fast_way),
        cmocka_unit_test(copy_is_looked_at_first),
        cmocka_unit_test(pages_kept_are_forgotten_by_reset),
        cmocka_unit_test(readable_means_every_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
