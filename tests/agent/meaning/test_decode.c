/* Instructions as an assembler makes them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "agent/meaning/decode.h"

enum { NONE = TB_INSN_NO_REG };

struct memory {
    const char *text; /* of the assembler */
    uint8_t code[12];
    int base, index;
    unsigned scale;
    int64_t offset;
    unsigned bytes;
    enum tb_access access;
};

static const struct memory operands[] = {
    {"mov eax, [rdi]", {0x8b, 0x07}, TB_RDI, NONE, 0, 0, 4, TB_ACCESS_READ},
    {"mov rax, [rdi+0x18]", {0x48, 0x8b, 0x47, 0x18}, TB_RDI, NONE, 0, 0x18, 8, TB_ACCESS_READ},
    {"mov rax, [rbp-8]", {0x48, 0x8b, 0x45, 0xf8}, TB_RBP, NONE, 0, -8, 8, TB_ACCESS_READ},
    {"mov [r13+0x0], r9d", {0x45, 0x89, 0x4d, 0x00}, TB_R13, NONE, 0, 0, 4, TB_ACCESS_WRITE},
    {"mov [rsp+8], rax", {0x48, 0x89, 0x44, 0x24, 0x08}, TB_RSP, NONE, 1, 8, 8, TB_ACCESS_WRITE},
    {"mov [rax+rcx*8+0x100], dx",
     {0x66, 0x89, 0x94, 0xc8, 0x00, 0x01, 0x00, 0x00},
     TB_RAX,
     TB_RCX,
     8,
     0x100,
     2,
     TB_ACCESS_WRITE},
    {"mov al, [r12+r15*2]", {0x43, 0x8a, 0x04, 0x7c}, TB_R12, TB_R15, 2, 0, 1, TB_ACCESS_READ},
    {"mov eax, [rcx*4+0x10]",
     {0x8b, 0x04, 0x8d, 0x10, 0x00, 0x00, 0x00},
     NONE,
     TB_RCX,
     4,
     0x10,
     4,
     TB_ACCESS_READ},
    {"mov eax, [0x10]", {0x8b, 0x04, 0x25, 0x10, 0, 0, 0}, NONE, NONE, 1, 0x10, 4, TB_ACCESS_READ},
    {"mov dword [rax], 1", {0xc7, 0x00, 1, 0, 0, 0}, TB_RAX, NONE, 0, 0, 4, TB_ACCESS_WRITE},
    {"cmp byte [rbx], 0", {0x80, 0x3b, 0x00}, TB_RBX, NONE, 0, 0, 1, TB_ACCESS_READ},
    {"add dword [rbx], 1", {0x83, 0x03, 0x01}, TB_RBX, NONE, 0, 0, 4, TB_ACCESS_UNKNOWN},
    {"lock xadd [rdi], eax", {0xf0, 0x0f, 0xc1, 0x07}, TB_RDI, NONE, 0, 0, 0, TB_ACCESS_UNKNOWN},
    {"movzx eax, byte [rsi]", {0x0f, 0xb6, 0x06}, TB_RSI, NONE, 0, 0, 1, TB_ACCESS_READ},
    {"call [rax+0x10]", {0xff, 0x50, 0x10}, TB_RAX, NONE, 0, 0x10, 8, TB_ACCESS_READ},
    {"movaps xmm0, [rax]", {0x0f, 0x28, 0x00}, TB_RAX, NONE, 0, 0, 16, TB_ACCESS_READ},
    {"movaps [rsp], xmm1", {0x0f, 0x29, 0x0c, 0x24}, TB_RSP, NONE, 1, 0, 16, TB_ACCESS_WRITE},
    {"vmovdqa ymm0, [r8]", {0xc4, 0xc1, 0x7d, 0x6f, 0x00}, TB_R8, NONE, 0, 0, 32, TB_ACCESS_READ},
};

static void memory_operands_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(operands) / sizeof(operands[0]); i++) {
        const struct memory *want = &operands[i];
        struct tb_insn insn;
        print_message("%s\n", want->text);
        assert_int_equal(tb_insn_decode(want->code, sizeof(want->code), &insn), 0);
        assert_true(insn.has_memory);
        assert_int_equal(insn.base, want->base);
        assert_int_equal(insn.index, want->index);
        if (want->index != NONE)
            assert_int_equal(insn.scale, want->scale);
        assert_true(insn.offset == want->offset);
        assert_int_equal(insn.bytes, want->bytes);
        assert_int_equal(insn.access, want->access);
    }
}

