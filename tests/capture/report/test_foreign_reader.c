/* A reader that knows OpenTelemetry's OTEP 4947 alone, and nothing of towbar, finds the trace of
 * each thread of another process: by the symbol's name among the dynamic ones, and where the
 * loader put it (TLS descriptor in the shared library, thread pointer in a program). */
#include "rig.h"

#include <elf.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#if defined(__x86_64__)

enum { RECORD_BYTES = 28, ID_TEXT = 33 };

struct file {
    const uint8_t *map;
    size_t len;
};

static struct file file_map(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    struct file file = {mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0),
                        (size_t)st.st_size};
    close(fd);
    assert_ptr_not_equal(file.map, MAP_FAILED);
    return file;
}

static const Elf64_Shdr *section(const struct file *file, uint32_t type, size_t nth)
{
    const Elf64_Ehdr *ehdr = (const void *)file->map;
    const Elf64_Shdr *sections = (const void *)(file->map + ehdr->e_shoff);
    for (size_t i = 0; i < ehdr->e_shnum; i++) {
        if (sections[i].sh_type == type && nth-- == 0)
            return &sections[i];
    }
    return NULL;
}

/* Its number among the dynamic symbols; 0: it is not there. */
static size_t symbol_of(const struct file *file, uint64_t *value)
{
    const Elf64_Ehdr *ehdr = (const void *)file->map;
    const Elf64_Shdr *dynsym = section(file, SHT_DYNSYM, 0);
    const Elf64_Shdr *strings =
        (const Elf64_Shdr *)(const void *)(file->map + ehdr->e_shoff) + dynsym->sh_link;
    const Elf64_Sym *symbols = (const void *)(file->map + dynsym->sh_offset);
    for (size_t i = 1; i < dynsym->sh_size / sizeof(*symbols); i++) {
        const char *name = (const char *)file->map + strings->sh_offset + symbols[i].st_name;
        if (strcmp(name, "otel_thread_ctx_v1") != 0 || symbols[i].st_shndx == SHN_UNDEF)
            continue;
        assert_int_equal(ELF64_ST_TYPE(symbols[i].st_info), STT_TLS);
        *value = symbols[i].st_value;
        return i;
    }
    return 0;
}

/* Where in the library's memory the descriptor of that symbol is; 0: it has none. */
static uint64_t descriptor_of(const struct file *file, size_t symbol)
{
    const Elf64_Shdr *relocations;
    for (size_t nth = 0; (relocations = section(file, SHT_RELA, nth)); nth++) {
        const Elf64_Rela *rela = (const void *)(file->map + relocations->sh_offset);
        for (size_t i = 0; i < relocations->sh_size / sizeof(*rela); i++) {
            if (ELF64_R_TYPE(rela[i].r_info) == R_X86_64_TLSDESC &&
                ELF64_R_SYM(rela[i].r_info) == symbol)
                return rela[i].r_offset;
        }
    }
    return 0;
}

static void read_at(pid_t pid, uint64_t address, void *out, size_t len)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, out, len, (off_t)address), len);
    close(fd);
}

/* Where the file begins in the process. */
static uint64_t base_of(pid_t pid, const char *name)
{
    char path[64];
    char line[1024];
    unsigned long long base = 0;
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "r");
    assert_non_null(maps);
    while (base == 0 && fgets(line, sizeof(line), maps)) {
        if (strstr(line, name))
            base = strtoull(line, NULL, 16);
    }
    fclose(maps);
    assert_true(base != 0);
    return base;
}

/* From the thread pointer to the variable: the descriptor's second word where all threads have it
 * from the start; in a program it is a matter of the segment's size. */
static int64_t offset_in_library(pid_t pid, const struct file *file)
{
    uint64_t value;
    uint64_t words[2];
    size_t symbol = symbol_of(file, &value);
    assert_true(symbol > 0);
    uint64_t descriptor = descriptor_of(file, symbol);
    assert_true(descriptor > 0);
    read_at(pid, base_of(pid, "libtowbar.so") + descriptor, words, sizeof(words));
    return (int64_t)words[1];
}

