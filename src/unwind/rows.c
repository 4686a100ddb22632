/* rows.c - see rows.h.
 *
 * 1. libunwind is called through pointers alone; its header gives types and the names.
 * 2. A row comes from one step of a cursor whose sp and bp are FAKE_SP and FAKE_BP: the sp after it
 *    minus one of them is the rule of the frame, and the address it read last words from says where
 *    bp was saved. Addresses it would read from the stack are answered with FAKE_WORD.
 * 3. No state is kept between calls but the address space, which caches nothing, so modules may
 *    come and go. errno is left alone. */
#include "unwind/rows.h"

#if defined(__x86_64__)
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libunwind.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/pack.h"

#define LIBRARY "libunwind-x86_64.so.8"

/* No user address can be one of these, so neither is ever mistaken for a module's. */
static const uint64_t FAKE_SP = 0x4000100000000000;
static const uint64_t FAKE_BP = 0x4000200000000000;
static const uint64_t FAKE_REGISTER = 0x4000300000000000;
static const uint64_t FAKE_WORD = 0x4000400000000000;

enum {
    READS_MAX = 32,      /* addresses of stack words remembered in one step */
    LINE_BYTES = 64,     /* of a module, read at once */
    N_LINES = 4,         /* the table, the row's entry, and what the entry refers to */
    HEADER_BYTES = 12,   /* .eh_frame_hdr up to its table */
    CFA_BELOW = 1 << 24, /* offsets outside of these are no frame */
    CFA_ABOVE = 1 << 28,
    BP_OFFSET_MAX = 32000, /* of the saved bp from the cfa */
};

/* Bytes of a module: libunwind reads its tables by the byte, and asks for a whole word each time,
 * some 200 times for one row. */
struct line {
    uint64_t address; /* 0: none */
    uint8_t bytes[LINE_BYTES];
};

/* One question to libunwind: the argument of all accessors. */
struct query {
    const struct tb_rows_source *source;
    int (*memory)(void *arg, uint64_t address, void *out, size_t len); /* NULL: symbolic */
    uint64_t pc;
    struct tb_unwind_regs regs;
    bool has_no_info; /* libunwind asked for the unwind data of pc, and there are none */
    uint64_t reads[READS_MAX];
    size_t n_reads;
    struct line lines[N_LINES];
    size_t next_line; /* the one to be replaced */
};

static struct {
    void *handle;
    unw_addr_space_t space;
    unw_addr_space_t (*create_addr_space)(unw_accessors_t *, int);
    int (*set_caching_policy)(unw_addr_space_t, unw_caching_policy_t);
    int (*init_remote)(unw_cursor_t *, unw_addr_space_t, void *);
    int (*step)(unw_cursor_t *);
    int (*get_reg)(unw_cursor_t *, unw_regnum_t, unw_word_t *);
    int (*get_save_loc)(unw_cursor_t *, int, unw_save_loc_t *);
    int (*is_signal_frame)(unw_cursor_t *);
    int (*search_unwind_table)(unw_addr_space_t, unw_word_t, unw_dyn_info_t *, unw_proc_info_t *,
                               int, void *);
} lib;

/* The table of the module around pc, in the form libunwind searches: 0, or -UNW_ENOINFO. Only the
 * one form that linkers write (sorted, 32 bits, relative to the header) is known. */
