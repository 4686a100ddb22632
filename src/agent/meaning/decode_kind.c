/* decode_kind.c - see decode.h: what kind of instruction it is, and what it does to memory. */
#include <stddef.h>

#include "agent/meaning/decode_impl.h"

/* By opcode and, for a group, the middle field of ModRM (-1: any). */
static const struct {
    uint8_t map, opcode;
    int8_t reg;
    uint8_t kind;
    const char *name;
} kinds[] = {
    {MAP_ONE, 0xcc, -1, TB_INSN_BREAKPOINT, "int3"},
    {MAP_ONE, 0xf1, -1, TB_INSN_BREAKPOINT, "int1"},
    {MAP_ONE, 0xcd, -1, TB_INSN_INTERRUPT, "int"},
    {MAP_ONE, 0xf4, -1, TB_INSN_PRIVILEGED, "hlt"},
    {MAP_ONE, 0xfa, -1, TB_INSN_PRIVILEGED, "cli"},
    {MAP_ONE, 0xfb, -1, TB_INSN_PRIVILEGED, "sti"},
    {MAP_ONE, 0x6c, -1, TB_INSN_PRIVILEGED, "ins"},
    {MAP_ONE, 0x6d, -1, TB_INSN_PRIVILEGED, "ins"},
    {MAP_ONE, 0x6e, -1, TB_INSN_PRIVILEGED, "outs"},
    {MAP_ONE, 0x6f, -1, TB_INSN_PRIVILEGED, "outs"},
    {MAP_ONE, 0xe4, -1, TB_INSN_PRIVILEGED, "in"},
    {MAP_ONE, 0xe5, -1, TB_INSN_PRIVILEGED, "in"},
    {MAP_ONE, 0xec, -1, TB_INSN_PRIVILEGED, "in"},
    {MAP_ONE, 0xed, -1, TB_INSN_PRIVILEGED, "in"},
    {MAP_ONE, 0xe6, -1, TB_INSN_PRIVILEGED, "out"},
    {MAP_ONE, 0xe7, -1, TB_INSN_PRIVILEGED, "out"},
    {MAP_ONE, 0xee, -1, TB_INSN_PRIVILEGED, "out"},
    {MAP_ONE, 0xef, -1, TB_INSN_PRIVILEGED, "out"},
    {MAP_ONE, 0xc2, -1, TB_INSN_RETURN, "ret"},
    {MAP_ONE, 0xc3, -1, TB_INSN_RETURN, "ret"},
    {MAP_ONE, 0xf6, 6, TB_INSN_DIVIDE, "div"},
    {MAP_ONE, 0xf6, 7, TB_INSN_DIVIDE, "idiv"},
    {MAP_ONE, 0xf7, 6, TB_INSN_DIVIDE, "div"},
    {MAP_ONE, 0xf7, 7, TB_INSN_DIVIDE, "idiv"},
    {MAP_ONE, 0xff, 2, TB_INSN_CALL, "call"},
    {MAP_ONE, 0xff, 4, TB_INSN_JUMP, "jmp"},
    {MAP_0F, 0x05, -1, TB_INSN_SYSCALL, "syscall"},
    {MAP_0F, 0x34, -1, TB_INSN_SYSCALL, "sysenter"},
    {MAP_0F, 0x0b, -1, TB_INSN_UD, "ud2"},
    {MAP_0F, 0xb9, -1, TB_INSN_UD, "ud1"},
    {MAP_0F, 0xff, -1, TB_INSN_UD, "ud0"},
    {MAP_0F, 0x31, -1, TB_INSN_COUNTER, "rdtsc"},
    {MAP_0F, 0x33, -1, TB_INSN_COUNTER, "rdpmc"},
    {MAP_0F, 0x30, -1, TB_INSN_PRIVILEGED, "wrmsr"},
    {MAP_0F, 0x32, -1, TB_INSN_PRIVILEGED, "rdmsr"},
    {MAP_0F, 0x06, -1, TB_INSN_PRIVILEGED, "clts"},
    {MAP_0F, 0x08, -1, TB_INSN_PRIVILEGED, "invd"},
    {MAP_0F, 0x09, -1, TB_INSN_PRIVILEGED, "wbinvd"},
    {MAP_0F, 0x20, -1, TB_INSN_PRIVILEGED, "mov of a control register"},
    {MAP_0F, 0x21, -1, TB_INSN_PRIVILEGED, "mov of a debug register"},
    {MAP_0F, 0x22, -1, TB_INSN_PRIVILEGED, "mov to a control register"},
    {MAP_0F, 0x23, -1, TB_INSN_PRIVILEGED, "mov to a debug register"},
    {MAP_0F, 0x00, 2, TB_INSN_PRIVILEGED, "lldt"},
    {MAP_0F, 0x00, 3, TB_INSN_PRIVILEGED, "ltr"},
};

static void find_kind(const struct tb_insn_reader *r, struct tb_insn *out)
{
    for (size_t i = 0; !r->is_vex && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].map != r->map || kinds[i].opcode != r->opcode ||
            (kinds[i].reg >= 0 && (unsigned)kinds[i].reg != r->reg))
            continue;
        out->kind = (enum tb_insn_kind)kinds[i].kind;
        out->name = kinds[i].name;
    }
    if (r->map == MAP_0F && r->opcode == 0x01 && r->mod == 3 && r->reg == 7 && r->rm == 1) {
        out->kind = TB_INSN_COUNTER;
        out->name = "rdtscp";
    }
    if (r->is_vex)
        out->kind = TB_INSN_VECTOR;
    out->is_signed = out->kind == TB_INSN_DIVIDE && r->reg == 7;
}

