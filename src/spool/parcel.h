/* parcel.h - one record as a segment of its own, as quarantine keeps it (docs/spool-format.md 11):
 * header, the process records it may refer to, the record under its uuid, SEAL. No I/O. */
#ifndef TB_SPOOL_PARCEL_H
#define TB_SPOOL_PARCEL_H

#include "base/buf.h"
#include "spool/dir.h"
#include "spool/reader.h"

struct tb_parcel {
    char name[TB_SPOOL_NAME]; /* of its file; the same for the same record of the same file */
    uint32_t salt;
    uint64_t seq;
    struct tb_buf bytes;
};

void tb_parcel_init(struct tb_parcel *parcel, const struct tb_spool_record *record);
void tb_parcel_done(struct tb_parcel *parcel);
/* A process record, before tb_parcel_close. */
void tb_parcel_context(struct tb_parcel *parcel, const struct tb_spool_record *record,
                       uint64_t generation, const uint8_t *data, size_t len);
/* The record and the end. Returns the sticky error of bytes. */
int tb_parcel_close(struct tb_parcel *parcel, const struct tb_spool_record *record);

#endif
