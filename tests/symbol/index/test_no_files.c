/* test_no_files.c - libdw opens the files that debug data name once it is asked for what is in
 * them. The builder never asks: the kernel kills it here where it opens one. */
#include <elfutils/libdw.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "../support.h"
#include "built.h"

#define FLAT_C (DATA "/flat.c")
#define FLAT_CC (DATA "/flat.cc")

enum { KILLED = SIGSYS, BUILT = 0 };

/* Not readlink: libdw asks for the name of the file that it reads, and it has none in memory. */
static const unsigned calls[] = {
    __NR_openat, __NR_openat2, __NR_execve, __NR_execveat, __NR_socket,
#if defined(__NR_open)
    __NR_open,   __NR_creat,
#endif
};
enum { N_CALLS = sizeof(calls) / sizeof(calls[0]) };

static void forbid_opening(void)
{
    struct sock_filter filter[2 * N_CALLS + 2];
    size_t n = 0;
    filter[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < N_CALLS; i++) {
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
        filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    }
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {.len = (unsigned short)n, .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(99);
}

static int build(Elf *elf)
{
    static uint8_t bytes[1 << 20];
    size_t len;
    const struct tb_symbol_index_input input = {.module = elf, .debug = elf};
    return tb_symbol_index_build(&input, bytes, sizeof(bytes), &len);
}

static int ask_for_split_units(Elf *elf)
{
    Dwarf *dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;
    Dwarf_Die split;
    while (dwarf_get_units(dwarf, unit, &unit, NULL, NULL, &die, &split) == 0)
        ;
    return 0;
}

static int ask_for_the_alternate(Elf *elf)
{
    (void)dwarf_getalt(dwarf_begin_elf(elf, DWARF_C_READ, NULL));
    return 0;
}

/* How use of the file ends where no file may be opened: 0, or the signal. */
static int ending(const char *path, int (*use)(Elf *))
{
    struct tb_symbol_elf elf;
    int status;
    open_elf(path, &elf);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        forbid_opening();
        _exit(use(elf.elf) == 0 ? 0 : 98);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    tb_symbol_elf_done(&elf);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : BUILT;
}

static void files_of_split_units_are_not_opened(void **state)
{
    static const char *const versions[] = {"-gdwarf-4", "-gdwarf-5"};
    char path[512];
    char object[512];
    char dwo[512];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        RUN(c_compiler(), versions[i], "-O2", "-gsplit-dwarf", "-c", FLAT_C, "-o",
            in_folder(object, "split.o"));
        RUN(c_compiler(), object, "-o", in_folder(path, "split"));
        assert_int_equal(access(in_folder(dwo, "split.dwo"), R_OK), 0);
        assert_int_equal(ending(path, ask_for_split_units), KILLED);
        assert_int_equal(ending(path, build), BUILT);
        assert_int_equal(ending(dwo, ask_for_split_units), BUILT); /* it names none */
    }
}

static void the_file_that_dwz_made_is_not_opened(void **state)
{
    char path[512];
    char twin[512];
    char common[512];
    (void)state;
    if (!is_installed("dwz") || !is_installed("g++"))
        skip();
    RUN("g++", "-g", "-O2", "-gno-column-info", FLAT_CC, "-o", in_folder(path, "moved1"));
    RUN("cp", path, in_folder(twin, "moved2"));
    RUN("dwz", "-m", in_folder(common, "common"), path, twin);
    assert_int_equal(ending(path, ask_for_the_alternate), KILLED);
    assert_int_equal(ending(path, build), BUILT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_split_units_are_not_opened),
        cmocka_unit_test(the_file_that_dwz_made_is_not_opened),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
