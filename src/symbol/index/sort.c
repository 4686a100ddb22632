/* sort.c - see sort.h. Digit by digit, the lowest first. */
#include "symbol/index/sort.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DIGIT_BITS = 11, N_DIGITS = 3, DIGITS = 1 << DIGIT_BITS };

static bool is_sorted(const struct tb_symbol_list *list, size_t item_bytes, tb_symbol_key *key)
{
    const char *items = list->items;
    for (size_t i = 1; i < list->n; i++) {
        if (key(items + (i - 1) * item_bytes) > key(items + i * item_bytes))
            return false;
    }
    return true;
}

static void sort_digit(const char *items, char *out, size_t n, size_t item_bytes,
                       tb_symbol_key *key, unsigned shift)
{
    size_t starts[DIGITS] = {0};
    size_t start = 0;
    for (size_t i = 0; i < n; i++)
        starts[(key(items + i * item_bytes) >> shift) % DIGITS]++;
    for (size_t i = 0; i < DIGITS; i++) {
        size_t count = starts[i];
        starts[i] = start;
        start += count;
    }
    for (size_t i = 0; i < n; i++) {
        const char *item = items + i * item_bytes;
        size_t to = starts[(key(item) >> shift) % DIGITS]++;
        memcpy(out + to * item_bytes, item, item_bytes);
    }
}

int tb_symbol_sort(struct tb_symbol_list *list, size_t item_bytes, tb_symbol_key *key)
{
    if (list->n < 2 || is_sorted(list, item_bytes, key))
        return 0;
    char *other = malloc(list->cap * item_bytes);
    if (!other)
        return -ENOMEM;
    for (unsigned digit = 0; digit < N_DIGITS; digit++) {
        char *items = list->items;
        sort_digit(items, other, list->n, item_bytes, key, digit * DIGIT_BITS);
        list->items = other;
        other = items;
    }
    free(other);
    return 0;
}
