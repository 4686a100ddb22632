/* log_rate.c - see log_rate.h: a small table of kinds under a lock. Where it is full, the kind that
 * began first and holds nothing back makes room; where each holds something, a line is written. */
#include "agent/log_rate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { HEAD_BYTES = 32, KEPT_BYTES = 512 };

struct kind {
    uint64_t key; /* 0: the place is free */
    uint64_t since_ns;
    uint64_t n_held;
    unsigned n;
    enum tb_log_level level;
    char last[KEPT_BYTES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kind kinds[TB_LOG_KINDS];
static atomic_uint n_holding; /* kinds that hold something back */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * UINT64_C(0x100000001b3);
}

/* Equal texts may be one string in the program: where the format says nothing, the text counts. */
static uint64_t key_of(enum tb_log_level level, const char *format, const char *text)
{
    uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), (uint64_t)level);
    int is_plain = strcmp(format, "%s") == 0;
    const char *name = is_plain ? text : format;
    for (size_t i = 0; name[i] != '\0' && (!is_plain || i < HEAD_BYTES); i++)
        hash = mix(hash, (unsigned char)name[i]);
    return hash != 0 ? hash : 1;
}

static int is_over(const struct kind *kind, uint64_t now_ns)
{
    return now_ns - kind->since_ns >= (uint64_t)TB_LOG_WINDOW_S * TB_NS_PER_S;
}

/* NULL: there is no place. */
static struct kind *find(uint64_t key, uint64_t now_ns)
{
    struct kind *oldest = NULL;
    for (size_t i = 0; i < TB_LOG_KINDS; i++) {
        struct kind *kind = &kinds[i];
        if (kind->key == key)
            return kind;
        if (kind->n_held == 0 && (oldest == NULL || kind->key == 0 ||
                                  (oldest->key != 0 && kind->since_ns < oldest->since_ns)))
            oldest = kind;
    }
    if (oldest != NULL) {
        memset(oldest, 0, sizeof(*oldest));
        oldest->key = key;
        oldest->since_ns = now_ns;
    }
    return oldest;
}

static void hold(struct kind *kind, enum tb_log_level level, const char *text)
{
    if (kind->n_held++ == 0)
        atomic_fetch_add(&n_holding, 1);
    kind->level = level;
    snprintf(kind->last, sizeof(kind->last), "%s", text);
}

int tb_log_rate_take(enum tb_log_level level, const char *format, const char *text, uint64_t now_ns)
{
    int may = 1;
    pthread_mutex_lock(&lock);
    struct kind *kind = find(key_of(level, format, text), now_ns);
    if (kind != NULL && kind->n_held == 0 && is_over(kind, now_ns)) {
        kind->since_ns = now_ns;
        kind->n = 0;
    }
    if (kind != NULL && kind->n++ >= TB_LOG_BURST) {
        hold(kind, level, text);
        may = 0;
    }
    pthread_mutex_unlock(&lock);
    return may;
}

/* Takes one that is due out of the table. */
static int take_due(uint64_t now_ns, int all, struct kind *out)
{
    int found = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < TB_LOG_KINDS && !found; i++) {
        struct kind *kind = &kinds[i];
        if (kind->n_held == 0 || (!all && !is_over(kind, now_ns)))
            continue;
        *out = *kind;
        kind->n_held = 0;
        kind->n = 0;
        kind->since_ns = now_ns;
        atomic_fetch_sub(&n_holding, 1);
        found = 1;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

void tb_log_rate_due(uint64_t now_ns, int all,
                     void (*each)(void *arg, enum tb_log_level level, const char *text, uint64_t n),
                     void *arg)
{
    struct kind kind;
    if (atomic_load(&n_holding) == 0)
        return;
    while (take_due(now_ns, all, &kind))
        each(arg, kind.level, kind.last, kind.n_held);
}
