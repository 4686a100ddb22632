/* ring.c - a queue, a cache and a scheduler: the plain bugs of plain code. */
#include "relayd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a ring of messages ---- */

struct message {
    char *text;
    int len, priority;
    struct message *reply_to;
};

struct ring {
    struct message **slots;
    int n_slots, head, tail;
};

static int ring_next(const struct ring *ring, int at)
{
    return (at + 1) % ring->n_slots;
}

int ring_push(struct ring *ring, struct message *message)
{
    int next = ring_next(ring, ring->tail);
    if (next == ring->head)
        return -1;
    ring->slots[ring->tail] = message;
    ring->tail = next;
    return 0;
}

struct message *ring_pop(struct ring *ring)
{
    if (ring->head == ring->tail)
        return NULL;
    struct message *message = ring->slots[ring->head];
    ring->head = ring_next(ring, ring->head);
    return message;
}

static struct message *message_new(const char *text, int priority)
{
    struct message *message = calloc(1, sizeof(*message));
    if (message == NULL)
        die("no memory");
    message->text = (char *)(uintptr_t)text;
    message->len = (int)strlen(text);
    message->priority = priority;
    return message;
}

void push_without_ring(void)
{
    struct ring *ring = calloc(1, sizeof(*ring));
    exit(ring_push(ring, message_new("first", 1)));
}

void push_without_slots(void)
{
    struct ring *ring = calloc(1, sizeof(*ring));
    ring->n_slots = setting_number("port");
    ring->slots = (void *)session_find(4711);
    exit(ring_push(ring, message_new("first", 1)));
}

static int deliver(struct ring *ring)
{
    struct message *message = ring_pop(ring);
    return message->len + message->priority;
}

void deliver_nothing(void)
{
    struct ring *ring = calloc(1, sizeof(*ring));
    exit(deliver(ring));
}

static int answer(struct ring *ring)
{
    struct message *message = ring_pop(ring);
    if (message == NULL)
        return 0;
    return message->reply_to->len;
}

void answer_nobody(void)
{
    struct message *slots[4] = {message_new("hello", 2)};
    struct ring ring = {slots, 4, 0, 1};
    exit(answer(&ring));
}

static void shout(struct message *message)
{
    for (int i = 0; i < message->len; i++)
        if (message->text[i] >= 'a' && message->text[i] <= 'z')
            message->text[i] = (char)(message->text[i] - 32);
}

static int raise_priority(struct message *message)
{
    if (message->priority > 3)
        shout(message);
    return message->priority++;
}

void raise_constant(void)
{
    exit(raise_priority(message_new(setting("name"), 5)));
}

/* ---- a cache ---- */

struct entry {
    struct entry *next;
    const char *key;
    long used, *value;
};

struct cache {
    struct entry **buckets;
    unsigned n_buckets;
    long hits, misses;
};

static unsigned hash_of(const char *key)
{
    unsigned hash = 2166136261u;
    for (; *key != '\0'; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619u;
    return hash;
}

static struct entry *cache_find(struct cache *cache, const char *key)
{
    struct entry *entry = cache->buckets[hash_of(key) % cache->n_buckets];
    while (entry != NULL && strcmp(entry->key, key) != 0)
        entry = entry->next;
    return entry;
}

long cache_get(struct cache *cache, const char *key)
{
    struct entry *entry = cache_find(cache, key);
    if (entry == NULL) {
        cache->misses++;
        return -1;
    }
    cache->hits++;
    return *entry->value;
}

void cache_put(struct cache *cache, const char *key, long *value)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    unsigned at = hash_of(key) % cache->n_buckets;
    if (entry == NULL)
        die("no memory");
    entry->key = key;
    entry->value = value;
    entry->next = cache->buckets[at];
    cache->buckets[at] = entry;
}

static struct cache *cache_new(unsigned n)
{
    struct cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        die("no memory");
    cache->n_buckets = n;
    cache->buckets = calloc(n + 1, sizeof(struct entry *));
    return cache;
}

void get_without_value(void)
{
    struct cache *cache = cache_new(8);
    cache_put(cache, "key", NULL);
    exit((int)cache_get(cache, "key"));
}

