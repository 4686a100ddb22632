/* crc.c - CRC-32C by the processor's instruction or by a table of nibbles, CRC-32 by a table.
 *
 * The instruction takes a word each cycle but answers after three, so long data are read as three
 * lanes at once. A sum is moved behind the n bytes of a later lane by a carry-less multiplication:
 * sum * x^(8n - 33) mod P, and the instruction itself, given that as a word, multiplies by x^33
 * more and reduces.
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

/* Three lanes hold half a record of 2 KiB, a quarter of a fragment of a crash slot. */
enum { LANE_BYTES = 336, LANES_BYTES = 3 * LANE_BYTES };
/* x^(8n - 33) mod P for n = LANE_BYTES and twice that, bits in the order of the sums. */
static const long long BEHIND_ONE = 0xa60ce07b;
static const long long BEHIND_TWO = 0xcec3662e;

typedef long long pair __attribute__((vector_size(16)));

static uint64_t next_word(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t
by_lanes(uint32_t crc, const unsigned char *p, size_t len)
{
    for (; len >= LANES_BYTES; p += LANES_BYTES, len -= LANES_BYTES) {
        const unsigned char *p2 = p + LANE_BYTES;
        const unsigned char *p3 = p2 + LANE_BYTES;
        uint64_t first = crc;
        uint64_t second = 0;
        uint64_t third = 0;
        for (size_t i = 0; i < LANE_BYTES; i += 8) {
            first = __builtin_ia32_crc32di(first, next_word(p + i));
            second = __builtin_ia32_crc32di(second, next_word(p2 + i));
            third = __builtin_ia32_crc32di(third, next_word(p3 + i));
        }
        pair sums = {(long long)first, (long long)second};
        pair factors = {BEHIND_TWO, BEHIND_ONE};
        pair moved = __builtin_ia32_pclmulqdq128(sums, factors, 0x00) ^
                     __builtin_ia32_pclmulqdq128(sums, factors, 0x11);
        crc = (uint32_t)(__builtin_ia32_crc32di(0, (uint64_t)moved[0]) ^ third);
    }
    return by_instruction(crc, p, len);
}

static int has_instruction(void)
{
    return __builtin_cpu_supports("sse4.2");
}

static int has_multiplication(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}
#else
static uint32_t by_instruction(uint32_t crc, const unsigned char *p, size_t len)
{
    return by_table(crc, p, len);
}

static uint32_t by_lanes(uint32_t crc, const unsigned char *p, size_t len)
{
    return by_table(crc, p, len);
}

static int has_instruction(void)
{
    return 0;
}

static int has_multiplication(void)
{
    return 0;
}
#endif

uint32_t tb_crc32c(uint32_t seed, const void *data, size_t len)
{
    if (has_multiplication())
        return ~by_lanes(~seed, data, len);
    return has_instruction() ? ~by_instruction(~seed, data, len) : ~by_table(~seed, data, len);
}

uint32_t tb_crc32(uint32_t seed, const void *data, size_t len)
{
    return ~by_nibbles(IEEE_NIBBLES, ~seed, data, len);
}