static void addresses_follow_from_the_registers(void **state)
{
    static const uint8_t code[] = {0x48, 0x8b, 0x44, 0xcf, 0xf0}; /* mov rax, [rdi+rcx*8-0x10] */
    uint64_t regs[TB_CRASH_N_REGS] = {[TB_RDI] = 0x1000, [TB_RCX] = 4};
    uint64_t address = 0;
    struct tb_insn insn;
    (void)state;
    assert_int_equal(tb_insn_decode(code, sizeof(code), &insn), 0);
    assert_true(tb_insn_address(&insn, regs, &address));
    assert_true(address == 0x1010);
}

static void addresses_that_need_more_than_registers_are_not_told(void **state)
{
    static const uint8_t relative[] = {0x8b, 0x05, 0x10, 0, 0, 0};           /* [rip+0x10] */
    static const uint8_t thread[] = {0x64, 0x8b, 0x04, 0x25, 0x10, 0, 0, 0}; /* fs:[0x10] */
    static const uint8_t narrow[] = {0x67, 0x8b, 0x07};                      /* [edi] */
    static const uint8_t lea[] = {0x48, 0x8d, 0x07};
    static const struct {
        const uint8_t *code;
        size_t len;
    } cases[] = {{relative, 6}, {thread, 8}, {narrow, 3}, {lea, 3}};
    uint64_t regs[TB_CRASH_N_REGS] = {0};
    uint64_t address;
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct tb_insn insn;
        assert_int_equal(tb_insn_decode(cases[i].code, cases[i].len, &insn), 0);
        assert_false(tb_insn_address(&insn, regs, &address));
    }
}

static void kinds_are_told_apart(void **state)
{
    static const struct {
        uint8_t code[4];
        enum tb_insn_kind kind;
        const char *name;
    } cases[] = {
        {{0x0f, 0x0b}, TB_INSN_UD, "ud2"},
        {{0x0f, 0xb9, 0xc0}, TB_INSN_UD, "ud1"},
        {{0xcc}, TB_INSN_BREAKPOINT, "int3"},
        {{0xf1}, TB_INSN_BREAKPOINT, "int1"},
        {{0xcd, 0x29}, TB_INSN_INTERRUPT, "int"},
        {{0xf4}, TB_INSN_PRIVILEGED, "hlt"},
        {{0xee}, TB_INSN_PRIVILEGED, "out"},
        {{0x0f, 0x30}, TB_INSN_PRIVILEGED, "wrmsr"},
        {{0x0f, 0x31}, TB_INSN_COUNTER, "rdtsc"},
        {{0x0f, 0x01, 0xf9}, TB_INSN_COUNTER, "rdtscp"},
        {{0xc3}, TB_INSN_RETURN, "ret"},
        {{0xff, 0xd0}, TB_INSN_CALL, "call"},
        {{0xff, 0x20}, TB_INSN_JUMP, "jmp"},
        {{0xf7, 0xf9}, TB_INSN_DIVIDE, "idiv"},
        {{0x48, 0xf7, 0xf6}, TB_INSN_DIVIDE, "div"},
        {{0x0f, 0x05}, TB_INSN_SYSCALL, "syscall"},
        {{0xc5, 0xfd, 0x6f, 0x07}, TB_INSN_VECTOR, NULL},
        {{0x90}, TB_INSN_OTHER, NULL},
        {{0x31, 0xc0}, TB_INSN_OTHER, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_insn insn;
        assert_int_equal(tb_insn_decode(cases[i].code, sizeof(cases[i].code), &insn), 0);
        assert_int_equal(insn.kind, cases[i].kind);
        if (cases[i].name == NULL)
            assert_null(insn.name);
        else
            assert_string_equal(insn.name, cases[i].name);
    }
}

static void operands_in_registers_are_named(void **state)
{
    static const uint8_t call[] = {0x41, 0xff, 0xd4};   /* call r12 */
    static const uint8_t divide[] = {0x48, 0xf7, 0xf9}; /* idiv rcx */
    struct tb_insn insn;
    (void)state;
    assert_int_equal(tb_insn_decode(call, sizeof(call), &insn), 0);
    assert_int_equal(insn.operand, TB_R12);
    assert_int_equal(tb_insn_decode(divide, sizeof(divide), &insn), 0);
    assert_int_equal(insn.operand, TB_RCX);
    assert_int_equal(insn.bytes, 8);
    assert_true(insn.is_signed);
}

static void vector_moves_say_what_alignment_they_want(void **state)
{
    static const struct {
        uint8_t code[5];
        unsigned alignment;
    } cases[] = {
        {{0x0f, 0x28, 0x00}, 16},       /* movaps */
        {{0x66, 0x0f, 0x6f, 0x00}, 16}, /* movdqa */
        {{0xf3, 0x0f, 0x6f, 0x00}, 0},  /* movdqu */
        {{0x0f, 0x10, 0x00}, 0},        /* movups */
        {{0x66, 0x0f, 0xef, 0x00}, 16}, /* pxor */
        {{0x0f, 0xef, 0x00}, 0},        /* pxor of MMX */
        {{0x0f, 0x58, 0x00}, 16},       /* addps */
        {{0xf3, 0x0f, 0x58, 0x00}, 0},  /* addss */
        {{0xc5, 0xfc, 0x28, 0x00}, 32}, /* vmovaps ymm */
        {{0xc5, 0xf8, 0x28, 0x00}, 16}, /* vmovaps xmm */
        {{0xc5, 0xfd, 0xef, 0x00}, 0},  /* vpxor */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_insn insn;
        assert_int_equal(tb_insn_decode(cases[i].code, sizeof(cases[i].code), &insn), 0);
        assert_int_equal(insn.alignment, cases[i].alignment);
    }
}

static void what_is_cut_short_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(operands) / sizeof(operands[0]); i++) {
        struct tb_insn insn;
        assert_int_equal(tb_insn_decode(operands[i].code, 1, &insn), -ENODATA);
        assert_int_equal(tb_insn_decode(operands[i].code, 0, &insn), -ENODATA);
    }
}

