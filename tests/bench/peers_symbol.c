/* peers_symbol.c - others that name addresses: libdw, and addr2line of binutils. */
#include "symbols.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { DEPTH_MAX = 200 };

static volatile size_t sink;

static void use_name(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute));
    if (!name)
        name = dwarf_diename(die);
    sink += name ? strlen(name) : 0;
}

static void use_frames(Dwarf_Die *unit, uint64_t address)
{
    Dwarf_Die *scopes = NULL;
    Dwarf_Line *line = dwarf_getsrc_die(unit, address);
    const char *file = line ? dwarf_linesrc(line, NULL, NULL) : NULL;
    sink += file ? strlen(file) : 0;
    int n = dwarf_getscopes(unit, address, &scopes);
    for (int i = 0; i < n; i++) {
        int tag = dwarf_tag(&scopes[i]);
        if (tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine)
            use_name(&scopes[i]);
    }
    free(scopes);
}

int bench_libdw_frames(Elf *elf, const uint64_t *addresses, size_t n, double *us)
{
    Dwarf *dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
    if (!dwarf)
        return -ENODATA;
    double start = 0;
    for (int warm = 0; warm < 2; warm++) {
        start = bench_us();
        for (size_t i = 0; i < n; i++) {
            Dwarf_Die unit;
            if (dwarf_addrdie(dwarf, addresses[i], &unit))
                use_frames(&unit, addresses[i]);
        }
    }
    *us = (bench_us() - start) / (double)n;
    dwarf_end(dwarf);
    return 0;
}

static void use_children(Dwarf_Die *parent, int depth)
{
    Dwarf_Die die;
    if (depth > DEPTH_MAX || dwarf_child(parent, &die) != 0)
        return;
    do {
        int tag = dwarf_tag(&die);
        if (tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine) {
            Dwarf_Addr base;
            Dwarf_Addr lo;
            Dwarf_Addr hi;
            ptrdiff_t at = 0;
            bool has_code = false;
            while ((at = dwarf_ranges(&die, at, &base, &lo, &hi)) > 0)
                has_code = true;
            if (!has_code)
                continue;
            use_name(&die);
            use_children(&die, depth + 1);
        } else if (tag == DW_TAG_lexical_block || tag == DW_TAG_namespace) {
            use_children(&die, depth + 1);
        }
    } while (dwarf_siblingof(&die, &die) == 0);
}

int bench_libdw_all(Elf *elf, double *ms)
{
    double start = bench_us();
    Dwarf *dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;
    if (!dwarf)
        return -ENODATA;
    while (dwarf_get_units(dwarf, unit, &unit, NULL, NULL, &die, NULL) == 0) {
        Dwarf_Lines *lines;
        size_t n;
        if (dwarf_getsrclines(&die, &lines, &n) == 0)
            sink += n;
        use_children(&die, 0);
    }
    dwarf_end(dwarf);
    *ms = (bench_us() - start) / 1000;
    return 0;
}

static int write_addresses(const char *path, const uint64_t *addresses, size_t n)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return -errno;
    for (size_t i = 0; i < n; i++)
        (void)fprintf(file, "0x%llx\n", (unsigned long long)addresses[i]);
    return fclose(file) == 0 ? 0 : -errno;
}

int bench_addr2line(const char *folder, const char *path, const uint64_t *addresses, size_t n,
                    double *ms)
{
    char list[BENCH_PATH + 16];
    int status = -1;
    (void)snprintf(list, sizeof(list), "%s/addresses", folder);
    int err = write_addresses(list, addresses, n);
    if (err)
        return err;
    double start = bench_us();
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        int in_fd = open(list, O_RDONLY | O_CLOEXEC);
        int out_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(in_fd, STDIN_FILENO);
        dup2(out_fd, STDOUT_FILENO);
        execlp("addr2line", "addr2line", "-ifCe", path, (char *)NULL);
        _exit(127);
    }
    if (waitpid(pid, &status, 0) != pid)
        return -errno;
    *ms = (bench_us() - start) / 1000;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOENT;
}
