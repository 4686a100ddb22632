/* decode_impl.h - between decode.c, which reads an instruction, and decode_kind.c, which says what
 * it is. */
#ifndef TB_AGENT_DECODE_IMPL_H
#define TB_AGENT_DECODE_IMPL_H

#include "agent/meaning/decode.h"

enum { MAP_ONE, MAP_0F, MAP_0F38, MAP_0F3A };
enum { NO_PREFIX, PREFIX_66 = 0x66, PREFIX_F2 = 0xf2, PREFIX_F3 = 0xf3 };

struct tb_insn_reader {
    const uint8_t *code;
    size_t len, at;
    unsigned prefix; /* the last of 66, F2, F3 */
    int has_segment; /* FS or GS, or addresses of 32 bits */
    int is_wide, extra_reg, extra_index, extra_base;
    int is_vex, is_evex;
    unsigned vector_bytes;
    unsigned map, opcode;
    unsigned mod, reg, rm;
};

static inline int tb_insn_in(unsigned opcode, const uint8_t (*ranges)[2], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (opcode >= ranges[i][0] && opcode <= ranges[i][1])
            return 1;
    return 0;
}

#define IN(opcode, ranges) tb_insn_in(opcode, ranges, sizeof(ranges) / sizeof((ranges)[0]))

/* kind, name, access, bytes and alignment, of what was read. */
void tb_insn_classify(const struct tb_insn_reader *r, struct tb_insn *out);

#endif