static int find_table(const struct tb_rows_source *source, uint64_t pc, unw_dyn_info_t *out)
{
    static const uint8_t known[4] = {1, 0x1b, 0x03, 0x3b};
    struct tb_rows_module module;
    uint8_t header[HEADER_BYTES];
    if (source->module(source->arg, pc, &module) != 0 || module.eh_frame_hdr == 0)
        return -UNW_ENOINFO;
    if (source->read(source->arg, module.eh_frame_hdr, header, sizeof(header)) != 0 ||
        memcmp(header, known, sizeof(known)) != 0)
        return -UNW_ENOINFO;
    memset(out, 0, sizeof(*out));
    out->format = UNW_INFO_FORMAT_REMOTE_TABLE;
    out->start_ip = module.lo;
    out->end_ip = module.hi;
    out->u.rti.segbase = module.eh_frame_hdr;
    out->u.rti.table_data = module.eh_frame_hdr + HEADER_BYTES;
    out->u.rti.table_len = tb_get32(header + 8); /* rows of 8 bytes, which is a word here */
    return out->u.rti.table_len > 0 ? 0 : -UNW_ENOINFO;
}

static int find_proc_info(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t *info,
                          int need_unwind_info, void *arg)
{
    struct query *q = arg;
    unw_dyn_info_t table;
    memset(info, 0, sizeof(*info));
    int err = find_table(q->source, ip, &table);
    if (err == 0)
        err = lib.search_unwind_table(space, ip, &table, info, need_unwind_info, arg);
    if (err == 0 && (ip < info->start_ip || ip >= info->end_ip))
        err = -UNW_ENOINFO;
    if (err)
        q->has_no_info = true;
    return err;
}

static void put_unwind_info(unw_addr_space_t space, unw_proc_info_t *info, void *arg)
{
    (void)space;
    (void)info;
    (void)arg;
}

static int no_dynamic_list(unw_addr_space_t space, unw_word_t *list, void *arg)
{
    (void)space;
    (void)list;
    (void)arg;
    return -UNW_ENOINFO;
}

/* A line that lies in module as a whole; else, and where it cannot be read, NULL. */
static const struct line *find_line(struct query *q, const struct tb_rows_module *module,
                                    uint64_t address)
{
    uint64_t start = address - address % LINE_BYTES;
    for (size_t i = 0; i < N_LINES; i++) {
        if (q->lines[i].address == start && start != 0)
            return &q->lines[i];
    }
    if (start < module->lo || module->hi - start < LINE_BYTES)
        return NULL;
    struct line *line = &q->lines[q->next_line++ % N_LINES];
    line->address = 0;
    if (q->source->read(q->source->arg, start, line->bytes, LINE_BYTES) != 0)
        return NULL;
    line->address = start;
    return line;
}

static int read_module(struct query *q, const struct tb_rows_module *module, uint64_t address,
                       unw_word_t *out)
{
    const struct line *line = address % sizeof(*out) == 0 ? find_line(q, module, address) : NULL;
    if (!line)
        return q->source->read(q->source->arg, address, out, sizeof(*out)) ? -UNW_EINVAL : 0;
    memcpy(out, line->bytes + address % LINE_BYTES, sizeof(*out));
    return 0;
}

static int access_memory(unw_addr_space_t space, unw_word_t address, unw_word_t *value, int write,
                         void *arg)
{
    struct query *q = arg;
    struct tb_rows_module module;
    (void)space;
    if (write)
        return -UNW_EINVAL;
    if (q->source->module(q->source->arg, address, &module) == 0)
        return read_module(q, &module, address, value);
    if (q->memory)
        return q->memory(q->source->arg, address, value, sizeof(*value)) ? -UNW_EINVAL : 0;
    if (q->n_reads < READS_MAX)
        q->reads[q->n_reads++] = address;
    *value = FAKE_WORD;
    return 0;
}

static int access_register(unw_addr_space_t space, unw_regnum_t reg, unw_word_t *value, int write,
                           void *arg)
{
    const struct query *q = arg;
    (void)space;
    if (write)
        return -UNW_EREADONLYREG;
    if (reg == UNW_X86_64_RIP)
        *value = q->pc;
    else if (reg == UNW_X86_64_RSP)
        *value = q->regs.sp;
    else if (reg == UNW_X86_64_RBP)
        *value = q->regs.bp;
    else if (!q->memory && reg >= 0 && reg < UNW_X86_64_RIP)
        *value = FAKE_REGISTER;
    else
        return -UNW_EBADREG;
    return 0;
}

