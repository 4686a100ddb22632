/* peek_state.h - what peek.c and peek_walk.c share. */
#ifndef TB_SPOOL_PEEK_STATE_H
#define TB_SPOOL_PEEK_STATE_H

#include "spool/acklog.h"
#include "spool/peek.h"
#include "spool/source.h"

struct tb_peek {
    int in_fd, agent_fd, quarantine_fd; /* the last two -1 when they cannot be read */
    struct tb_peek_agent agent;
    struct tb_acklog acks;
    struct tb_visit visit;
    struct tb_peek_file *files; /* owned */
    size_t n_files, cap_files;
    bool is_cut;
};

/* Opens the file into peek->visit and reads its header: *source is made (to be freed) and the visit
 * open when this returns 0; file has all but its totals whatever it returns. */
int tb_peek_enter(struct tb_peek *peek, struct tb_peek_file *file, struct tb_source **source);

void tb_peek_say(struct tb_peek_file *file, enum tb_peek_state state, const char *why);

#endif
