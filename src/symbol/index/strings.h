/* strings.h - texts, each kept once: an offset stands for it. Offset 0 is "no text". */
#ifndef TB_SYMBOL_INDEX_STRINGS_H
#define TB_SYMBOL_INDEX_STRINGS_H

#include <stddef.h>
#include <stdint.h>

/* From numbers that are not 0 to numbers. Zeroed memory is an empty one. */
struct tb_symbol_map {
    struct tb_symbol_map_entry {
        uint64_t key; /* 0: free */
        uint32_t value;
    } * entries; /* owned */
    size_t n, cap;
};

/* The value of key, made 0 if it is new; NULL without memory. Valid until the next call. */
uint32_t *tb_symbol_map_at(struct tb_symbol_map *map, uint64_t key);
void tb_symbol_map_done(struct tb_symbol_map *map);

struct tb_symbol_strings {
    char *bytes; /* owned; begins with a NUL once there is any */
    size_t len, cap;
    uint32_t *slots; /* of the hash: offsets, 0 is free */
    size_t n, n_slots;
};

/* 0 with the offset of text (0 for NULL and ""); -ENOMEM, also when it is all too much. */
int tb_symbol_strings_add(struct tb_symbol_strings *strings, const char *text, uint32_t *out);
void tb_symbol_strings_done(struct tb_symbol_strings *strings);

#endif
