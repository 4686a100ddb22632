/* digits.h - hex digits, sixteen of them at a time in a vector: no table, no branch. Words of eight
 * characters for others. Private to src/trace.
 *
 * Vectors are the compiler's own, of 16 bytes as each processor of 64 bits has them; where there
 * are none it makes words of them.
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

typedef uint8_t tb_chars __attribute__((vector_size(16)));
typedef uint16_t tb_pairs __attribute__((vector_size(16)));
typedef uint64_t tb_words __attribute__((vector_size(16)));
typedef uint8_t tb_octets __attribute__((vector_size(8)));

static inline tb_chars tb_chars_load(const char *text)
{
    tb_chars chars;
    memcpy(&chars, text, sizeof(chars));
    return chars;
}

/* Eight from one place and eight from another. */
static inline tb_chars tb_chars_join(const char *first, const char *second)
{
    uint64_t low, high;
    memcpy(&low, first, sizeof(low));
    memcpy(&high, second, sizeof(high));
    return (tb_chars)(tb_words){low, high};
}

/* Whether each byte is 255, as a comparison says it that holds. */
static inline bool tb_chars_are_all(tb_chars marks)
{
    tb_words halves = (tb_words)marks;
    return (halves[0] & halves[1]) == UINT64_MAX;
}

/* 16 digits to 8 bytes, in a word of the order that memory has. What is no digit clears good. */
static inline uint64_t tb_chars_unhex(tb_chars chars, enum tb_hex_case which, bool *good)
{
    tb_chars digits = chars - '0';
    tb_chars letters = (which == TB_HEX_LOWER ? chars : chars | 0x20) - 'a';
    tb_chars is_digit = (tb_chars)(digits < 10);
    tb_chars is_letter = (tb_chars)(letters < 6);
    *good &= tb_chars_are_all(is_digit | is_letter);
    tb_pairs pairs = (tb_pairs)((digits & is_digit) | ((letters + 10) & is_letter));
    tb_pairs bytes = BYTE_ORDER == LITTLE_ENDIAN ? pairs << 4 | pairs >> 8 : pairs >> 4 | pairs;
    tb_octets octets = __builtin_convertvector(bytes & 0xff, tb_octets);
    uint64_t word;
    memcpy(&word, &octets, sizeof(word));
    return word;
}

static inline uint64_t tb_span_unhex(const char *text, enum tb_hex_case which, bool *good)
{
    return tb_chars_unhex(tb_chars_load(text), which, good);
}

static inline unsigned tb_digit_unhex(char c, enum tb_hex_case which, bool *good)
{
    unsigned digit = (unsigned char)c - '0';
    unsigned letter = (unsigned char)(which == TB_HEX_LOWER ? c : c | 0x20) - 'a';
    *good &= digit < 10 || letter < 6;
    return digit < 10 ? digit : letter + 10;
}

/* Two digits to a byte. */
static inline uint8_t tb_byte_unhex(const char *text, enum tb_hex_case which, bool *good)
{
    unsigned high = tb_digit_unhex(text[0], which, good);
    return (uint8_t)(high << 4 | tb_digit_unhex(text[1], which, good));
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