static void prefixes_without_end_are_refused(void **state)
{
    uint8_t code[64];
    struct tb_insn insn;
    (void)state;
    memset(code, 0x66, sizeof(code));
    assert_int_equal(tb_insn_decode(code, sizeof(code), &insn), -ENODATA);
}

static void evex_operands_are_told_where_they_can_be(void **state)
{
    static const uint8_t plain[] = {0x62, 0xf3, 0x7d, 0x20, 0x3f, 0x07, 0x00};  /* vpcmpeqb [rdi] */
    static const uint8_t scaled[] = {0x62, 0xf1, 0xfe, 0x28, 0x6f, 0x46, 0x01}; /* [rsi+0x20] */
    static const uint8_t aligned[] = {0x62, 0xf1, 0x7d, 0x48, 0x6f, 0x00};      /* vmovdqa32 zmm */
    uint64_t regs[TB_CRASH_N_REGS] = {[TB_RDI] = 8};
    uint64_t address = 0;
    struct tb_insn insn;
    (void)state;
    assert_int_equal(tb_insn_decode(plain, sizeof(plain), &insn), 0);
    assert_int_equal(insn.kind, TB_INSN_VECTOR);
    assert_int_equal(insn.base, TB_RDI);
    assert_true(tb_insn_address(&insn, regs, &address));
    assert_true(address == 8);
    assert_int_equal(tb_insn_decode(scaled, sizeof(scaled), &insn), 0);
    assert_false(tb_insn_address(&insn, regs, &address));
    assert_int_equal(tb_insn_decode(aligned, sizeof(aligned), &insn), 0);
    assert_int_equal(insn.alignment, 64);
}

static void gathers_have_no_one_address(void **state)
{
    static const uint8_t code[] = {0xc4, 0xe2, 0x6d, 0x90, 0x04, 0x8f}; /* vpgatherdd */
    uint64_t regs[TB_CRASH_N_REGS] = {0};
    uint64_t address;
    struct tb_insn insn;
    (void)state;
    assert_int_equal(tb_insn_decode(code, sizeof(code), &insn), 0);
    assert_false(tb_insn_address(&insn, regs, &address));
}

/* Every first three bytes there are, with nothing and with much behind them: for the sanitizers. */
static void any_bytes_are_safe(void **state)
{
    uint8_t code[TB_INSN_BYTES_MAX];
    uint64_t regs[TB_CRASH_N_REGS] = {0};
    unsigned n = 0;
    (void)state;
    for (unsigned i = 0; i < 1u << 20; i++) {
        struct tb_insn insn;
        uint64_t address;
        memset(code, (int)(i * 7), sizeof(code));
        code[0] = (uint8_t)i;
        code[1] = (uint8_t)(i >> 8);
        code[2] = (uint8_t)(i >> 12);
        size_t len = i % (TB_INSN_BYTES_MAX + 1);
        if (tb_insn_decode(code, len, &insn) == 0 && tb_insn_address(&insn, regs, &address))
            n++;
    }
    assert_true(n > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_operands_are_found),
        cmocka_unit_test(addresses_follow_from_the_registers),
        cmocka_unit_test(addresses_that_need_more_than_registers_are_not_told),
        cmocka_unit_test(kinds_are_told_apart),
        cmocka_unit_test(operands_in_registers_are_named),
        cmocka_unit_test(vector_moves_say_what_alignment_they_want),
        cmocka_unit_test(what_is_cut_short_is_refused),
        cmocka_unit_test(prefixes_without_end_are_refused),
        cmocka_unit_test(evex_operands_are_told_where_they_can_be),
        cmocka_unit_test(gathers_have_no_one_address),
        cmocka_unit_test(any_bytes_are_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
