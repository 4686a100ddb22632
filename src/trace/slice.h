/* slice.h - a part of somebody else's text. */
#ifndef TB_TRACE_SLICE_H
#define TB_TRACE_SLICE_H

#include <stddef.h>

struct tb_slice {
    const char *text; /* not ended by NUL; NULL for none */
    size_t len;
};

#endif
