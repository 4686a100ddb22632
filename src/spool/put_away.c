/* put_away.c - a record goes to quarantine, as a segment of its own with the process records that
 * it may refer to (docs/spool-format.md 11). */
#include "base/pack.h"
#include "spool/parcel.h"
#include "spool/quarantine.h"
#include "spool/state.h"

/* The generation that a process record says it is of; 0 when it does not. */
static uint64_t generation_of(const uint8_t *data, size_t len)
{
    return len >= 16 && tb_get16(data) == 1 ? tb_get64(data + 8) : 0;
}

/* Which generation a record refers to is written in its payload, where only the agent can read it.
 * It is the newest before it, or, when threads raced, the one before that. */
static void add_contexts(struct tb_spool *spool, const struct tb_spool_record *record,
                         struct tb_parcel *parcel)
{
    const uint8_t *data;
    size_t len;
    if (tb_spool_context(spool, record, 0, &data, &len) < 0)
        return;
    uint64_t newest = generation_of(data, len);
    if (newest > 1 && tb_spool_context(spool, record, newest - 1, &data, &len) == 0)
        tb_parcel_context(parcel, record, newest - 1, data, len);
    if (tb_spool_context(spool, record, newest, &data, &len) == 0)
        tb_parcel_context(parcel, record, newest, data, len);
}

int tb_spool_quarantine(struct tb_spool *spool, const struct tb_spool_record *record,
                        const char *reason)
{
    struct tb_parcel parcel;
    tb_parcel_init(&parcel, record);
    add_contexts(spool, record, &parcel);
    int err = tb_parcel_close(&parcel, record);
    if (err == 0)
        err = tb_quarantine_data(spool->agent_fd, parcel.name, parcel.bytes.data, parcel.bytes.len,
                                 reason);
    tb_parcel_done(&parcel);
    if (err < 0)
        return err;
    spool->counts.n_quarantined++;
    tb_spool_ack(spool, record->file_id, record->off8, TB_ACK_QUARANTINED);
    return 0;
}
