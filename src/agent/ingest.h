/* ingest.h - takes items that were sent to the agent into the spool.
 *
 * 200 means: it is in the spool, and what is in the spool survives the agent. Called from the loop
 * thread: one append of at most 1 MiB is all it does to the disk. */
#ifndef TB_AGENT_INGEST_H
#define TB_AGENT_INGEST_H

#include <stddef.h>

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

/* 0, or a negative errno with why (TB_SPOOL_WHY bytes). */
int tb_ingest_open(struct tb_ingest *ingest, const char *spool, char *why);
void tb_ingest_close(struct tb_ingest *ingest);
/* Takes one body. header_token is the X-Rollbar-Access-Token header, or NULL: it wins over the
 * body's. */
void tb_ingest_take(struct tb_ingest *ingest, const char *body, size_t len,
                    const char *header_token, struct tb_ingest_reply *out);

#endif
