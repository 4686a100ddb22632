/* chain.c - how one function comes to another by jumps alone, as index.h says: a search through the
 * tail calls of the functions on the way; and how such a way begins. */
#include <string.h>

#include "base/pack.h"
#include "symbol/index/index.h"
#include "symbol/index/layout.h"

enum { TAIL_BYTES = TB_SYMBOL_TAIL_WORDS * 4, CALLS_MAX = 64, VISITS_MAX = 256 };

struct search {
    const struct tb_symbol_index *index;
    const char *to;
    const char *functions[TB_SYMBOL_HOPS_MAX]; /* on the way, the first of them first */
    struct tb_symbol_hop hops[TB_SYMBOL_HOPS_MAX];
    size_t n, n_visits;
    struct tb_symbol_hop found[TB_SYMBOL_HOPS_MAX];
    size_t n_found; /* hops of the one chain; 0: none yet */
    bool in_doubt;
};

static const char *text_of(const struct tb_symbol_index *index, uint32_t number, size_t word)
{
    uint32_t offset = tb_get32(index->tails + (size_t)number * TAIL_BYTES + word * 4);
    return offset < index->strings_len ? index->strings + offset : "";
}

/* The first tail call of a function that is not before name. */
static uint32_t first_of(const struct tb_symbol_index *index, const char *name)
{
    uint32_t low = 0;
    uint32_t high = index->n_tails;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(text_of(index, middle, 0), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* How many tail calls from number on lead to the same function, looking at those of one function.
 */
static size_t count_same(const struct tb_symbol_index *index, uint32_t first, uint32_t n,
                         const char *to)
{
    size_t n_same = 0;
    for (uint32_t i = first; i < first + n; i++)
        n_same += strcmp(text_of(index, i, 1), to) == 0;
    return n_same;
}

/* How many tail calls a function has; first is its first one. At most CALLS_MAX + 1 are counted. */
static uint32_t count_of(const struct tb_symbol_index *index, uint32_t first, const char *from)
{
    uint32_t n = 0;
    while (n <= CALLS_MAX && first + n < index->n_tails &&
           strcmp(text_of(index, first + n, 0), from) == 0)
        n++;
    return n;
}

static void visit(struct search *s, const char *from);

/* Goes one step: from the last function on the way to the one called to. */
static void step(struct search *s, const char *to)
{
    if (strcmp(to, s->to) != 0) {
        visit(s, to);
        return;
    }
    s->in_doubt = s->in_doubt || s->n_found > 0;
    memcpy(s->found, s->hops, s->n * sizeof(s->hops[0]));
    s->n_found = s->n;
}

static void visit(struct search *s, const char *from)
{
    uint32_t first = first_of(s->index, from);
    uint32_t n = count_of(s->index, first, from);
    for (size_t i = 0; i < s->n; i++)
        s->in_doubt = s->in_doubt || (n > 0 && strcmp(s->functions[i], from) == 0);
    if (n > CALLS_MAX || ++s->n_visits > VISITS_MAX || (n > 0 && s->n == TB_SYMBOL_HOPS_MAX))
        s->in_doubt = true;
    if (s->in_doubt || n == 0)
        return;
    s->functions[s->n++] = from;
    for (uint32_t i = first; i < first + n && !s->in_doubt; i++) {
        const char *to = text_of(s->index, i, 1);
        uint32_t at = tb_get32(s->index->tails + (size_t)i * TAIL_BYTES + 8);
        s->hops[s->n - 1] = (struct tb_symbol_hop){
            .at = s->index->base + at, .is_only = count_same(s->index, first, n, to) == 1};
        s->in_doubt = to[0] == '\0'; /* where that leads only the running program knew */
        if (!s->in_doubt && count_same(s->index, first, i - first, to) == 0)
            step(s, to);
    }
    s->n--;
}

size_t tb_symbol_index_chain(const struct tb_symbol_index *index, const char *from, const char *to,
                             struct tb_symbol_hop out[TB_SYMBOL_HOPS_MAX])
{
    struct search s = {.index = index, .to = to};
    if (index->n_tails == 0 || strcmp(from, to) == 0)
        return 0;
    visit(&s, from);
    if (s.in_doubt)
        return 0;
    for (size_t i = 0; i < s.n_found; i++)
        out[i] = s.found[s.n_found - 1 - i];
    return s.n_found;
}

static bool is_among(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

size_t tb_symbol_index_begun(const struct tb_symbol_index *index, const char *from, const char *to,
                             struct tb_symbol_hop out[TB_SYMBOL_HOPS_MAX])
{
    const char *names[TB_SYMBOL_HOPS_MAX] = {NULL};
    struct tb_symbol_hop hops[TB_SYMBOL_HOPS_MAX];
    size_t n = 0;
    while (n < TB_SYMBOL_HOPS_MAX && !is_among(names, n, from) && (!to || strcmp(from, to) != 0)) {
        uint32_t first = first_of(index, from);
        uint32_t n_calls = count_of(index, first, from);
        if (n_calls == 0)
            break;
        uint32_t at = tb_get32(index->tails + (size_t)first * TAIL_BYTES + 8);
        const char *next = text_of(index, first, 1);
        hops[n] = (struct tb_symbol_hop){.at = index->base + at, .is_only = n_calls == 1};
        names[n++] = from;
        if (next[0] == '\0' || count_same(index, first, n_calls, next) != n_calls)
            break;
        from = next;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = hops[n - 1 - i];
    return n;
}
