/* thread.h - what a thread gets when it asks for it: tags, an alternate signal stack, room for a
 * status line. Made on the first such call in one mapping of its own, undone when the thread ends;
 * never made by a report or a handler. */
#ifndef TB_CAPTURE_THREAD_H
#define TB_CAPTURE_THREAD_H

#include <stddef.h>

enum { TB_SCOPES_MAX = 16, TB_SCOPE_KEY = 40, TB_SCOPE_VALUE = 200, TB_STATUS_BYTES = 1024 };
enum { TB_SCOPES_BYTES = TB_SCOPES_MAX * (TB_SCOPE_KEY + TB_SCOPE_VALUE) };

struct tb_scope {
    char key[TB_SCOPE_KEY];
    char value[TB_SCOPE_VALUE];
};

struct tb_thread {
    struct tb_scope scopes[TB_SCOPES_MAX];
    int depth; /* pushed; those from TB_SCOPES_MAX on are not kept */
    char status[TB_STATUS_BYTES];
    void *stack; /* alternate signal stack with its guard page, or NULL */
    size_t stack_bytes;
};

/* This thread's block, made when create is set: NULL when there is none. Signal-safe without
 * create. */
struct tb_thread *tb_thread_self(int create);
/* Gives this thread an alternate signal stack unless it has one. 0 or a negative errno. */
int tb_thread_stack(void);
/* This thread's tags as key, NUL, value, NUL, ...; returns the length. Signal-safe. */
size_t tb_thread_scopes(char *out, size_t cap);

#endif