void get_of_empty(void)
{
    exit((int)cache_get(cache_new((unsigned)setting_number("credit")), "key"));
}

void put_in_empty(void)
{
    struct cache *cache = cache_new((unsigned)setting_number("credit"));
    cache_put(cache, "key", &cache->hits);
    exit((int)cache_get(cache, "key"));
}

void get_unset_key(void)
{
    exit((int)cache_get(cache_new(8), setting("unset")));
}

static int hit_rate(const struct cache *cache)
{
    return (int)(100 * cache->hits / (cache->hits + cache->misses));
}

static void print_cache(const struct cache *cache)
{
    fprintf(stderr, "%u buckets, %d %% hits\n", cache->n_buckets, hit_rate(cache));
}

void print_unused(void)
{
    struct cache *cache = cache_new(4);
    cache->hits = cache->misses = setting_number("credit");
    print_cache(cache);
    served++;
}

static long evict(struct cache *cache)
{
    struct entry *oldest = NULL;
    for (unsigned i = 0; i < cache->n_buckets; i++)
        for (struct entry *e = cache->buckets[i]; e != NULL; e = e->next)
            if (oldest == NULL || e->used < oldest->used)
                oldest = e;
    return oldest->used;
}

void evict_from_empty(void)
{
    exit((int)evict(cache_new(8)));
}

/* ---- a scheduler ---- */

struct job {
    struct job *after;
    int due, every, n_runs;
    int (*run)(struct job *job);
    void *data;
};

static int run_job(struct job *job, int now)
{
    int ran = 0;
    if (job->due <= now) {
        ran = job->run(job);
        job->n_runs++;
        job->due = now + job->every;
    }
    return ran;
}

int schedule(struct job *jobs, int n, int now)
{
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += run_job(&jobs[i], now);
    return sum;
}

static int job_report(struct job *job)
{
    const struct session *session = job->data;
    return session->peer->id + job->n_runs;
}

static int job_average(struct job *job)
{
    const int *numbers = job->data;
    int sum = setting_number("port");
    for (int i = 0; i < job->n_runs; i++)
        sum += numbers[i];
    return sum / job->n_runs;
}

static int job_clear(struct job *job)
{
    char *text = job->data;
    text[job->n_runs] = '\0';
    return job->n_runs;
}

static int job_chain(struct job *job)
{
    return job->after->due - job->due;
}

static int one_job(int (*run)(struct job *), void *data)
{
    struct job job = {NULL, 0, 10, setting_number("credit"), run, data};
    return schedule(&job, 1, 5 + run_number);
}

void report_job(void)
{
    exit(one_job(job_report, session_open(61)));
}

void average_job(void)
{
    int numbers[] = {1, 2, 3};
    exit(one_job(job_average, numbers));
}

void clear_job(void)
{
    exit(one_job(job_clear, (void *)(uintptr_t)setting("name")));
}

void chain_job(void)
{
    exit(one_job(job_chain, NULL));
}

void missing_job(void)
{
    exit(one_job(NULL, NULL));
}

const struct fault ring_faults[] = {{"push-no-ring", NULL, push_without_ring},
                                    {"push-no-slots", NULL, push_without_slots},
                                    {"deliver-nothing", NULL, deliver_nothing},
                                    {"answer-nobody", NULL, answer_nobody},
                                    {"raise-constant", NULL, raise_constant},
                                    {"cache-value", NULL, get_without_value},
                                    {"cache-get-empty", NULL, get_of_empty},
                                    {"cache-put-empty", NULL, put_in_empty},
                                    {"cache-key", NULL, get_unset_key},
                                    {"cache-rate", NULL, print_unused},
                                    {"cache-evict", NULL, evict_from_empty},
                                    {"job-report", NULL, report_job},
                                    {"job-average", NULL, average_job},
                                    {"job-clear", NULL, clear_job},
                                    {"job-chain", NULL, chain_job},
                                    {"job-missing", NULL, missing_job},
                                    {NULL, NULL, NULL}};
