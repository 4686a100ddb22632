/* digits.h - hex digits, eight of them at a time in one word: no table, no branch. Private to
 * src/trace.
 *
 * IDs are kept in words until they are known to be good: a store of four bytes that is read back as
 * eight costs as much as the rest of a header. */
#ifndef TB_TRACE_DIGITS_H
#define TB_TRACE_DIGITS_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* That byte in each byte of a word. */
#define TB_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

enum tb_hex_case { TB_HEX_ANY, TB_HEX_LOWER };

static inline uint64_t tb_word_load(const char *text)
{
    uint64_t word;
    memcpy(&word, text, sizeof(word));
    return le64toh(word);
}

/* Bit 7 of each byte that is at least from and at most to; the word has no byte over 127. */
static inline uint64_t tb_word_range(uint64_t word, unsigned from, unsigned to)
{
    return (word + TB_EACH(0x80u - from)) & ~(word + TB_EACH(0x7fu - to));
}

/* Eight digits are four bytes, the first of them lowest. What is no digit clears good. */
static inline uint64_t tb_word_unhex(uint64_t word, enum tb_hex_case which, bool *good)
{
    uint64_t letters = which == TB_HEX_LOWER ? word : word | TB_EACH(0x20);
    uint64_t marks = tb_word_range(word & TB_EACH(0x7f), '0', '9') |
                     tb_word_range(letters & TB_EACH(0x7f), 'a', 'f');
    uint64_t values = (word & TB_EACH(0x0f)) + 9 * (word >> 6 & TB_EACH(1));
    *good &= (marks & ~word & TB_EACH(0x80)) == TB_EACH(0x80);
    values = (values << 4 | values >> 8) & UINT64_C(0x00ff00ff00ff00ff);
    values = (values | values >> 8) & UINT64_C(0x0000ffff0000ffff);
    return (values | values >> 16) & UINT32_MAX;
}

/* 16 digits to 8 bytes, in a word of the order that memory has. */
static inline uint64_t tb_span_unhex(const char *text, enum tb_hex_case which, bool *good)
{
    uint64_t low = tb_word_unhex(tb_word_load(text), which, good);
    uint64_t high = tb_word_unhex(tb_word_load(text + 8), which, good);
    return htole64(low | high << 32);
}

/* Two digits to a byte. */
static inline uint8_t tb_byte_unhex(const char *text, enum tb_hex_case which, bool *good)
{
    uint16_t two;
    memcpy(&two, text, sizeof(two));
    uint64_t word = (TB_EACH('0') & ~UINT64_C(0xffff)) | le16toh(two);
    return (uint8_t)tb_word_unhex(word, which, good);
}

/* Four bytes, the first lowest, to eight digits. */
static inline uint64_t tb_word_hex(uint32_t bytes)
{
    uint64_t word = bytes;
    word = (word | word << 16) & UINT64_C(0x0000ffff0000ffff);
    word = (word | word << 8) & UINT64_C(0x00ff00ff00ff00ff);
    word = (word >> 4 | word << 8) & TB_EACH(0x0f);
    return word + TB_EACH('0') + ((word + TB_EACH(6)) >> 4 & TB_EACH(1)) * ('a' - '0' - 10);
}

/* An ID in words: zeros are none. */
struct tb_id {
    uint64_t left, right;
};

static inline struct tb_id tb_id_unhex(const char *text, enum tb_hex_case which, bool *good)
{
    struct tb_id id;
    id.left = tb_span_unhex(text, which, good);
    id.right = tb_span_unhex(text + 16, which, good);
    return id;
}

static inline void tb_id_store(struct tb_id id, uint8_t out[16])
{
    memcpy(out, &id.left, sizeof(id.left));
    memcpy(out + sizeof(id.left), &id.right, sizeof(id.right));
}

#endif
