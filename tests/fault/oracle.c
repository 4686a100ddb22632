/* oracle.c - see oracle.h. */
#include "oracle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/pack.h"
#include "../spool/more.h"

enum { PATTERN = 256 << 10, CONTEXT = 200, CHUNK_HEAD = 8, THREAD_DATA = 300 };
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
    atomic_store(&oracle->n_unseen, 0);
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
    atomic_store(&oracle->n_unseen, 0);
}

/* Mostly short ones, as reports are, and some as long as may be. A crash is one chunk. */
uint32_t oracle_len(const struct oracle *oracle, uint32_t n)
{
    uint32_t random = (uint32_t)mix(n + 77);
    uint32_t range = oracle->len_max - oracle->len_min + 1;
    if (random % 8 != 0)
        range = range / 16 + 1;
    uint32_t len = oracle->len_min + random / 8 % range;
    return atomic_load(&oracle->entries[n].crash) ? len / 8 * 8 : len;
}

/* Where the number stands. */
static uint32_t oracle_head(const struct oracle *oracle, uint32_t n)
{
    return atomic_load(&oracle->entries[n].crash) ? CHUNK_HEAD : 0;
}

void oracle_payload(const struct oracle *oracle, uint32_t n, uint8_t *out)
{
    uint32_t len = oracle_len(oracle, n);
    uint32_t head = oracle_head(oracle, n);
    memcpy(out, pattern + mix(n) % (PATTERN / 2), len);
    if (head > 0) {
        tb_put32(out, MORE_TAG);
        tb_put32(out + 4, len - head);
    }
    tb_put32(out + head, n);
}

/* What was put beside the slot: whole threads only, and all of them if it is known that they were
 * there. */
static int are_threads(const struct oracle_entry *entry, const uint8_t *data, size_t len)
{
    uint8_t want[THREAD_DATA + 16];
    uint32_t i = 0;
    for (size_t room; len > 0 && i < ORACLE_THREADS; i++, data += room, len -= room) {
        room = more_payload(i, THREAD_DATA, want);
        if (len < room || memcmp(data, want, room) != 0)
            return 0;
    }
    int n_told = atomic_load(&entry->threads);
    return len == 0 && (i == 0 || n_told > 0) && (i == ORACLE_THREADS || n_told < 2);
}

int oracle_is(const struct oracle *oracle, uint32_t n, const uint8_t *data, size_t len)
{
    uint32_t want = oracle_len(oracle, n);
    const struct oracle_entry *entry = &oracle->entries[n];
    const uint8_t *bytes = pattern + mix(n) % (PATTERN / 2);
    uint32_t head = oracle_head(oracle, n);
    if ((len > want || len < want) && !atomic_load(&entry->crash))
        return 0;
    if (len >= want && !are_threads(entry, data + want, len - want))
        return 0;
    len = len < want ? len : want;
    if (len < head + 4)
        return len == 0;
    return tb_get32(data + head) == n &&
           memcmp(data + head + 4, bytes + head + 4, len - head - 4) == 0;
}

/* ---- a process that dies unseen ---- */

static int note_text(uint64_t number, char out[32])
{
    return snprintf(out, 32, "note %llu", (unsigned long long)number);
}

void oracle_notes(struct tb_slot *slot, unsigned n)
{
    for (unsigned i = 1; i <= n; i++) {
        char text[32];
        struct tb_slot_note note = {.number = i, .wall_ns = i, .text = text};
        note.len = (size_t)note_text(i, text);
        tb_slot_notes(slot, &note, 1);
    }
}

static int is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0)
            return 0;
    }
    return 1;
}

