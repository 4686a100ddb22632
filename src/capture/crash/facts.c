/* facts.c - see facts.h. */
#include "capture/crash/facts.h"

#include <dlfcn.h>
#include <signal.h>
#include <string.h>

#include "capture/crash/chunk.h"
#include "capture/crash/exception.h"
#include "capture/crash/mapping.h"
#include "capture/crash/quiet.h"
#include "capture/modules/gone.h"
#include "record/crash.h"

enum {
    ABORT_BYTES = 2048,
    FRAMES_MAX = 64,      /* that are looked at */
    MODULES_MAX = 8,      /* that are asked whether they have a C++ runtime */
    THREAD_FRAMES = 3,    /* the runtime's, and two of the C library: how a std::thread begins */
    NEAR_NULL = 64 << 10, /* nobody maps anything below: vm.mmap_min_addr */
};

static void *const *abort_message; /* the C library's __abort_msg; NULL when it has none */

void tb_facts_setup(void)
{
    abort_message = dlsym(RTLD_DEFAULT, "__abort_msg");
}

/* Only assert, malloc and their like leave a text: struct { unsigned size; char text[]; }. Where no
 * signal kills (process 1), abort ends in a fault instead. */
void tb_facts_abort(const struct tb_facts *facts)
{
    uint64_t address;
    uint8_t bytes[ABORT_BYTES];
    if ((facts->signal->signo != SIGABRT && facts->pid != 1) || !abort_message ||
        tb_memory_copy((uint64_t)(uintptr_t)abort_message, &address, sizeof(address)) !=
            sizeof(address) ||
        address == 0)
        return;
    size_t n = tb_memory_copy(address, bytes, sizeof(bytes));
    if (n <= sizeof(uint32_t))
        return;
    const char *text = (const char *)bytes + sizeof(uint32_t);
    size_t len = strnlen(text, n - sizeof(uint32_t));
    while (len > 0 && text[len - 1] == '\n')
        len--;
    tb_crash_chunk(facts->slot, TB_CRASH_ABORT, text, len, NULL, 0);
}

static size_t n_looked_at(const struct tb_facts *facts)
{
    return facts->n_frames < FRAMES_MAX ? facts->n_frames : FRAMES_MAX;
}

/* A return address may be the first byte behind its function. */
static uint64_t pc_of(const struct tb_facts *facts, size_t i)
{
    return facts->frames[i].ip - (facts->frames[i].trust != TB_TRUST_CONTEXT);
}

/* ---- C++ ---- */

/* abort, by the thread itself: only that comes of std::terminate. In process 1, which no signal
 * kills, it ends in a fault without an address. */
static int is_own_abort(const struct tb_facts *facts)
{
    const siginfo_t *info = facts->signal->info;
    if (facts->pid == 1 && facts->signal->signo == SIGSEGV && info->si_code == SI_KERNEL)
        return 1;
    return facts->signal->signo == SIGABRT && info->si_code <= 0 &&
           (uint32_t)info->si_pid == facts->pid;
}

static const struct tb_module *module_of(const struct tb_facts *facts, uint64_t pc)
{
    struct tb_stack *walker = facts->walker;
    size_t place;
    if (!walker->modules)
        return NULL;
    int where = tb_late_find(&walker->late, walker->modules, &walker->memory, pc, &place);
    if (where < 0)
        return NULL;
    return where == 0 ? &walker->late.modules[place] : &walker->modules->process.modules[place];
}

static int has_exception(const struct tb_facts *facts, const struct tb_module *module,
                         struct tb_exception *out)
{
    struct tb_dynsym runtime;
    return tb_dynsym_open(&runtime, &facts->walker->memory, module) == 0 &&
           tb_exception_find(&runtime, out) == 0;
}

/* The runtime must be on the stack: else a program aborts by itself while it handles an exception.
 * That the thread has storage in it is certain then. */
