/* cloudwatch_metrics.c - which classes are metrics of their own.
 *
 * Each pair of service and class that stands in a record is a metric of its own, billed by the
 * month, and senders choose the names. So the first 50 since the start have theirs, and all others
 * are counted together: a bound on the bill needs a memory, which is the one state that this sink
 * has. Any thread. */
#include "sink/cloudwatch.h"

#include <pthread.h>
#include <string.h>

static struct {
    pthread_mutex_t lock;
    size_t n;
    uint64_t pairs[TB_CLOUDWATCH_CLASSES];
} known = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* FNV-1a: two pairs that share a sum of 64 bits share a place, which costs nothing. */
static uint64_t add_sum(uint64_t sum, const char *text)
{
    for (const char *c = text;; c++) {
        sum = (sum ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
        if (*c == '\0')
            return sum;
    }
}

const char *tb_cloudwatch_class(const char *service, const char *class)
{
    uint64_t pair = add_sum(add_sum(UINT64_C(0xcbf29ce484222325), service), class);
    pthread_mutex_lock(&known.lock);
    size_t i = 0;
    while (i < known.n && known.pairs[i] != pair)
        i++;
    bool has_place = i < TB_CLOUDWATCH_CLASSES;
    if (i == known.n && has_place)
        known.pairs[known.n++] = pair;
    pthread_mutex_unlock(&known.lock);
    return has_place ? class : "_OTHER";
}