/* Is it what may be said of one, with notes that were written, the oldest first? */
static int is_unseen(const struct tb_spool_record *record)
{
    enum { FIXED = 288, NOTE_HEAD = 16 };
    const uint8_t *fixed = record->data + CHUNK_HEAD;
    uint64_t last = 0;
    if (record->kind != TB_KIND_CRASH || record->flags != 0 || record->len < CHUNK_HEAD + FIXED ||
        tb_get64(record->uuid) != record->file_id || tb_get32(record->data) != 1 ||
        tb_get32(record->data + 4) != FIXED || !is_zero(fixed, 16) || !is_zero(fixed + 20, 20) ||
        tb_get32(fixed + 16) != (uint32_t)record->pid || tb_get64(fixed + 40) != record->time_ns ||
        !is_zero(fixed + 48, FIXED - 48))
        return 0;
    for (size_t at = CHUNK_HEAD + FIXED; at < record->len;) {
        const uint8_t *note = record->data + at + CHUNK_HEAD;
        char text[32];
        uint64_t number = tb_get64(note);
        size_t len = NOTE_HEAD + (size_t)note_text(number, text);
        if (tb_get32(record->data + at) != 6 || number <= last ||
            tb_get32(record->data + at + 4) != len ||
            memcmp(note + NOTE_HEAD, text, len - NOTE_HEAD) != 0)
            return 0;
        last = number;
        at += CHUNK_HEAD + (len + 7) / 8 * 8;
    }
    return 1;
}

void oracle_forgive_threads(struct oracle *oracle)
{
    for (uint32_t i = 0; i < atomic_load(&oracle->n) && i < oracle->n_max; i++) {
        if (atomic_load(&oracle->entries[i].threads) > 0)
            atomic_store(&oracle->entries[i].threads, 1);
    }
}

/* ---- writing ---- */

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

/* As the helper process of a crash handler does it. */
static void put_threads(struct oracle_entry *entry, const struct tb_slot *slot,
                        const uint8_t uuid[16], int dirfd)
{
    static struct more_image image;
    char link[64];
    char path[256] = "";
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", slot->fd);
    ssize_t len = readlink(link, path, sizeof(path) - 1);
    const char *name = strrchr(path, '/');
    if (len < 0 || !name)
        return;
    more_begin(&image, uuid);
    for (uint32_t i = 0; i < ORACLE_THREADS; i++)
        more_add(&image, i, THREAD_DATA);
    atomic_store(&entry->threads, 1);
    if (more_put(&image, dirfd, name + 1) == 0)
        atomic_store(&entry->threads, 2);
}

int oracle_crash(struct oracle *oracle, struct tb_slot *slot, int dirfd)
{
    uint8_t data[(64 << 10) + 8];
    uint8_t uuid[16];
    int64_t n = next_number(oracle);
    if (n < 0)
        return -ENOBUFS;
    atomic_store(&oracle->entries[n].crash, 1);
    uint32_t len = oracle_len(oracle, (uint32_t)n);
    if (len > sizeof(data))
        return -EMSGSIZE;
    oracle_payload(oracle, (uint32_t)n, data);
    make_uuid((uint32_t)n, uuid);
    tb_slot_state(slot, TB_SLOT_WRITING, 1);
    tb_slot_begin(slot, uuid, (uint64_t)n + 1);
    int err = tb_slot_write(slot, data, len / 3);
    tb_slot_flush(slot);
    if (dirfd >= 0)
        put_threads(&oracle->entries[n], slot, uuid, dirfd);
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
    if (tb_get64(record->uuid + 8) != TAG && is_unseen(record)) {
        atomic_fetch_add(&oracle->n_unseen, 1);
        return ORACLE_UNSEEN;
    }
    struct oracle_entry *entry = n < oracle->n_max ? &oracle->entries[n] : NULL;
    int is_known = entry && atomic_load(&entry->begun) && tb_get64(record->uuid + 8) == TAG &&
                   record->time_ns == n + 1 &&
                   record->kind == (atomic_load(&entry->crash) ? TB_KIND_CRASH : TB_KIND_ITEM);
    if (!is_known || !oracle_is(oracle, (uint32_t)n, record->data, record->len)) {
        atomic_fetch_add(&oracle->n_foreign, 1);
        return ORACLE_FOREIGN;
    }
    /* A crash that was acknowledged is whole. */
    if (atomic_load(&entry->acked) && record->len < oracle_len(oracle, (uint32_t)n)) {
        atomic_fetch_add(&oracle->n_foreign, 1);
        return ORACLE_FOREIGN;
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
                                  .twice = atomic_load(&oracle->n_twice),
                                  .unseen = atomic_load(&oracle->n_unseen)};
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
    sum->unseen += more->unseen;
}
