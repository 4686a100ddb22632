/* counts.h - what came in over HTTP and what became of it, since the agent started. The loop
 * thread's: ask tb_serve_counts there.
 *
 * Each request that was an item, or was too broken to tell, counts once: as received when it was
 * answered with 200 (it is in the spool; whether its uuid was known is not known here), else as
 * refused for one reason. */
#ifndef TB_AGENT_COUNTS_H
#define TB_AGENT_COUNTS_H

#include <stddef.h>
#include <stdint.h>

enum tb_ingest_input {
    TB_INPUT_UNIX,
    TB_INPUT_HTTP, /* TCP in the clear, which is loopback's */
    TB_INPUT_TLS,
    TB_N_INPUTS
};

enum tb_ingest_refusal {
    TB_REFUSED_MALFORMED, /* 400, 417, 501: no HTTP, no JSON, no item */
    TB_REFUSED_INVALID,   /* 422: what Rollbar would refuse */
    TB_REFUSED_TOKEN,     /* 401, 403: no token, a wrong one, a page of another site */
    TB_REFUSED_LARGE,     /* 413, 431 */
    TB_REFUSED_ENCODING,  /* 415 */
    TB_REFUSED_SLOW,      /* 408 */
    TB_REFUSED_RATE,      /* 429: limits.sender_per_minute */
    TB_REFUSED_BUSY,      /* 503: too much at once */
    TB_REFUSED_SPOOL,     /* 503: the spool cannot be written */
    TB_N_REFUSALS
};

struct tb_ingest_counts {
    uint64_t received[TB_N_INPUTS];
    uint64_t refused[TB_N_REFUSALS];
};

/* The names of inputs and reasons, as /status and /metrics show them. */
const char *tb_input_name(enum tb_ingest_input input);
const char *tb_refusal_name(enum tb_ingest_refusal refusal);
/* What an answer with that status counts as; TB_N_REFUSALS for one that is no refusal of an item
 * (404, 405). 503 is TB_REFUSED_BUSY here: who knows better counts it himself. */
enum tb_ingest_refusal tb_refusal_of(int status);

#endif
