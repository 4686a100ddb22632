/* crc.c - CRC-32C by the processor's instruction or by a table of nibbles, CRC-32 by a table.
 *
 * The tables have 16 entries and are constant, so a signal handler needs no initialisation. That of
 * CRC-32C is walked by processors older than 2008 only; CRC-32 is read by the agent alone, of
 * records whose writers are no faster. */
#include "base/crc.h"

#include <string.h>

static const uint32_t NIBBLES[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static const uint32_t IEEE_NIBBLES[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

static uint32_t by_nibbles(const uint32_t table[16], uint32_t crc, const unsigned char *p,
                           size_t len)
{
    while (len-- > 0) {
        crc ^= *p++;
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return crc;
}

static uint32_t by_table(uint32_t crc, const unsigned char *p, size_t len)
{
    return by_nibbles(NIBBLES, crc, p, len);
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc,
                                                                 const unsigned char *p, size_t len)
{
    uint64_t wide = crc;
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    while (len-- > 0)
        crc = __builtin_ia32_crc32qi(crc, *p++);
    return crc;
}

static int has_instruction(void)
{
    return __builtin_cpu_supports("sse4.2");
}
#else
static uint32_t by_instruction(uint32_t crc, const unsigned char *p, size_t len)
{
    return by_table(crc, p, len);
}

static int has_instruction(void)
{
    return 0;
}
#endif

uint32_t tb_crc32c(uint32_t seed, const void *data, size_t len)
{
    uint32_t crc =
        has_instruction() ? by_instruction(~seed, data, len) : by_table(~seed, data, len);
    return ~crc;
}

uint32_t tb_crc32(uint32_t seed, const void *data, size_t len)
{
    return ~by_nibbles(IEEE_NIBBLES, ~seed, data, len);
}