static int64_t offset_in_program(const struct file *file)
{
    uint64_t value;
    const Elf64_Ehdr *ehdr = (const void *)file->map;
    const Elf64_Phdr *segments = (const void *)(file->map + ehdr->e_phoff);
    assert_true(symbol_of(file, &value) > 0);
    for (size_t i = 0; i < ehdr->e_phnum; i++) {
        uint64_t align = segments[i].p_align;
        if (segments[i].p_type == PT_TLS)
            return (int64_t)(value - ((segments[i].p_memsz + align - 1) & ~(align - 1)));
    }
    fail_msg("no PT_TLS");
    return 0;
}

static void hex(const uint8_t *bytes, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void check_thread(pid_t pid, pid_t tid, int64_t offset, const char *trace_id,
                         const char *span_id)
{
    struct user_regs_struct regs;
    uint64_t pointer = 0;
    uint8_t record[RECORD_BYTES];
    char text[ID_TEXT];
    int status;
    assert_int_equal(ptrace(PTRACE_SEIZE, tid, NULL, NULL), 0);
    assert_int_equal(ptrace(PTRACE_INTERRUPT, tid, NULL, NULL), 0);
    assert_int_equal(waitpid(tid, &status, __WALL), tid);
    assert_int_equal(ptrace(PTRACE_GETREGS, tid, NULL, &regs), 0);
    read_at(pid, regs.fs_base + (uint64_t)offset, &pointer, sizeof(pointer));
    if (pointer != 0)
        read_at(pid, pointer, record, sizeof(record));
    assert_int_equal(ptrace(PTRACE_DETACH, tid, NULL, NULL), 0);
    int has_trace = pointer != 0 && record[24] == 1;
    assert_int_equal(has_trace, strcmp(trace_id, "none") != 0);
    if (!has_trace)
        return;
    assert_int_equal(pointer % 2, 0);
    hex(record, 16, text);
    assert_string_equal(text, trace_id);
    hex(record + 16, 8, text);
    assert_string_equal(text, span_id);
    assert_int_equal(record[25], record[15] & 1);
    assert_int_equal(record[26] | record[27], 0); /* no attributes */
}

/* The pid; its words are in *out. */
static pid_t start(const char *program, FILE **out)
{
    int fds[2];
    char path[512];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    snprintf(path, sizeof(path), "%s/tests/programs/%s", TEST_BIN, program);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        execl(path, program, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    *out = fdopen(fds[0], "r");
    return pid;
}

static void check_program(const char *name, int is_static)
{
    char path[512];
    char line[128];
    char lines[8][128];
    size_t n = 0;
    FILE *out;
    pid_t pid = start(name, &out);
    while (n < 8 && fgets(line, sizeof(line), out) && strcmp(line, "ready\n") != 0)
        snprintf(lines[n++], sizeof(lines[0]), "%s", line);
    assert_string_equal(line, "ready\n");
    snprintf(path, sizeof(path), is_static ? "%s/tests/programs/%s" : "%s/lib/libtowbar.so",
             TEST_BIN, name);
    struct file file = file_map(path);
    int64_t offset = is_static ? offset_in_program(&file) : offset_in_library(pid, &file);
    for (size_t i = 0; i < n; i++) {
        char *rest;
        pid_t tid = (pid_t)strtol(strtok_r(lines[i], " \n", &rest), NULL, 10);
        const char *trace_id = strtok_r(NULL, " \n", &rest);
        check_thread(pid, tid, offset, trace_id, strtok_r(NULL, " \n", &rest));
    }
    munmap((void *)(uintptr_t)file.map, file.len);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    fclose(out);
    assert_int_equal(n, 3);
}

static void skip_where_it_cannot_be(void)
{
    if (!TEST_SANITIZE[0])
        return;
    print_message("a sanitizer has another layout: skipped\n");
    skip();
}

static void the_shared_library_is_read_by_its_tls_descriptor(void **state)
{
    (void)state;
    skip_where_it_cannot_be();
    check_program("traced", 0);
}

static void a_program_with_the_archive_is_read_by_its_segment(void **state)
{
    (void)state;
    skip_where_it_cannot_be();
    check_program("traced_static", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shared_library_is_read_by_its_tls_descriptor),
        cmocka_unit_test(a_program_with_the_archive_is_read_by_its_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0; /* the layout of another machine */
}

#endif
