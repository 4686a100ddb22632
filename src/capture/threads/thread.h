/* thread.h - what a thread of the host has of ours: tags, an alternate signal stack, room for a
 * status line, and a place in the table of thread ids.
 *
 * 1. All of it is one mapping, of which only what is used takes memory: a guard, the stack,
 *    struct tb_thread. Made when the thread is created (interpose.c), or on the first call that
 *    needs it; never by a report or a handler. Undone when the thread ends.
 * 2. An alternate stack that the host set stays.
 * 3. Blocks of threads that ended are kept for the next ones: a new thread costs no mmap. None is
 *    another's before its thread has ended for the kernel too (block.h). */
#ifndef TB_CAPTURE_THREAD_H
#define TB_CAPTURE_THREAD_H

#include <stddef.h>
#include <stdint.h>

enum { TB_SCOPES_MAX = 16, TB_SCOPE_KEY = 40, TB_SCOPE_VALUE = 200, TB_STATUS_BYTES = 1024 };
enum { TB_SCOPES_BYTES = TB_SCOPES_MAX * (TB_SCOPE_KEY + TB_SCOPE_VALUE) };
enum { TB_THREAD_IDS = 1024 };

struct tb_scope {
    char key[TB_SCOPE_KEY];
    char value[TB_SCOPE_VALUE];
};

/* The first fields share a page with the upper end of the stack. */
struct tb_thread {
    char *map; /* the mapping that this is the end of; the stack begins above the guard */
    size_t map_bytes;
    uintptr_t run; /* the host's function and its argument, on the way to a new thread */
    void *arg;
    int id_place;    /* in the table of thread ids, from 1; 0: not there */
    int left_by;     /* tid of the thread that had it and may still end, or 0 */
    int is_on_stack; /* it ends in a handler on this stack */
    int depth;       /* tags pushed; those from TB_SCOPES_MAX on are not kept */
    struct tb_scope scopes[TB_SCOPES_MAX];
    char status[TB_STATUS_BYTES];
};

/* This thread's block, made when create is set: NULL when there is none. Signal-safe without
 * create. */
struct tb_thread *tb_thread_self(int create);
/* Gives this thread an alternate signal stack unless it has one. 0 or a negative errno. */
int tb_thread_stack(void);
/* This thread's tags as key, NUL, value, NUL, ...; returns the length. Signal-safe. */
size_t tb_thread_scopes(char *out, size_t cap);

/* Shall threads that are created from now on have a block from their first instruction? */
void tb_thread_cover(int is_wanted);
/* A block for a thread that is about to be created; NULL when it is to start without. Keeps errno.
 */
struct tb_thread *tb_thread_prepare(void);
/* In that thread, first of all: makes the block its own. Keeps errno. */
void tb_thread_start(struct tb_thread *thread);

/* The ids of up to max threads that have a block, in no order; returns how many. Of more threads
 * than TB_THREAD_IDS the rest is not known. Signal-safe. */
size_t tb_thread_ids(uint32_t *out, size_t max);
/* In a fork child, where only this thread is. Signal-safe. */
void tb_thread_forked(void);

#endif
