/* aside.c - see aside.h. */
#include "agent/pipeline/aside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

int tb_aside_put(struct tb_aside *aside, const struct tb_spool_record *record, uint64_t now_ns)
{
    if (aside->n == TB_ASIDE_MAX)
        return -ENOSPC;
    uint8_t *data = malloc(record->len + 1);
    if (data == NULL)
        return -ENOMEM;
    memcpy(data, record->data, record->len);
    struct tb_aside_record *kept = &aside->records[aside->n++];
    kept->record = *record;
    kept->record.data = data;
    kept->due_ns = now_ns + (uint64_t)TB_ASIDE_MS * TB_NS_PER_MS;
    return 0;
}

int tb_aside_take(struct tb_aside *aside, uint64_t now_ns, struct tb_spool_record *out)
{
    if (aside->n == 0 || aside->records[0].due_ns > now_ns)
        return -EAGAIN;
    free(aside->taken);
    *out = aside->records[0].record;
    aside->taken = (void *)(uintptr_t)out->data; /* ours */
    aside->n--;
    memmove(aside->records, aside->records + 1, aside->n * sizeof(aside->records[0]));
    return 0;
}

void tb_aside_clear(struct tb_aside *aside)
{
    for (size_t i = 0; i < aside->n; i++)
        free((void *)(uintptr_t)aside->records[i].record.data);
    aside->n = 0;
    free(aside->taken);
    aside->taken = NULL;
}
