/* exception.c - see exception.h.
 *
 * An exception is in front of its header, which ends with what the unwinder knows of it:
 *
 *     type_info *, ..., [ class 8 | cleanup 8 | private 16 ] object
 *     -80               0                                    32
 *
 * The class says whose it is. A dependent one (exception_ptr, rethrown) points to an object with a
 * header of its own. */
#include "capture/crash/exception.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "capture/crash/exception_text.h"

/* Of the header, from the class on; of the two runtimes' globals. */
enum { AT_TYPE = -80, AT_OBJECT = 32, HEADER_CLASS_GNU = 80, HEADER_CLASS_LLVM = 96 };

static const struct runtime {
    char class_[8]; /* the last byte, of a dependent one 1, is the first in memory */
    int class_at;   /* from the beginning of the header */
    int primary_at; /* of a dependent one: where the object is */
} runtimes[] = {
    {"\0++CCUNG", HEADER_CLASS_GNU, AT_TYPE},
    {"\0++CGNLC", HEADER_CLASS_LLVM, AT_TYPE - 8},
};

/* ---- where the globals are ---- */

/* What a function that only returns the address of a thread's variable, or what a thread has for a
 * key (libc++abi), consists of; anything else is not understood. The argument of an instruction is
 * its last four bytes. */
enum step { SKIP, LOAD_INDEX, LOAD_KEY, THREAD_POINTER, LOAD_OFFSET, ADD_NUMBER, RETURN };
static const struct instruction {
    enum step step;
    int fixed, len;
    uint8_t bytes[9];
} instructions[] = {
    {SKIP, 4, 4, {0xf3, 0x0f, 0x1e, 0xfa}},              /* endbr64 */
    {SKIP, 1, 1, {0x66}},                                /* padding of the next */
    {SKIP, 3, 4, {0x48, 0x83, 0xec}},                    /* sub $n, %rsp */
    {SKIP, 3, 4, {0x48, 0x83, 0xc4}},                    /* add $n, %rsp */
    {SKIP, 1, 1, {0x50}},                                /* push %rax */
    {SKIP, 1, 1, {0x59}},                                /* pop %rcx */
    {SKIP, 1, 1, {0x55}},                                /* push %rbp */
    {SKIP, 3, 3, {0x48, 0x89, 0xe5}},                    /* mov %rsp, %rbp */
    {SKIP, 1, 1, {0x5d}},                                /* pop %rbp */
    {SKIP, 1, 5, {0xe8}},                                /* call __tls_get_addr */
    {SKIP, 2, 6, {0x48, 0xe8}},                          /* the same, longer */
    {SKIP, 2, 6, {0xff, 0x15}},                          /* the same, through a pointer */
    {SKIP, 3, 7, {0x48, 0xff, 0x15}},                    /* the same, longer */
    {SKIP, 1, 1, {0x58}},                                /* pop %rax */
    {SKIP, 3, 7, {0x48, 0x8d, 0x35}},                    /* lea n(%rip), %rsi: for pthread_once */
    {SKIP, 2, 2, {0x85, 0xc0}},                          /* test %eax, %eax */
    {SKIP, 1, 2, {0x75}},                                /* jne to where it failed */
    {LOAD_KEY, 2, 6, {0x8b, 0x3d}},                      /* mov n(%rip), %edi */
    {RETURN, 1, 5, {0xe9}},                              /* jmp pthread_getspecific */
    {RETURN, 2, 6, {0xff, 0x25}},                        /* the same, through a pointer */
    {LOAD_INDEX, 3, 7, {0x48, 0x8d, 0x3d}},              /* lea n(%rip), %rdi */
    {THREAD_POINTER, 9, 9, {0x64, 0x48, 0x8b, 4, 0x25}}, /* mov %fs:0, %rax */
    {THREAD_POINTER, 9, 9, {0x64, 0x48, 3, 4, 0x25}},    /* add %fs:0, %rax */
    {LOAD_OFFSET, 3, 7, {0x48, 0x8b, 0x05}},             /* mov n(%rip), %rax */
    {LOAD_OFFSET, 3, 7, {0x48, 0x03, 0x05}},             /* add n(%rip), %rax */
    {ADD_NUMBER, 2, 6, {0x48, 0x05}},                    /* add $n, %rax */
    {ADD_NUMBER, 3, 7, {0x48, 0x8d, 0x80}},              /* lea n(%rax), %rax */
    {RETURN, 1, 1, {0xc3}},                              /* ret */
};
enum { N_INSTRUCTIONS = sizeof(instructions) / sizeof(instructions[0]), CODE_BYTES = 64 };

/* Where the key is; else the address is base + number, the base being the thread pointer and what
 * is at offset_at, or what the thread has of the module whose index is at index_at. 0: not so. */
struct variable {
    uint64_t key_at, index_at, offset_at, number;
    int has_thread_pointer;
};

static const struct instruction *decode(const uint8_t *code, size_t len)
{
    for (int i = 0; i < N_INSTRUCTIONS; i++) {
        const struct instruction *it = &instructions[i];
        if (len >= (size_t)it->len && memcmp(code, it->bytes, (size_t)it->fixed) == 0)
            return it;
    }
    return NULL;
}

