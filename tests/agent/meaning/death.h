/* death.h - a crash, made from what a test says of it. */
#ifndef TB_TEST_DEATH_H
#define TB_TEST_DEATH_H

#include <stdio.h>
#include <string.h>

#include "agent/meaning/meaning.h"
#include "agent/native/group_names.h"

enum { GENERAL = 13, PAGE = 14, READ = 4, WRITE = 6, FETCH = 0x14 };
enum { TEST_PID = 55, TEST_TID = 56, CODE_AT = 0x401000 };
#define STACK_AT 0x7ffc00000f80ull
enum { R = TB_MAPPING_READ, W = TB_MAPPING_WRITE, X = TB_MAPPING_EXEC };

struct place {
    uint64_t lo, hi;
    uint32_t rights;
    const char *path;
};

struct death {
    const char *title; /* NULL: not looked at */
    const char *says;
    int signo, code;
    uint64_t address, trap, err;
    uint64_t regs[TB_CRASH_N_REGS]; /* rip 0: at the code */
    uint8_t code_bytes[16];         /* two before the instruction, then the instruction */
    uint64_t stack[18];             /* at STACK_AT; the 16th is where rsp points by default */
    struct place mappings[TB_CRASH_MAPPINGS_MAX], unloaded;
    const char *text, *type, *demangled, *what;
    uint32_t sender;
    uint64_t depth;
    const char *functions; /* names, innermost first, with blanks between */
    const char *culprit;
};

struct scene {
    struct tb_crash crash;
    struct tb_stack_names stack;
    struct tb_why why;
};

static inline void take_names(const char *functions, struct tb_stack_names *out)
{
    out->n = 0;
    while (functions != NULL && *functions != '\0' && out->n < TB_STACK_NAMES_MAX) {
        size_t len = strcspn(functions, " ");
        int is_library = functions[0] == '!'; /* not the program's own */
        snprintf(out->names[out->n], TB_STACK_NAME_BYTES, "%.*s", (int)len - is_library,
                 functions + is_library);
        if (strcmp(out->names[out->n], "-") == 0) /* one of the C library's without a name */
            out->names[out->n][0] = '\0';
        out->owners[out->n] =
            is_library ? TB_STACK_LIBRARY
            : out->names[out->n][0] == '\0' || tb_group_is_noise(out->names[out->n], 0)
                ? TB_STACK_C_LIBRARY
                : TB_STACK_OWN;
        out->n++;
        functions += len + (functions[len] == ' ');
    }
}

static inline void take_places(const struct death *death, struct tb_crash *crash)
{
    for (size_t i = 0; i < TB_CRASH_MAPPINGS_MAX && death->mappings[i].hi != 0; i++) {
        const struct place *from = &death->mappings[i];
        crash->mappings[crash->n_mappings++] =
            (struct tb_crash_mapping){.lo = from->lo,
                                      .hi = from->hi,
                                      .rights = from->rights,
                                      .path = from->path,
                                      .len = from->path != NULL ? strlen(from->path) : 0};
    }
    if (death->unloaded.hi != 0)
        crash->unloaded[crash->n_unloaded++] =
            (struct tb_crash_unloaded){.lo = death->unloaded.lo,
                                       .hi = death->unloaded.hi,
                                       .path = death->unloaded.path,
                                       .len = strlen(death->unloaded.path)};
}

static inline void make_scene(const struct death *death, struct scene *out)
{
    static const uint8_t no_code[sizeof(death->code_bytes)];
    struct tb_crash *crash = &out->crash;
    memset(out, 0, sizeof(*out));
    crash->fixed = (struct tb_crash_fixed){.signo = death->signo,
                                           .code = death->code,
                                           .fault_address = death->address,
                                           .trap = death->trap,
                                           .trap_err = death->err,
                                           .pid = TEST_PID,
                                           .tid = TEST_TID,
                                           .sender_pid = death->sender,
                                           .sender_uid = 7};
    memcpy(crash->fixed.regs, death->regs, sizeof(death->regs));
    if (crash->fixed.regs[TB_RIP] == 0 && death->err != FETCH)
        crash->fixed.regs[TB_RIP] = CODE_AT;
    if (memcmp(death->code_bytes, no_code, sizeof(no_code)) != 0) {
        crash->code = death->code_bytes;
        crash->code_len = sizeof(death->code_bytes);
        crash->code_address = CODE_AT - 2;
    }
    if (death->stack[16] != 0) {
        crash->stack = (const uint8_t *)death->stack;
        crash->stack_len = sizeof(death->stack);
        crash->stack_address = STACK_AT;
    }
    crash->abort_text = death->text;
    crash->abort_len = death->text != NULL ? strlen(death->text) : 0;
    crash->exception_type = death->type;
    crash->exception_what = death->what;
    crash->exception_what_len = death->what != NULL ? strlen(death->what) : 0;
    crash->depth = death->depth;
    take_places(death, crash);
    take_names(death->functions, &out->stack);
    out->why = (struct tb_why){.crash = crash,
                               .exception_type = death->demangled,
                               .stack = &out->stack,
                               .culprit = death->culprit != NULL ? death->culprit : "queue_push"};
}

#endif
