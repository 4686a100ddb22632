/* hold.c - see hold.h.
 *
 *   bytes   | head | data, padded to 8 | head | data | ...
 *
 * An entry is a record, the process record of a generation, or one that was written and is left out
 * when the call ends. */
#include "spool/hold.h"

#include <errno.h>
#include <string.h>

#include "spool/sys.h"

enum { CONTEXT = -1, WRITTEN = -2 };

struct head {
    uint32_t len;   /* of the data */
    int32_t class_; /* of a record, or one of the above */
    int32_t kind, flags;
    int32_t has_context;
    uint32_t zero;
    uint64_t generation;
    uint64_t time_ns;
    uint8_t uuid[16];
};

static size_t room(size_t len)
{
    return sizeof(struct head) + ((len + 7) & ~(size_t)7);
}

/* The entry at offset at, or 0 at the end. */
static int get(const struct tb_hold *hold, size_t at, struct head *head)
{
    if (at >= hold->len)
        return 0;
    memcpy(head, hold->bytes + at, sizeof(*head));
    return 1;
}

static void add(struct tb_hold *hold, const struct head *head, const void *data)
{
    memcpy(hold->bytes + hold->len, head, sizeof(*head));
    memcpy(hold->bytes + hold->len + sizeof(*head), data, head->len);
    hold->len += room(head->len);
}

static int lock(struct tb_hold *hold)
{
    int none = 0;
    return atomic_compare_exchange_strong(&hold->owner, &none, tb_sys_gettid()) ? 0 : -EAGAIN;
}

static void unlock(struct tb_hold *hold)
{
    atomic_store(&hold->owner, 0);
}

/* The process record of that generation: its data, or NULL. */
static const uint8_t *find_context(const struct tb_hold *hold, uint64_t generation, size_t *len)
{
    struct head head;
    for (size_t at = 0; get(hold, at, &head); at += room(head.len)) {
        if (head.class_ != CONTEXT || head.generation != generation)
            continue;
        *len = head.len;
        return hold->bytes + at + sizeof(head);
    }
    return NULL;
}

int tb_hold_helps(int err)
{
    static const int errors[] = {-ENOSPC, -EDQUOT, -EMFILE, -ENFILE, -EIO,
                                 -EROFS,  -EACCES, -ENOENT, -ESTALE};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (err == errors[i])
            return 1;
    }
    return 0;
}

static int put(struct tb_hold *hold, int class_, const struct tb_append *record)
{
    size_t known_len;
    int needs_context = record->context && !find_context(hold, record->generation, &known_len);
    struct head context = {.class_ = CONTEXT, .generation = record->generation};
    struct head head = {.class_ = class_,
                        .kind = record->kind,
                        .flags = record->flags,
                        .has_context = record->context != NULL,
                        .generation = record->generation,
                        .time_ns = record->time_ns};
    if (record->len > TB_HOLD_BYTES || record->context_len > TB_HOLD_BYTES)
        return -ENOSPC;
    size_t need = room(record->len) + (needs_context ? room(record->context_len) : 0);
    if (need > TB_HOLD_BYTES - hold->len)
        return -ENOSPC;
    if (record->uuid)
        memcpy(head.uuid, record->uuid, sizeof(head.uuid));
    head.len = (uint32_t)record->len;
    context.len = (uint32_t)record->context_len;
    if (needs_context)
        add(hold, &context, record->context);
    add(hold, &head, record->data);
    return 0;
}

int tb_hold_put(struct tb_hold *hold, int class_, const struct tb_append *record)
{
    int err = lock(hold);
    if (err < 0)
        return err;
    err = put(hold, class_, record);
    if (err == 0)
        atomic_fetch_add(&hold->n[class_], 1);
    unlock(hold);
    return err;
}

unsigned tb_hold_count(struct tb_hold *hold, int class_)
{
    return atomic_load(&hold->n[class_]);
}

static int write_one(struct tb_hold *hold, struct tb_writer *writer, size_t at,
                     const struct head *head)
{
    struct tb_append record = {.kind = head->kind,
                               .flags = head->flags,
                               .uuid = head->uuid,
                               .time_ns = head->time_ns,
                               .data = hold->bytes + at + sizeof(*head),
                               .len = head->len,
                               .generation = head->generation};
    if (head->has_context)
        record.context = find_context(hold, head->generation, &record.context_len);
    return tb_writer_append(writer, &record);
}

/* Does a record behind the place refer to that generation? */
static int is_needed(const struct tb_hold *hold, size_t at, uint64_t generation)
{
    struct head head;
    for (; get(hold, at, &head); at += room(head.len)) {
        if (head.class_ >= 0 && head.has_context && head.generation == generation)
            return 1;
    }
    return 0;
}

/* Leaves out what was written, and process records that nobody needs any more. */
static void compact(struct tb_hold *hold)
{
    struct head head;
    size_t kept = 0;
    size_t size;
    for (size_t at = 0; get(hold, at, &head); at += size) {
        size = room(head.len);
        if (head.class_ == WRITTEN ||
            (head.class_ == CONTEXT && !is_needed(hold, at + size, head.generation)))
            continue;
        memmove(hold->bytes + kept, hold->bytes + at, size);
        kept += size;
    }
    hold->len = kept;
}

int tb_hold_write(struct tb_hold *hold, struct tb_writer *writer)
{
    struct head head;
    int err = lock(hold);
    if (err < 0)
        return err;
    for (size_t at = 0; err == 0 && get(hold, at, &head); at += room(head.len)) {
        if (head.class_ != writer->class_)
            continue;
        err = write_one(hold, writer, at, &head);
        if (err < 0)
            break;
        head.class_ = WRITTEN;
        memcpy(hold->bytes + at, &head, sizeof(head));
        atomic_fetch_sub(&hold->n[writer->class_], 1);
    }
    compact(hold);
    unlock(hold);
    return err;
}

void tb_hold_forget(struct tb_hold *hold)
{
    hold->len = 0;
    for (int i = 0; i < TB_N_CLASSES; i++)
        atomic_store(&hold->n[i], 0);
    atomic_store(&hold->owner, 0);
}
