/* oracle.h - knows what was written, acknowledged, delivered and stored; shared with the children
 * that are killed.
 *
 * A record is a number: its length and every byte of it follow from that, so that nothing can be
 * delivered that nobody wrote without being noticed. "Stored" is what the agent has in a database
 * that keeps what it was given. */
#ifndef TEST_FAULT_ORACLE_H
#define TEST_FAULT_ORACLE_H

#include <stdatomic.h>
#include <stdint.h>

#include "spool/reader.h"
#include "spool/slot.h"
#include "spool/writer.h"

struct oracle_entry {
    atomic_uchar begun;      /* may be delivered */
    atomic_uchar acked;      /* append said 0, or the crash stream is complete: must be delivered */
    atomic_uchar stored;     /* deliveries; saturates */
    atomic_uchar flushed;    /* acknowledged and flush said 0: must not be delivered again */
    atomic_uchar quarantine; /* 1: the agent was about to quarantine it, 2: it did */
    atomic_uchar crash;
    atomic_uchar threads; /* of a crash, beside its slot: 1: some may be there, 2: all are */
};

struct oracle {
    uint32_t n_max, len_min, len_max;
    atomic_uint n; /* numbers given out */
    atomic_uint n_foreign, n_late, n_twice, n_unseen;
    struct oracle_entry entries[];
};

struct oracle_totals {
    uint64_t begun, acked, lost, stored, twice, late, foreign, unseen;
};

struct oracle *oracle_new(uint32_t n_max, uint32_t len_min, uint32_t len_max);
void oracle_free(struct oracle *oracle);
void oracle_reset(struct oracle *oracle);
/* Forgets what was delivered, not what was written. */
void oracle_forget(struct oracle *oracle);
uint32_t oracle_len(const struct oracle *oracle, uint32_t n);
void oracle_payload(const struct oracle *oracle, uint32_t n, uint8_t *out);

/* The next number, appended to writer, and noted when that was acknowledged. generation 0: without
 * a process record. The result of the append, or -ENOBUFS when all numbers are used. Signal-safe.
 */
int oracle_append(struct oracle *oracle, struct tb_writer *writer, uint64_t generation);
enum { ORACLE_THREADS = 3, ORACLE_FOREIGN = -1, ORACLE_UNSEEN = -2 };

/* The next number as a crash in slot, noted when it is complete. With the folder, threads are put
 * beside it. */
int oracle_crash(struct oracle *oracle, struct tb_slot *slot, int dirfd);
/* Threads beside a slot may be lost from now on: they cannot be read. */
void oracle_forgive_threads(struct oracle *oracle);
/* Puts n notes into the slot, which are known again when they are delivered. */
void oracle_notes(struct tb_slot *slot, unsigned n);
/* A record that the reader gave: checks it and stores it. Its number, ORACLE_FOREIGN, or
 * ORACLE_UNSEEN for what is said of a process that died unseen. */
int64_t oracle_deliver(struct oracle *oracle, const struct tb_spool_record *record);
/* Is it the record of number n, or a part of it if it is a crash that was cut? */
int oracle_is(const struct oracle *oracle, uint32_t n, const uint8_t *data, size_t len);
void oracle_sum(const struct oracle *oracle, struct oracle_totals *out);
/* Says on stderr which records are lost. */
void oracle_tell(const struct oracle *oracle);
void oracle_add(struct oracle_totals *sum, const struct oracle_totals *more);

#endif
