/* kind.h - which bug a record is of, told cheaply and without symbols: of each kind a spool that is
 * full keeps the first and the last record longest (spool-format.md 9).
 *
 * 1. Reads nothing but the record and its process record; no input costs more than reading it.
 * 2. Records of one bug by one build are of one kind wherever the program was loaded. Two bugs may
 *    be taken for one, which costs records in between only. */
#ifndef TB_AGENT_KIND_H
#define TB_AGENT_KIND_H

#include <stdint.h>

#include "record/process.h"
#include "spool/reader.h"

enum { TB_KIND_FRAMES = 3 /* the innermost ones that count */ };

/* The process record that was needed last: the records of a file mostly share one. */
struct tb_kinds {
    struct tb_spool *spool; /* the caller's; NULL: there are no process records */
    struct tb_process process;
    int is_known;
    int is_asked; /* for file_id and generation */
    uint64_t file_id, generation;
};

void tb_kinds_init(struct tb_kinds *kinds, struct tb_spool *spool);
void tb_kinds_done(struct tb_kinds *kinds);
/* The kind of a record; what cannot be read is of one kind. As tb_spool_policy.kind: arg is a
 * struct tb_kinds. */
uint64_t tb_kind_of(void *arg, const struct tb_spool_record *record);

#endif
