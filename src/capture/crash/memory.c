/* memory.c - see memory.h. */
#include "capture/crash/memory.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "capture/report/context.h"
#include "capture/crash/machine.h"
#include "capture/crash/quiet.h"

enum { PAGES_AT_ONCE = 64, WORD = 8 };

static uint64_t page_of(uint64_t address)
{
    return address & ~(uint64_t)(TB_MEMORY_PAGE - 1);
}

void tb_memory_reset(struct tb_memory *memory)
{
    memory->low = 0;
    memory->high = 0;
    memory->copy = NULL;
    memory->copy_len = 0;
    memory->next = 0;
    for (int i = 0; i < TB_MEMORY_PAGES; i++)
        memory->pages_at[i] = 0;
}

/* Sanitizers would take the redzones of the host's frames for faults of ours. */
__attribute__((no_sanitize("address"), no_sanitize("undefined"))) static void
load_bytes(uint64_t address, void *out, size_t len)
{
    const volatile unsigned char *from = (const volatile unsigned char *)(uintptr_t)address;
    unsigned char *to = out;
    if (len == WORD && address % WORD == 0) {
        uint64_t word = *(const volatile uint64_t *)(uintptr_t)address;
        memcpy(to, &word, sizeof(word));
        return;
    }
    for (size_t i = 0; i < len; i++)
        to[i] = from[i];
}

/* ---- without process_vm_readv (seccomp) ---- */

#if defined(__x86_64__)
/* 0, or -1 when the first instruction faults: has_failed leads it to the other name. */
int tb_memory_try(uint64_t address, uint64_t *out);
extern const char tb_memory_try_failed[];
__asm__(".text\n"
        ".globl tb_memory_try\n"
        ".hidden tb_memory_try\n"
        ".type tb_memory_try, @function\n"
        "tb_memory_try:\n"
        "    movq (%rdi), %rax\n"
        "    movq %rax, (%rsi)\n"
        "    xorl %eax, %eax\n"
        "    ret\n"
        ".globl tb_memory_try_failed\n"
        ".hidden tb_memory_try_failed\n"
        "tb_memory_try_failed:\n"
        "    movl $-1, %eax\n"
        "    ret\n"
        ".size tb_memory_try, . - tb_memory_try\n");

/* The same for the processor's counter. */
int tb_memory_try_counter(void);
extern const char tb_memory_no_counter[];
__asm__(".text\n"
        ".globl tb_memory_try_counter\n"
        ".hidden tb_memory_try_counter\n"
        ".type tb_memory_try_counter, @function\n"
        "tb_memory_try_counter:\n"
        "    rdtsc\n"
        "    xorl %eax, %eax\n"
        "    ret\n"
        ".globl tb_memory_no_counter\n"
        ".hidden tb_memory_no_counter\n"
        "tb_memory_no_counter:\n"
        "    movl $-1, %eax\n"
        "    ret\n"
        ".size tb_memory_try_counter, . - tb_memory_try_counter\n");

int tb_memory_has_failed(int signo, void *context)
{
    uint64_t ip = tb_machine_start(context).ip;
    if (signo != SIGSEGV && signo != SIGBUS)
        return 0;
    if (ip == (uint64_t)(uintptr_t)tb_memory_try)
        tb_machine_go_to(context, (uint64_t)(uintptr_t)tb_memory_try_failed);
    else if (ip == (uint64_t)(uintptr_t)tb_memory_try_counter)
        tb_machine_go_to(context, (uint64_t)(uintptr_t)tb_memory_no_counter);
    else
        return 0;
    return 1;
}

int tb_memory_has_counter(void)
{
    return tb_memory_try_counter() == 0;
}
#else
static int tb_memory_try(uint64_t address, uint64_t *out)
{
    (void)address;
    (void)out;
    return -1;
}

int tb_memory_has_failed(int signo, void *context)
{
    (void)signo;
    (void)context;
    return 0;
}

int tb_memory_has_counter(void)
{
    return 1;
}
#endif

/* The kernel says EFAULT when it cannot read a signal set, and EINVAL for the nonsense that is to
 * be done with it. One that does not say is not asked again; then only our handler may try. */
static int is_word_readable(uint64_t address, int *asks)
{
    uint64_t word;
    if (*asks) {
        if (syscall(SYS_rt_sigprocmask, ~0L, (void *)(uintptr_t)address, NULL, WORD) == 0 ||
            errno == EINVAL)
            return 1;
        if (errno == EFAULT)
            return 0;
        *asks = 0;
    }
    return tb_context()->crash_depth > 0 && tb_memory_try(address, &word) == 0;
}

