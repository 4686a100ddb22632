/* oracle.c - see oracle.h. */
#include "oracle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/pack.h"

enum { PATTERN = 256 << 10, CONTEXT = 200 };
#define TAG UINT64_C(0x656c6361726f) /* in each uuid */

static uint8_t pattern[PATTERN];

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t oracle_bytes(uint32_t n_max)
{
    return sizeof(struct oracle) + n_max * sizeof(struct oracle_entry);
}

struct oracle *oracle_new(uint32_t n_max, uint32_t len_min, uint32_t len_max)
{
    for (size_t i = 0; i < PATTERN; i += 8)
        tb_put64(pattern + i, mix(i + 1));
    struct oracle *oracle =
        mmap(NULL, oracle_bytes(n_max), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (oracle == MAP_FAILED)
        return NULL;
    oracle->n_max = n_max;
    oracle->len_min = len_min;
    oracle->len_max = len_max;
    return oracle;
}

void oracle_free(struct oracle *oracle)
{
    if (oracle)
        munmap(oracle, oracle_bytes(oracle->n_max));
}

void oracle_reset(struct oracle *oracle)
{
    uint32_t n = atomic_load(&oracle->n);
    memset(oracle->entries, 0,
           (n < oracle->n_max ? n : oracle->n_max) * sizeof(oracle->entries[0]));
    atomic_store(&oracle->n, 0);
    atomic_store(&oracle->n_foreign, 0);
    atomic_store(&oracle->n_late, 0);
    atomic_store(&oracle->n_twice, 0);
}

void oracle_forget(struct oracle *oracle)
{
    for (uint32_t i = 0; i < atomic_load(&oracle->n) && i < oracle->n_max; i++) {
        atomic_store(&oracle->entries[i].stored, 0);
        atomic_store(&oracle->entries[i].flushed, 0);
        atomic_store(&oracle->entries[i].quarantine, 0);
    }
    atomic_store(&oracle->n_foreign, 0);
    atomic_store(&oracle->n_late, 0);
    atomic_store(&oracle->n_twice, 0);
}

/* Mostly short ones, as reports are, and some as long as may be. */
uint32_t oracle_len(const struct oracle *oracle, uint32_t n)
{
    uint32_t random = (uint32_t)mix(n + 77);
    uint32_t range = oracle->len_max - oracle->len_min + 1;
    if (random % 8 != 0)
        range = range / 16 + 1;
    return oracle->len_min + random / 8 % range;
}

void oracle_payload(const struct oracle *oracle, uint32_t n, uint8_t *out)
{
    uint32_t len = oracle_len(oracle, n);
    memcpy(out, pattern + mix(n) % (PATTERN / 2), len);
    tb_put32(out, n);
}

int oracle_is(const struct oracle *oracle, uint32_t n, const uint8_t *data, size_t len)
{
    uint32_t want = oracle_len(oracle, n);
    const struct oracle_entry *entry = &oracle->entries[n];
    if (len > want || (len < want && !atomic_load(&entry->crash)))
        return 0;
    if (len < 4)
        return len == 0;
    return tb_get32(data) == n &&
           memcmp(data + 4, pattern + mix(n) % (PATTERN / 2) + 4, len - 4) == 0;
}

static void make_uuid(uint32_t n, uint8_t uuid[16])
{
    tb_put64(uuid, n);
    tb_put64(uuid + 8, TAG);
}

static int64_t next_number(struct oracle *oracle)
{
    if (atomic_load(&oracle->n) >= oracle->n_max)
        return -1;
    uint32_t n = atomic_fetch_add(&oracle->n, 1);
    if (n >= oracle->n_max)
        return -1;
    atomic_store(&oracle->entries[n].begun, 1);
    return n;
}

int oracle_append(struct oracle *oracle, struct tb_writer *writer, uint64_t generation)
{
    static const uint8_t context[CONTEXT] = "process";
    uint8_t uuid[16];
    int64_t n = next_number(oracle);
    if (n < 0)
        return -ENOBUFS;
    /* The payload is a piece of the pattern behind its number: on the stack, for signal handlers.
     */
    uint8_t data[(64 << 10) + 8];
    uint32_t len = oracle_len(oracle, (uint32_t)n);
    if (len > sizeof(data))
        return -EMSGSIZE;
    oracle_payload(oracle, (uint32_t)n, data);
    make_uuid((uint32_t)n, uuid);
    struct tb_append record = {.kind = TB_KIND_ITEM,
                               .uuid = uuid,
                               .time_ns = (uint64_t)n + 1,
                               .data = data,
                               .len = len,
                               .context = generation > 0 ? context : NULL,
                               .context_len = sizeof(context),
                               .generation = generation};
    int err = tb_writer_append(writer, &record);
    if (err == 0)
        atomic_store(&oracle->entries[n].acked, 1);
    return err;
}

int oracle_crash(struct oracle *oracle, struct tb_slot *slot)
{
    uint8_t data[(64 << 10) + 8];
    uint8_t uuid[16];
    int64_t n = next_number(oracle);
    if (n < 0)
        return -ENOBUFS;
    uint32_t len = oracle_len(oracle, (uint32_t)n);
    if (len > sizeof(data))
        return -EMSGSIZE;
    atomic_store(&oracle->entries[n].crash, 1);
    oracle_payload(oracle, (uint32_t)n, data);
    make_uuid((uint32_t)n, uuid);
    tb_slot_state(slot, TB_SLOT_WRITING, 1);
    tb_slot_begin(slot, uuid, (uint64_t)n + 1);
    int err = tb_slot_write(slot, data, len / 3);
    tb_slot_flush(slot);
    if (err == 0)
        err = tb_slot_write(slot, data + len / 3, len - len / 3);
    tb_slot_end(slot);
    tb_slot_state(slot, TB_SLOT_COMPLETE, 1);
    if (err == 0)
        atomic_store(&oracle->entries[n].acked, 1);
    tb_slot_wake(slot);
    return err;
}

int64_t oracle_deliver(struct oracle *oracle, const struct tb_spool_record *record)
{
    uint64_t n = tb_get64(record->uuid);
    struct oracle_entry *entry = n < oracle->n_max ? &oracle->entries[n] : NULL;
    int is_known = entry && atomic_load(&entry->begun) && tb_get64(record->uuid + 8) == TAG &&
                   record->time_ns == n + 1 &&
                   record->kind == (atomic_load(&entry->crash) ? TB_KIND_CRASH : TB_KIND_ITEM);
    if (!is_known || !oracle_is(oracle, (uint32_t)n, record->data, record->len)) {
        atomic_fetch_add(&oracle->n_foreign, 1);
        return -1;
    }
    /* A crash that was acknowledged is whole. */
    if (atomic_load(&entry->acked) && record->len != oracle_len(oracle, (uint32_t)n)) {
        atomic_fetch_add(&oracle->n_foreign, 1);
        return -1;
    }
    if (atomic_load(&entry->flushed))
        atomic_fetch_add(&oracle->n_late, 1);
    if (atomic_load(&entry->stored))
        atomic_fetch_add(&oracle->n_twice, 1);
    atomic_store(&entry->stored, 1);
    return (int64_t)n;
}

void oracle_sum(const struct oracle *oracle, struct oracle_totals *out)
{
    uint32_t n = atomic_load(&oracle->n);
    n = n < oracle->n_max ? n : oracle->n_max;
    *out = (struct oracle_totals){.begun = n,
                                  .foreign = atomic_load(&oracle->n_foreign),
                                  .late = atomic_load(&oracle->n_late),
                                  .twice = atomic_load(&oracle->n_twice)};
    for (uint32_t i = 0; i < n; i++) {
        const struct oracle_entry *entry = &oracle->entries[i];
        int kept = atomic_load(&entry->stored) || atomic_load(&entry->quarantine) == 2;
        out->acked += atomic_load(&entry->acked);
        out->lost += atomic_load(&entry->acked) && !kept;
        out->stored += atomic_load(&entry->stored);
    }
}

void oracle_tell(const struct oracle *oracle)
{
    for (uint32_t i = 0; i < atomic_load(&oracle->n) && i < oracle->n_max; i++) {
        const struct oracle_entry *entry = &oracle->entries[i];
        if (atomic_load(&entry->acked) && !atomic_load(&entry->stored) &&
            atomic_load(&entry->quarantine) != 2)
            (void)fprintf(stderr, "lost: %u of %u bytes, flushed %d, quarantine %d, crash %d\n",
                          (unsigned)i, (unsigned)oracle_len(oracle, i),
                          atomic_load(&entry->flushed), atomic_load(&entry->quarantine),
                          atomic_load(&entry->crash));
    }
}

void oracle_add(struct oracle_totals *sum, const struct oracle_totals *more)
{
    sum->begun += more->begun;
    sum->acked += more->acked;
    sum->lost += more->lost;
    sum->stored += more->stored;
    sum->twice += more->twice;
    sum->late += more->late;
    sum->foreign += more->foreign;
}
