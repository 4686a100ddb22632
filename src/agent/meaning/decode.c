/* decode.c - see decode.h. Source: Intel SDM volume 2, chapter 2 and appendix A. */
#include "agent/meaning/decode_impl.h"

#include <errno.h>
#include <string.h>

static int next(struct tb_insn_reader *r, unsigned *out)
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

static int read_prefixes(struct tb_insn_reader *r, unsigned *byte)
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

static int read_vex(struct tb_insn_reader *r, unsigned first)
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

static int read_evex(struct tb_insn_reader *r)
{
    static const unsigned prefixes[4] = {NO_PREFIX, PREFIX_66, PREFIX_F3, PREFIX_F2};
    unsigned payload[3];
    for (size_t i = 0; i < 3; i++) {
        int err = next(r, &payload[i]);
        if (err)
            return err;
    }
    r->is_vex = r->is_evex = 1;
    r->map = payload[0] & 7;
    r->extra_reg = !(payload[0] & 0x80);
    r->extra_index = !(payload[0] & 0x40);
    r->extra_base = !(payload[0] & 0x20);
    r->is_wide = (payload[1] & 0x80) != 0;
    r->prefix = prefixes[payload[1] & 3];
    r->vector_bytes = 16u << (payload[2] >> 5 & 3);
    return r->map >= MAP_0F && r->map <= MAP_0F3A ? next(r, &r->opcode) : -ENOTSUP;
}

static int read_opcode(struct tb_insn_reader *r)
{
    unsigned byte = 0;
    int err = read_prefixes(r, &byte);
    if (!err && (byte == 0xc4 || byte == 0xc5))
        return read_vex(r, byte);
    if (!err && byte == 0x62)
        return read_evex(r);
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

static int has_modrm(const struct tb_insn_reader *r)
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

static int read_offset(struct tb_insn_reader *r, unsigned bytes, int64_t *out)
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

static int read_sib(struct tb_insn_reader *r, struct tb_insn *out)
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

static int read_modrm(struct tb_insn_reader *r, struct tb_insn *out)
{
    static const uint8_t gathers[][2] = {{0x90, 0x93}, {0xa0, 0xa3}, {0xc6, 0xc7}};
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
    if (r->is_evex && r->mod == 1) /* the byte counts units that depend on the instruction */
        out->is_relative = 1;
    if (r->is_vex && r->map == MAP_0F38 && IN(r->opcode, gathers))
        out->is_relative = 1; /* the index is a vector */
    return err;
}

int tb_insn_decode(const uint8_t *code, size_t len, struct tb_insn *out)
{
    struct tb_insn_reader r = {.code = code, .len = len};
    memset(out, 0, sizeof(*out));
    out->base = out->index = out->operand = TB_INSN_NO_REG;
    int err = read_opcode(&r);
    if (r.is_vex)
        out->kind = TB_INSN_VECTOR;
    if (!err && has_modrm(&r))
        err = read_modrm(&r, out);
    if (!err && r.map == MAP_ONE && r.opcode == 0xcd)
        err = next(&r, &out->vector);
    if (!err && r.map == MAP_ONE && r.opcode == 0x8f && r.reg != 0)
        err = -ENOTSUP; /* XOP */
    if (err)
        return err;
    tb_insn_classify(&r, out);
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