static size_t copy_by_words(uint64_t address, void *out, size_t len, int asks)
{
    size_t done = 0;
    while (done < len) {
        uint64_t at = address + done;
        size_t part = WORD - at % WORD;
        if (part > len - done)
            part = len - done;
        if (!is_word_readable(at - at % WORD, &asks))
            break;
        load_bytes(at, (char *)out + done, part);
        done += part;
    }
    return done;
}

/* One call for up to PAGES_AT_ONCE pages; the kernel stops at the first that it cannot read. */
static ssize_t copy_pages(uint64_t address, void *out, size_t len)
{
    struct iovec to = {.iov_base = out, .iov_len = len};
    struct iovec from[PAGES_AT_ONCE];
    unsigned long n = 0;
    for (uint64_t at = address; at < address + len && n < PAGES_AT_ONCE; n++) {
        uint64_t next = page_of(at) + TB_MEMORY_PAGE;
        if (next > address + len)
            next = address + len;
        from[n].iov_base = (void *)(uintptr_t)at;
        from[n].iov_len = next - at;
        at = next;
    }
    return process_vm_readv(getpid(), &to, 1, from, n, 0);
}

size_t tb_memory_copy(uint64_t address, void *out, size_t len)
{
    int kept = errno;
    size_t done = 0;
    if (address + len < address) /* wraps around */
        len = 0;
    if (tb_quiet())
        done = copy_by_words(address, out, len, 0);
    while (done < len && !tb_quiet()) {
        size_t part = len - done;
        if (part > (PAGES_AT_ONCE - 1) * (size_t)TB_MEMORY_PAGE)
            part = (PAGES_AT_ONCE - 1) * (size_t)TB_MEMORY_PAGE;
        ssize_t n = copy_pages(address + done, (char *)out + done, part);
        if (n < 0 && errno != EFAULT) {
            done += copy_by_words(address + done, (char *)out + done, len - done, 1);
            break;
        }
        if (n > 0)
            done += (size_t)n;
        if (n < (ssize_t)part)
            break;
    }
    errno = kept;
    return done;
}

static const uint8_t *find_page(struct tb_memory *memory, uint64_t page)
{
    if (page == 0) /* never mapped, and the mark of an empty place */
        return NULL;
    for (int i = 0; i < TB_MEMORY_PAGES; i++) {
        if (memory->pages_at[i] == page)
            return memory->pages[i];
    }
    unsigned i = memory->next++ % TB_MEMORY_PAGES;
    memory->pages_at[i] = 0;
    if (tb_memory_copy(page, memory->pages[i], TB_MEMORY_PAGE) != TB_MEMORY_PAGE)
        return NULL;
    memory->pages_at[i] = page;
    return memory->pages[i];
}

int tb_memory_read(struct tb_memory *memory, uint64_t address, void *out, size_t len)
{
    if (address >= memory->copy_address && len <= memory->copy_len &&
        address - memory->copy_address <= memory->copy_len - len) {
        memcpy(out, memory->copy + (address - memory->copy_address), len);
        return 0;
    }
    if (address >= memory->low && address < memory->high && len <= memory->high - address) {
        load_bytes(address, out, len);
        return 0;
    }
    while (len > 0) {
        size_t at = address % TB_MEMORY_PAGE;
        size_t part = len < TB_MEMORY_PAGE - at ? len : TB_MEMORY_PAGE - at;
        const uint8_t *bytes = find_page(memory, page_of(address));
        if (!bytes)
            return -EFAULT;
        memcpy(out, bytes + at, part);
        out = (char *)out + part;
        address += part;
        len -= part;
    }
    return 0;
}

int tb_memory_is_readable(uint64_t low, uint64_t high)
{
    for (uint64_t at = page_of(low); at < high;) {
        struct iovec from[PAGES_AT_ONCE];
        char bytes[PAGES_AT_ONCE];
        struct iovec to = {.iov_base = bytes, .iov_len = sizeof(bytes)};
        unsigned long n = 0;
        for (; at < high && n < PAGES_AT_ONCE; n++, at += TB_MEMORY_PAGE)
            from[n] = (struct iovec){.iov_base = (void *)(uintptr_t)at, .iov_len = 1};
        if (process_vm_readv(getpid(), &to, 1, from, n, 0) != (ssize_t)n)
            return 0;
    }
    return 1;
}
