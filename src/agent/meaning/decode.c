/* decode.c - see decode.h. Source: Intel SDM volume 2, chapter 2 and appendix A. */
#include "agent/meaning/decode.h"

#include <errno.h>
#include <string.h>

enum { MAP_ONE, MAP_0F, MAP_0F38, MAP_0F3A };
enum { NO_PREFIX, PREFIX_66 = 0x66, PREFIX_F2 = 0xf2, PREFIX_F3 = 0xf3 };

struct reader {
    const uint8_t *code;
    size_t len, at;
    unsigned prefix; /* the last of 66, F2, F3 */
    int has_segment; /* FS or GS, or addresses of 32 bits */
    int is_wide, extra_reg, extra_index, extra_base;
    int is_vex;
    unsigned vector_bytes;
    unsigned map, opcode;
    unsigned mod, reg, rm;
};

static int next(struct reader *r, unsigned *out)
{
    if (r->at >= r->len || r->at >= TB_INSN_BYTES_MAX)
        return -ENODATA;
    *out = r->code[r->at++];
    return 0;
}

static int register_of(unsigned number)
{
    static const int names[16] = {TB_RAX, TB_RCX, TB_RDX, TB_RBX, TB_RSP, TB_RBP, TB_RSI, TB_RDI,
                                  TB_R8,  TB_R9,  TB_R10, TB_R11, TB_R12, TB_R13, TB_R14, TB_R15};
    return names[number & 15];
}

/* ---- prefixes and opcode ---- */

static int read_prefixes(struct reader *r, unsigned *byte)
{
    for (;;) {
        int err = next(r, byte);
        if (err)
            return err;
        switch (*byte) {
        case 0x66:
        case 0xf2:
        case 0xf3:
            r->prefix = *byte;
            break;
        case 0x64:
        case 0x65:
        case 0x67:
            r->has_segment = 1;
            break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0xf0:
            break;
        default:
            return 0;
        }
    }
}

static int read_vex(struct reader *r, unsigned first)
{
    static const unsigned prefixes[4] = {NO_PREFIX, PREFIX_66, PREFIX_F3, PREFIX_F2};
    unsigned one;
    unsigned two;
    int err = next(r, &one);
    if (err)
        return err;
    r->is_vex = 1;
    r->map = MAP_0F;
    r->extra_reg = !(one & 0x80);
    two = one;
    if (first == 0xc4) {
        err = next(r, &two);
        if (err)
            return err;
        r->extra_index = !(one & 0x40);
        r->extra_base = !(one & 0x20);
        r->is_wide = (two & 0x80) != 0;
        if ((one & 31) < 1 || (one & 31) > 3)
            return -ENOTSUP;
        r->map = one & 31;
    }
    r->vector_bytes = two & 4 ? 32 : 16;
    r->prefix = prefixes[two & 3];
    return next(r, &r->opcode);
}

static int read_opcode(struct reader *r)
{
    unsigned byte = 0;
    int err = read_prefixes(r, &byte);
    if (!err && (byte == 0xc4 || byte == 0xc5))
        return read_vex(r, byte);
    if (!err && (byte & 0xf0) == 0x40) {
        r->is_wide = (byte & 8) != 0;
        r->extra_reg = (byte & 4) != 0;
        r->extra_index = (byte & 2) != 0;
        r->extra_base = (byte & 1) != 0;
        err = next(r, &byte);
    }
    if (!err && byte == 0x0f) {
        err = next(r, &byte);
        r->map = MAP_0F;
        if (!err && (byte == 0x38 || byte == 0x3a)) {
            r->map = byte == 0x38 ? MAP_0F38 : MAP_0F3A;
            err = next(r, &byte);
        }
    }
    r->opcode = byte;
    return err;
}

/* ---- ModRM ---- */

static int in(unsigned opcode, const uint8_t (*ranges)[2], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (opcode >= ranges[i][0] && opcode <= ranges[i][1])
            return 1;
    return 0;
}

#define IN(opcode, ranges) in(opcode, ranges, sizeof(ranges) / sizeof((ranges)[0]))

static int has_modrm(const struct reader *r)
{
    static const uint8_t one[][2] = {
        {0x00, 0x03}, {0x08, 0x0b}, {0x10, 0x13}, {0x18, 0x1b}, {0x20, 0x23}, {0x28, 0x2b},
        {0x30, 0x33}, {0x38, 0x3b}, {0x63, 0x63}, {0x69, 0x69}, {0x6b, 0x6b}, {0x80, 0x8f},
        {0xc0, 0xc1}, {0xc6, 0xc7}, {0xd0, 0xd3}, {0xd8, 0xdf}, {0xf6, 0xf7}, {0xfe, 0xff}};
    static const uint8_t two[][2] = {{0x00, 0x03}, {0x0d, 0x0d}, {0x10, 0x2f}, {0x40, 0x76},
                                     {0x78, 0x7f}, {0x90, 0x9f}, {0xa3, 0xa5}, {0xab, 0xb8},
                                     {0xba, 0xc7}, {0xd0, 0xfe}};
    if (r->map == MAP_ONE)
        return IN(r->opcode, one);
    return r->map != MAP_0F || IN(r->opcode, two);
}

