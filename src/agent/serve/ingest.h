/* ingest.h - takes items that were sent to the agent into the spool. docs/ingest.md is normative.
 *
 * 1. 200 means: it is in the spool, and what is in the spool survives the agent.
 * 2. What is not added, completed or truncated stays byte for byte.
 * 3. Preparing is pure and may run beside the loop; appending belongs to the loop's thread: one
 *    append of at most 1 MiB is all it does to the disk. */
#ifndef TB_AGENT_INGEST_H
#define TB_AGENT_INGEST_H

#include <stddef.h>

#include "base/buf.h"
#include "base/id.h"
#include "spool/writer.h"

enum { TB_INGEST_MESSAGE = 512 };

struct tb_ingest {
    int dirfd; /* SPOOL/in; owned */
    struct tb_writer writers[TB_N_CLASSES];
};

struct tb_ingest_reply {
    int status; /* HTTP */
    char uuid[TB_UUID_TEXT];
    char message[TB_INGEST_MESSAGE]; /* for any status but 200 */
};

/* One body on its way. */
struct tb_ingest_item {
    struct tb_ingest_reply reply; /* status 0: prepared and not refused */
    struct tb_buf text;           /* what goes into the spool */
    int class_;                   /* enum tb_spool_class */
};

/* Which tokens an item comes with. */
struct tb_ingest_token {
    const char *header; /* X-Rollbar-Access-Token; wins over the body's. NULL: none */
    const char *ours;   /* ingest.token_file's: in a body it stands for the agent's. NULL: none */
    int must_show;      /* 401 unless the body has ours */
};

/* 0, or a negative errno with why (TB_SPOOL_WHY bytes). */
int tb_ingest_open(struct tb_ingest *ingest, const char *spool, char *why);
void tb_ingest_close(struct tb_ingest *ingest);
/* Checks and completes one body, JSON or a form. header_token is the X-Rollbar-Access-Token header,
 * or NULL: it wins over the body's. 0, then item->reply is the answer or text waits to be appended;
 * -E2BIG, only when may_truncate is 0: it is larger than Rollbar takes or has very many values, and
 * is to be prepared again beside the loop. Free with tb_ingest_done, whatever came back. */
int tb_ingest_prepare(const char *body, size_t len, const char *header_token, int may_truncate,
                      struct tb_ingest_item *item);
/* Puts what was prepared and not refused into the spool; then item->reply is the answer. */
void tb_ingest_append(struct tb_ingest *ingest, struct tb_ingest_item *item);
/* The same for an item with more to say about its tokens. */
int tb_ingest_prepare_as(const char *body, size_t len, const struct tb_ingest_token *token,
                         int may_truncate, struct tb_ingest_item *item);
void tb_ingest_done(struct tb_ingest_item *item);

#endif