/* Of what only reads or only writes; arithmetic in memory does both and stays unknown. */
static void find_access(const struct tb_insn_reader *r, struct tb_insn *out)
{
    static const uint8_t reads_one[][2] = {{0x02, 0x03}, {0x0a, 0x0b}, {0x12, 0x13}, {0x1a, 0x1b},
                                           {0x22, 0x23}, {0x2a, 0x2b}, {0x32, 0x33}, {0x38, 0x3b},
                                           {0x63, 0x63}, {0x69, 0x69}, {0x6b, 0x6b}, {0x84, 0x85},
                                           {0x8a, 0x8b}};
    static const uint8_t writes_one[][2] = {{0x88, 0x89}, {0x8f, 0x8f}, {0xc6, 0xc7}};
    static const uint8_t reads_two[][2] = {{0x10, 0x10}, {0x12, 0x12}, {0x14, 0x16}, {0x28, 0x28},
                                           {0x2a, 0x2a}, {0x2c, 0x2f}, {0x40, 0x4f}, {0x51, 0x6f},
                                           {0x74, 0x76}, {0xb6, 0xb7}, {0xbe, 0xbf}, {0xaf, 0xaf},
                                           {0xf0, 0xf0}};
    static const uint8_t writes_two[][2] = {{0x11, 0x11}, {0x13, 0x13}, {0x17, 0x17}, {0x29, 0x29},
                                            {0x2b, 0x2b}, {0x7f, 0x7f}, {0x90, 0x9f}, {0xe7, 0xe7}};
    int is_one = r->map == MAP_ONE;
    int is_compare = is_one && r->opcode >= 0x80 && r->opcode <= 0x83 && r->reg == 7;
    int is_test = is_one && (r->opcode & 0xfe) == 0xf6 && r->reg != 2 && r->reg != 3;
    int is_indirect = is_one && r->opcode == 0xff && (r->reg == 2 || r->reg == 4 || r->reg == 6);
    if ((is_one && IN(r->opcode, reads_one)) || is_compare || is_test || is_indirect ||
        (r->map == MAP_0F && IN(r->opcode, reads_two)))
        out->access = TB_ACCESS_READ;
    else if ((is_one && IN(r->opcode, writes_one)) ||
             (r->map == MAP_0F && IN(r->opcode, writes_two)))
        out->access = TB_ACCESS_WRITE;
}

static unsigned word_bytes(const struct tb_insn_reader *r)
{
    if (r->is_wide)
        return 8;
    return r->prefix == PREFIX_66 ? 2 : 4;
}

static void find_bytes(const struct tb_insn_reader *r, struct tb_insn *out)
{
    static const uint8_t bytes_of_one[][2] = {{0x80, 0x80}, {0x84, 0x84}, {0x86, 0x86},
                                              {0x88, 0x88}, {0x8a, 0x8a}, {0xc0, 0xc0},
                                              {0xc6, 0xc6}, {0xf6, 0xf6}, {0xfe, 0xfe}};
    static const uint8_t other_of_one[][2] = {
        {0x63, 0x63}, {0x8c, 0x8c}, {0x8e, 0x8e}, {0xd0, 0xdf}};
    int is_one = r->map == MAP_ONE;
    int is_two = r->map == MAP_0F;
    int is_byte = is_one ? (r->opcode < 0x40 && !(r->opcode & 1)) || IN(r->opcode, bytes_of_one)
                         : is_two && (r->opcode == 0xb6 || r->opcode == 0xbe);
    int is_word = is_one ? !IN(r->opcode, other_of_one) : is_two && (r->opcode & 0xf0) == 0x40;
    if (is_byte)
        out->bytes = 1;
    else if (out->kind == TB_INSN_CALL || out->kind == TB_INSN_JUMP)
        out->bytes = 8;
    else if (is_two && (r->opcode == 0xb7 || r->opcode == 0xbf))
        out->bytes = 2;
    else if (is_word)
        out->bytes = word_bytes(r);
}

/* movaps and its kind want it always; SSE arithmetic on 16 bytes does where it is not behind VEX.
 */
static void find_alignment(const struct tb_insn_reader *r, struct tb_insn *out)
{
    static const uint8_t moves[][2] = {{0x28, 0x29}, {0x2b, 0x2b}};
    static const uint8_t moves_66[][2] = {{0x6f, 0x6f}, {0x7f, 0x7f}, {0xe7, 0xe7}};
    static const uint8_t packed[][2] = {{0x14, 0x15}, {0x54, 0x59}, {0x5c, 0x5f}, {0xc6, 0xc6}};
    static const uint8_t packed_66[][2] = {{0x60, 0x6d}, {0x70, 0x70}, {0x74, 0x76},
                                           {0xd1, 0xd5}, {0xd8, 0xdf}, {0xe0, 0xe5},
                                           {0xe8, 0xef}, {0xf1, 0xf6}, {0xf8, 0xfe}};
    int is_66 = r->prefix == PREFIX_66;
    if (r->map != MAP_0F || (r->prefix != NO_PREFIX && !is_66))
        return;
    if (IN(r->opcode, moves) || (is_66 && IN(r->opcode, moves_66)))
        out->alignment = r->is_vex ? r->vector_bytes : 16;
    else if (!r->is_vex && (IN(r->opcode, packed) || (is_66 && IN(r->opcode, packed_66))))
        out->alignment = 16;
    if (out->alignment > 0)
        out->bytes = out->alignment;
}

void tb_insn_classify(const struct tb_insn_reader *r, struct tb_insn *out)
{
    find_kind(r, out);
    find_bytes(r, out);
    if (r->map == MAP_ONE && r->opcode == 0x8d) /* lea touches nothing */
        out->has_memory = 0;
    if (out->has_memory) {
        find_access(r, out);
        find_alignment(r, out);
    }
}
