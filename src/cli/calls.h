/* calls.h - the frames of a stack in the order of people, with what folding wants to know of them.
 */
#ifndef TB_CLI_CALLS_H
#define TB_CLI_CALLS_H

#include <stddef.h>

#include <cjson/cJSON.h>

#include "item/fold.h"

struct tb_calls {
    const cJSON **frames;        /* innermost first; the list is owned */
    struct tb_fold_frame *calls; /* the same for folding; texts are the frames' */
    size_t n;
    size_t blamed;
};

/* Of a list of frames, oldest first; what is none, or NULL, has no frames. root: of the server, "".
 * 0 or -ENOMEM, and then it is empty. */
int tb_calls_read(const cJSON *frames, const char *root, struct tb_calls *out);
void tb_calls_done(struct tb_calls *calls);

#endif