static int find_exception(const struct tb_facts *facts, struct tb_exception *out)
{
    uint64_t seen[MODULES_MAX];
    int n_seen = 0;
    size_t n = n_looked_at(facts);
    if (!facts->is_cut && n + THREAD_FRAMES > facts->n_frames)
        n = facts->n_frames > THREAD_FRAMES ? facts->n_frames - THREAD_FRAMES : 0;
    for (size_t i = 0; i < n && n_seen < MODULES_MAX; i++) {
        int k = 0;
        const struct tb_module *module = module_of(facts, pc_of(facts, i));
        if (!module)
            continue;
        while (k < n_seen && seen[k] != module->lo)
            k++;
        if (k < n_seen)
            continue;
        seen[n_seen++] = module->lo;
        if (has_exception(facts, module, out))
            return 1;
    }
    return 0;
}

void tb_facts_exception(const struct tb_facts *facts)
{
    static struct tb_exception exception;
    if (tb_quiet() || !is_own_abort(facts) || !find_exception(facts, &exception))
        return;
    tb_crash_chunk(facts->slot, TB_CRASH_EXCEPTION, exception.type, exception.type_len + 1,
                   exception.what, exception.what_len);
}

/* ---- unloaded libraries ---- */

/* What frames lead to and is not there: of the module table it is noted now, and what the table
 * does not have is to be in the record, which names the frames. */
static void look_for_gone(const struct tb_facts *facts, uint64_t address)
{
    struct tb_gone gone;
    struct tb_stack *walker = facts->walker;
    long place = tb_modules_find(walker->modules, address);
    if (place >= 0)
        tb_gone_note_module(&walker->modules->process.modules[place],
                            &walker->modules->code[place]);
    else if (tb_gone_find(address, &gone) == 0)
        tb_late_keep(&walker->late, walker->modules, &gone.module, &gone.code);
}

void tb_facts_unloaded(const struct tb_facts *facts)
{
    static struct tb_gone library;
    uint8_t head[TB_CRASH_UNLOADED_BYTES];
    size_t n = facts->walker->modules ? n_looked_at(facts) : 0;
    for (size_t i = 0; i < n; i++)
        look_for_gone(facts, pc_of(facts, i));
    if (n > 0 && facts->signal->info->si_code > 0)
        look_for_gone(facts, (uint64_t)(uintptr_t)facts->signal->info->si_addr);
    for (unsigned back = 0; back < TB_GONE_MAX; back++) {
        if (tb_gone_get(back, &library) != 0)
            continue;
        tb_crash_unloaded_pack(library.module.lo, library.module.hi, head);
        tb_crash_chunk(facts->slot, TB_CRASH_UNLOADED, head, sizeof(head), library.path,
                       strnlen(library.path, sizeof(library.path)));
    }
}

/* ---- mappings ---- */

/* The kernel says no address for one that no processor has. */
static int has_address(const siginfo_t *info, int signo)
{
    return (signo == SIGSEGV || signo == SIGBUS) && info->si_code > 0 &&
           info->si_code != SI_KERNEL && (uint64_t)(uintptr_t)info->si_addr >= NEAR_NULL;
}

void tb_facts_mappings(const struct tb_facts *facts)
{
    static struct tb_mappings found;
    uint8_t head[TB_CRASH_MAPPING_BYTES];
    const siginfo_t *info = facts->signal->info;
    if (tb_quiet() || !has_address(info, facts->signal->signo) ||
        tb_mapping_find((uint64_t)(uintptr_t)info->si_addr, facts->until_ns, &found) != 0)
        return;
    for (size_t i = 0; i < found.n; i++) {
        const struct tb_crash_mapping *mapping = &found.mappings[i].about;
        tb_crash_mapping_pack(mapping, head);
        tb_crash_chunk(facts->slot, TB_CRASH_MAPPING, head, sizeof(head), mapping->path,
                       mapping->len);
    }
}