static int read_offset(struct reader *r, unsigned bytes, int64_t *out)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        unsigned byte;
        int err = next(r, &byte);
        if (err)
            return err;
        value |= (uint32_t)byte << (8 * i);
    }
    *out = bytes == 1 ? (int8_t)value : (int32_t)value;
    return 0;
}

static int read_sib(struct reader *r, struct tb_insn *out)
{
    unsigned sib;
    int err = next(r, &sib);
    if (err)
        return err;
    unsigned index = (sib >> 3 & 7) | (r->extra_index ? 8 : 0);
    out->scale = 1u << (sib >> 6);
    if (index != 4)
        out->index = register_of(index);
    if ((sib & 7) == 5 && r->mod == 0)
        return read_offset(r, 4, &out->offset);
    out->base = register_of((sib & 7) | (r->extra_base ? 8 : 0));
    return 0;
}

static int read_modrm(struct reader *r, struct tb_insn *out)
{
    unsigned modrm;
    int err = next(r, &modrm);
    if (err)
        return err;
    r->mod = modrm >> 6;
    r->reg = modrm >> 3 & 7;
    r->rm = modrm & 7;
    if (r->mod == 3) {
        out->operand = register_of(r->rm | (r->extra_base ? 8 : 0));
        return 0;
    }
    out->has_memory = 1;
    out->is_relative = r->has_segment;
    if (r->rm == 4) {
        err = read_sib(r, out);
    } else if (r->rm == 5 && r->mod == 0) {
        out->is_relative = 1;
        return read_offset(r, 4, &out->offset);
    } else {
        out->base = register_of(r->rm | (r->extra_base ? 8 : 0));
    }
    if (!err && r->mod > 0)
        err = read_offset(r, r->mod == 1 ? 1 : 4, &out->offset);
    return err;
}

/* ---- what it is ---- */

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

static void find_kind(const struct reader *r, struct tb_insn *out)
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
static void find_access(const struct reader *r, struct tb_insn *out)
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

static unsigned word_bytes(const struct reader *r)
{
    if (r->is_wide)
        return 8;
    return r->prefix == PREFIX_66 ? 2 : 4;
}

static void find_bytes(const struct reader *r, struct tb_insn *out)
{
    static const uint8_t bytes_of_one[][2] = {{0x80, 0x80}, {0x84, 0x84}, {0x86, 0x86},
                                              {0x88, 0x88}, {0x8a, 0x8a}, {0xc0, 0xc0},
                                              {0xc6, 0xc6}, {0xf6, 0xf6}, {0xfe, 0xfe}};
    if (r->map == MAP_ONE && r->opcode < 0x40)
        out->bytes = r->opcode & 1 ? word_bytes(r) : 1;
    else if (r->map == MAP_ONE && IN(r->opcode, bytes_of_one))
        out->bytes = 1;
    else if (out->kind == TB_INSN_CALL || out->kind == TB_INSN_JUMP)
        out->bytes = 8;
    else if (r->map == MAP_ONE && (r->opcode < 0xd0 || r->opcode > 0xdf) && r->opcode != 0x63)
        out->bytes = word_bytes(r);
    else if (r->map == MAP_0F && (r->opcode & 0xf0) == 0x40)
        out->bytes = word_bytes(r);
    else if (r->map == MAP_0F && (r->opcode == 0xb6 || r->opcode == 0xbe))
        out->bytes = 1;
    else if (r->map == MAP_0F && (r->opcode == 0xb7 || r->opcode == 0xbf))
        out->bytes = 2;
}

/* movaps and its kind want it always; SSE arithmetic on 16 bytes does where it is not behind VEX.
 */
static void find_alignment(const struct reader *r, struct tb_insn *out)
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

int tb_insn_decode(const uint8_t *code, size_t len, struct tb_insn *out)
{
    struct reader r = {.code = code, .len = len};
    memset(out, 0, sizeof(*out));
    out->base = out->index = out->operand = TB_INSN_NO_REG;
    int err = read_opcode(&r);
    if (r.is_vex || (!err && r.map == MAP_ONE && r.opcode == 0x62))
        out->kind = TB_INSN_VECTOR;
    if (!err && r.map == MAP_ONE && r.opcode == 0x62)
        return -ENOTSUP;
    if (!err && has_modrm(&r))
        err = read_modrm(&r, out);
    if (!err && r.map == MAP_ONE && r.opcode == 0xcd)
        err = next(&r, &out->vector);
    if (!err && r.map == MAP_ONE && r.opcode == 0x8f && r.reg != 0)
        err = -ENOTSUP; /* XOP */
    if (err)
        return err;
    find_kind(&r, out);
    find_bytes(&r, out);
    if (r.map == MAP_ONE && r.opcode == 0x8d) /* lea touches nothing */
        out->has_memory = 0;
    if (out->has_memory) {
        find_access(&r, out);
        find_alignment(&r, out);
    }
    return 0;
}

int tb_insn_address(const struct tb_insn *insn, const uint64_t *regs, uint64_t *out)
{
    if (!insn->has_memory || insn->is_relative)
        return 0;
    uint64_t address = (uint64_t)insn->offset;
    if (insn->base != TB_INSN_NO_REG)
        address += regs[insn->base];
    if (insn->index != TB_INSN_NO_REG)
        address += regs[insn->index] * insn->scale;
    *out = address;
    return 1;
}
