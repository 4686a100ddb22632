/* debuginfod.h - asks servers for the debug files of modules that have none here (docs/symbols.md
 * 5).
 *
 * The symbolizer answers; tb_debuginfod_fetch looks what the answer lacks and fetches that; when
 * something came the symbolizer is asked again, and tb_debuginfod_judge told what it said then.
 *
 * 1. All fetches for one record end before its deadline; a record of which all is known, for good
 *    or for ill, waits for nothing.
 * 2. Build ids and files are not trusted. The agent never reads in a file: whether it is the right
 *    one the symbolizer tells, by the build id in it, and what helped nothing is removed and not
 *    asked for again for an hour, for that user: another one's module may be a better one.
 * 3. Nothing of a URL's user and password reaches the log.
 * 4. One thread uses it, that of the pipeline. */
#ifndef TB_AGENT_DEBUGINFOD_H
#define TB_AGENT_DEBUGINFOD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/native/symbol_store.h"

enum { TB_DEBUGINFOD_LAST = 256 };

struct tb_debuginfod;

/* Borrowed. */
struct tb_debuginfod_options {
    char *const *urls; /* TB_DEBUGINFOD_SERVERS at most */
    size_t n_urls;
    unsigned timeout_ms;             /* for all fetches of one record */
    const char *folder;              /* of what was fetched; it is made when something is */
    uint64_t cache_bytes;            /* that it may take, with the indexes; 0: nothing is fetched */
    struct tb_symbol_store *indexes; /* which come first; NULL: there are none */
};

struct tb_debuginfod_counts {
    int64_t fetched;   /* files that came */
    int64_t not_found; /* build ids that nobody has, and files that did not help */
    int64_t failed;    /* requests that had no answer, or not a whole one */
    char last_error[TB_DEBUGINFOD_LAST];
};

/* 0 or -ENOMEM. */
int tb_debuginfod_new(const struct tb_debuginfod_options *options, struct tb_debuginfod **out);
void tb_debuginfod_free(struct tb_debuginfod *debuginfod);
/* When the fetches of a record that is begun now must have ended. */
uint64_t tb_debuginfod_deadline(const struct tb_debuginfod *debuginfod);
/* Fetches what the answer lacks, for a record of uid. Returns how many files came: with 0 there is
 * no reason to ask the symbolizer again. */
size_t tb_debuginfod_fetch(struct tb_debuginfod *debuginfod, const char *answer, size_t len,
                           uid_t uid, uint64_t deadline_ns);
/* What the symbolizer said with them; NULL when it failed. */
void tb_debuginfod_judge(struct tb_debuginfod *debuginfod, const char *answer, size_t len);
const struct tb_debuginfod_counts *tb_debuginfod_counts(const struct tb_debuginfod *debuginfod);

#endif
