/* suggest.c - see suggest.h. */
#include "base/suggest.h"

#include <stdint.h>
#include <string.h>

enum { WORD_MAX = 31 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters to add, drop, change or swap with the next one to make a into b. */
static size_t distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    size_t d[WORD_MAX + 1][WORD_MAX + 1];
    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return SIZE_MAX;
    for (size_t i = 0; i <= a_len; i++)
        for (size_t j = 0; j <= b_len; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            d[i][j] = least(d[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
                            least(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[a_len][b_len];
}

const char *tb_suggest(const char *typed, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t typed_len = strlen(typed);
    /* A third of the word may be wrong: more would be guessing. */
    size_t best_distance = typed_len / 3 + 2;
    for (size_t i = 0; i < n; i++) {
        size_t d = distance(typed, names[i]);
        /* A beginning counts as near: "occ" was meant to be "occurrences". */
        if (typed_len >= 2 && strncmp(typed, names[i], typed_len) == 0)
            d = 1;
        if (d < best_distance) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}
