/* cloudwatch_metrics.c - which services and classes are metrics of their own.
 *
 * Each service that stands in a record, and each pair of service and class, is a metric of its own,
 * billed by the month, and senders choose the names. So the first 50 of both since the start have
 * theirs, and all others are counted together: a bound on the bill needs a memory, which is the one
 * state that this sink has. Any thread. */
#include "sink/cloudwatch.h"

#include <pthread.h>
#include <string.h>

struct names {
    size_t n;
    uint64_t sums[TB_CLOUDWATCH_NAMES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct names services, pairs;

#define FIRST UINT64_C(0xcbf29ce484222325)

static const char OTHER[] = "_OTHER";

/* FNV-1a: two names that share a sum of 64 bits share a place, which costs nothing. */
static uint64_t add_sum(uint64_t sum, const char *text)
{
    for (const char *c = text;; c++) {
        sum = (sum ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
        if (*c == '\0')
            return sum;
    }
}

/* Is it one of the first? */
static bool has_place(struct names *names, uint64_t sum)
{
    pthread_mutex_lock(&lock);
    size_t i = 0;
    while (i < names->n && names->sums[i] != sum)
        i++;
    bool is_among = i < TB_CLOUDWATCH_NAMES;
    if (i == names->n && is_among)
        names->sums[names->n++] = sum;
    pthread_mutex_unlock(&lock);
    return is_among;
}

const char *tb_cloudwatch_service(const char *service)
{
    return has_place(&services, add_sum(FIRST, service)) ? service : OTHER;
}

const char *tb_cloudwatch_class(const char *service, const char *class)
{
    return has_place(&pairs, add_sum(add_sum(FIRST, service), class)) ? class : OTHER;
}