static int access_fp_register(unw_addr_space_t space, unw_regnum_t reg, unw_fpreg_t *value,
                              int write, void *arg)
{
    (void)space;
    (void)reg;
    (void)value;
    (void)write;
    (void)arg;
    return -UNW_EBADREG;
}

static int no_resume(unw_addr_space_t space, unw_cursor_t *cursor, void *arg)
{
    (void)space;
    (void)cursor;
    (void)arg;
    return -UNW_EINVAL;
}

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

static int find_functions(void)
{
    const struct {
        const char *name;
        void *slot;
    } wanted[] = {
        {TEXT(UNW_OBJ(create_addr_space)), &lib.create_addr_space},
        {TEXT(UNW_OBJ(set_caching_policy)), &lib.set_caching_policy},
        {TEXT(UNW_OBJ(init_remote)), &lib.init_remote},
        {TEXT(UNW_OBJ(step)), &lib.step},
        {TEXT(UNW_OBJ(get_reg)), &lib.get_reg},
        {TEXT(UNW_OBJ(get_save_loc)), &lib.get_save_loc},
        {TEXT(UNW_OBJ(is_signal_frame)), &lib.is_signal_frame},
        {TEXT(UNW_OBJ(dwarf_search_unwind_table)), &lib.search_unwind_table},
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        void *found = dlsym(lib.handle, wanted[i].name);
        if (!found)
            return -ENOENT;
        memcpy(wanted[i].slot, &found, sizeof(found));
    }
    return 0;
}

static int know_no_module(void *arg, uint64_t address, struct tb_rows_module *out)
{
    (void)arg;
    (void)address;
    (void)out;
    return -ENOENT;
}

static int read_nothing(void *arg, uint64_t address, void *out, size_t len)
{
    (void)arg;
    (void)address;
    (void)out;
    (void)len;
    return -EFAULT;
}

/* At its first use libunwind opens a pipe, for good: now, and not in the midst of a report. */
static void use_once(void)
{
    const struct tb_rows_source nothing = {.module = know_no_module, .read = read_nothing};
    struct query q = {.source = &nothing, .regs = {.sp = FAKE_SP, .bp = FAKE_BP}};
    unw_cursor_t cursor;
    (void)lib.init_remote(&cursor, lib.space, &q);
}

/* Takes the standard descriptors that are closed; returns how many. */
static int fill_standard(int out[STDERR_FILENO + 1])
{
    for (int n = 0; n <= STDERR_FILENO; n++) {
        int fd = open("/", O_PATH | O_CLOEXEC);
        if (fd >= 0 && fd <= STDERR_FILENO) {
            out[n] = fd;
            continue;
        }
        if (fd >= 0)
            close(fd);
        return n;
    }
    return STDERR_FILENO + 1;
}

static int load(void)
{
    static unw_accessors_t accessors = {
        .find_proc_info = find_proc_info,
        .put_unwind_info = put_unwind_info,
        .get_dyn_info_list_addr = no_dynamic_list,
        .access_mem = access_memory,
        .access_reg = access_register,
        .access_fpreg = access_fp_register,
        .resume = no_resume,
    };
    if (lib.space)
        return 0;
    if (!lib.handle)
        lib.handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!lib.handle || find_functions() != 0)
        return -ENOENT;
    lib.space = lib.create_addr_space(&accessors, 0);
    if (!lib.space)
        return -ENOENT;
    (void)lib.set_caching_policy(lib.space, UNW_CACHE_NONE);
    use_once();
    return 0;
}

int tb_rows_load(void)
{
    int kept = errno;
    int standard[STDERR_FILENO + 1];
    int n = fill_standard(standard); /* what libunwind opens must not become one of them */
    int err = load();
    while (n > 0)
        close(standard[--n]);
    errno = kept;
    return err;
}