static int read_function(struct tb_memory *memory, uint64_t at, struct variable *out)
{
    uint8_t code[CODE_BYTES];
    const struct instruction *it;
    if (tb_memory_read(memory, at, code, sizeof(code)) != 0)
        return -ENOENT;
    *out = (struct variable){.index_at = 0};
    for (size_t i = 0; (it = decode(code + i, sizeof(code) - i)); i += (size_t)it->len) {
        int32_t number = 0;
        if (it->len - it->fixed == (int)sizeof(number))
            memcpy(&number, code + i + it->fixed, sizeof(number));
        uint64_t target = at + i + (uint64_t)it->len + (uint64_t)(int64_t)number;
        if (it->step == RETURN)
            return out->key_at || (out->index_at != 0) != out->has_thread_pointer ? 0 : -ENOENT;
        if (it->step == THREAD_POINTER)
            out->has_thread_pointer = 1;
        else if (it->step == LOAD_KEY)
            out->key_at = target;
        else if (it->step == LOAD_INDEX)
            out->index_at = target;
        else if (it->step == LOAD_OFFSET)
            out->offset_at = target;
        else if (it->step == ADD_NUMBER)
            out->number += (uint64_t)(int64_t)number;
    }
    return -ENOENT;
}

/* %fs:0 is the thread pointer itself, %fs:8 the table of what the thread has of each module: pairs
 * of words, of which the first is the address, -1 for nothing yet. The word two before the table
 * says how many there are. It is read and not asked for, as __tls_get_addr may allocate. */
#if defined(__x86_64__)
static uint64_t thread_pointer(void)
{
    uint64_t pointer;
    __asm__("movq %%fs:0, %0" : "=r"(pointer));
    return pointer;
}
#else
static uint64_t thread_pointer(void)
{
    return 0;
}
#endif

static int read_word(struct tb_memory *memory, uint64_t address, uint64_t *out)
{
    return tb_memory_read(memory, address, out, sizeof(*out));
}

static int find_block(struct tb_memory *memory, uint64_t index_at, uint64_t *out)
{
    enum { PAIR = 16 };
    uint64_t index[2]; /* of the module, and the offset in its part */
    uint64_t table;
    uint64_t n;
    uint64_t block;
    if (tb_memory_read(memory, index_at, index, sizeof(index)) != 0 ||
        read_word(memory, thread_pointer() + 8, &table) != 0 ||
        read_word(memory, table - PAIR, &n) != 0 || index[0] == 0 || index[0] > n ||
        read_word(memory, table + index[0] * PAIR, &block) != 0 || block + 1 <= 1)
        return -ENOENT;
    *out = block + index[1];
    return 0;
}

/* glibc's look at a key takes no lock, and allocates nothing. */
static int find_of_key(struct tb_memory *memory, uint64_t key_at, uint64_t *out)
{
    uint32_t key;
    if (tb_memory_read(memory, key_at, &key, sizeof(key)) != 0 || key >= PTHREAD_KEYS_MAX)
        return -ENOENT;
    *out = (uint64_t)(uintptr_t)pthread_getspecific(key);
    return *out != 0 ? 0 : -ENOENT;
}

int tb_exception_globals(const struct tb_dynsym *runtime, uint64_t *address)
{
    struct variable variable;
    struct tb_memory *memory = runtime->memory;
    uint64_t function;
    uint64_t base = thread_pointer();
    uint64_t offset = 0;
    if (base == 0 || tb_dynsym_find(runtime, "__cxa_get_globals_fast", &function) != 0 ||
        read_function(memory, function, &variable) != 0)
        return -ENOENT;
    if (variable.key_at)
        return find_of_key(memory, variable.key_at, address);
    if ((variable.index_at && find_block(memory, variable.index_at, &base) != 0) ||
        (variable.offset_at && read_word(memory, variable.offset_at, &offset) != 0))
        return -ENOENT;
    *address = base + offset + variable.number;
    return 0;
}

/* ---- the exception ---- */

/* Whose the exception is; is_dependent: 0 or 1. NULL for one of another language. */
static const struct runtime *whose(struct tb_memory *memory, uint64_t class_at, int *is_dependent)
{
    char class_[sizeof(runtimes[0].class_)];
    if (tb_memory_read(memory, class_at, class_, sizeof(class_)) != 0 ||
        (class_[0] != 0 && class_[0] != 1))
        return NULL;
    *is_dependent = class_[0] != 0;
    class_[0] = 0;
    for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++) {
        if (memcmp(class_, runtimes[i].class_, sizeof(class_)) == 0)
            return &runtimes[i];
    }
    return NULL;
}

/* Where the class of the exception is that began with header; of a dependent one, of the object
 * that it stands for. */
static int find_class(struct tb_memory *memory, uint64_t header, uint64_t *out)
{
    for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++) {
        int is_dependent;
        uint64_t object;
        uint64_t at = header + (uint64_t)runtimes[i].class_at;
        if (whose(memory, at, &is_dependent) != &runtimes[i])
            continue;
        if (is_dependent) {
            if (read_word(memory, at + (uint64_t)(int64_t)runtimes[i].primary_at, &object) != 0)
                return -ENOENT;
            at = object - AT_OBJECT;
            if (whose(memory, at, &is_dependent) != &runtimes[i] || is_dependent)
                return -ENOENT;
        }
        *out = at;
        return 0;
    }
    return -ENOENT;
}

int tb_exception_find(const struct tb_dynsym *runtime, struct tb_exception *out)
{
    struct tb_memory *memory = runtime->memory;
    uint64_t globals;
    uint64_t header;
    uint64_t class_at;
    uint64_t type;
    out->type_len = 0;
    out->what_len = 0;
    if (tb_exception_globals(runtime, &globals) != 0 || read_word(memory, globals, &header) != 0 ||
        header == 0 || find_class(memory, header, &class_at) != 0 ||
        read_word(memory, class_at + (uint64_t)(int64_t)AT_TYPE, &type) != 0)
        return -ENOENT;
    return tb_exception_text(runtime, type, class_at + AT_OBJECT, out);
}