static bool was_read(const struct query *q, uint64_t address)
{
    for (size_t i = 0; i < q->n_reads; i++) {
        if (q->reads[i] == address)
            return true;
    }
    return false;
}

static bool is_offset(uint64_t cfa, uint64_t base, int32_t *out)
{
    int64_t offset = (int64_t)(cfa - base);
    if (offset <= -CFA_BELOW || offset >= CFA_ABOVE)
        return false;
    *out = (int32_t)offset;
    return true;
}

/* Turns what one symbolic step left in cursor into a row. */
static struct tb_unwind_row read_row(const struct query *q, unw_cursor_t *cursor)
{
    const struct tb_unwind_row other = {.kind = TB_ROW_OTHER};
    struct tb_unwind_row row = {.kind = TB_ROW_STD};
    unw_word_t cfa;
    unw_save_loc_t saved;
    if (lib.get_reg(cursor, UNW_REG_SP, &cfa) != 0)
        return other;
    if (!is_offset(cfa, FAKE_SP, &row.cfa_offset)) {
        row.cfa_from_bp = 1;
        if (!is_offset(cfa, FAKE_BP, &row.cfa_offset))
            return other;
    }
    if (!was_read(q, cfa - 8)) /* the return address is elsewhere */
        return other;
    if (lib.get_save_loc(cursor, UNW_X86_64_RBP, &saved) != 0)
        return other;
    if (saved.type == UNW_SLT_MEMORY) {
        int64_t offset = (int64_t)(saved.u.addr - cfa);
        if (offset < -BP_OFFSET_MAX || offset > BP_OFFSET_MAX)
            return other;
        row.bp_saved = 1;
        row.bp_offset = (int32_t)offset;
    }
    return row;
}

int tb_rows_make(const struct tb_rows_source *source, uint64_t pc, struct tb_unwind_row *out)
{
    struct query q = {.source = source, .pc = pc, .regs = {.sp = FAKE_SP, .bp = FAKE_BP}};
    int kept = errno;
    int err = 0;
    unw_cursor_t cursor;
    if (!lib.space || lib.init_remote(&cursor, lib.space, &q) != 0) {
        err = -ENOENT;
        goto out;
    }
    q.n_reads = 0;
    int stepped = lib.step(&cursor);
    if (q.has_no_info) /* then libunwind has guessed */
        err = -ENOENT;
    else if (lib.is_signal_frame(&cursor) > 0)
        *out = (struct tb_unwind_row){.kind = TB_ROW_SIGNAL};
    else if (stepped == 0)
        *out = (struct tb_unwind_row){.kind = TB_ROW_END};
    else if (stepped < 0)
        *out = (struct tb_unwind_row){.kind = TB_ROW_OTHER};
    else
        *out = read_row(&q, &cursor);
out:
    errno = kept;
    return err;
}

int tb_rows_step(const struct tb_rows_source *source,
                 int (*memory)(void *arg, uint64_t address, void *out, size_t len), uint64_t pc,
                 struct tb_unwind_regs *regs)
{
    struct query q = {.source = source, .memory = memory, .pc = pc, .regs = *regs};
    int kept = errno;
    int err = -ENOENT;
    unw_cursor_t cursor;
    unw_word_t ip;
    unw_word_t sp;
    unw_word_t bp;
    if (!lib.space || lib.init_remote(&cursor, lib.space, &q) != 0 || lib.step(&cursor) <= 0)
        goto out;
    if (lib.get_reg(&cursor, UNW_REG_IP, &ip) != 0 || lib.get_reg(&cursor, UNW_REG_SP, &sp) != 0 ||
        lib.get_reg(&cursor, UNW_X86_64_RBP, &bp) != 0)
        goto out;
    *regs = (struct tb_unwind_regs){.ip = ip, .sp = sp, .bp = bp};
    err = 0;
out:
    errno = kept;
    return err;
}
#endif
