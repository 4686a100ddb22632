/* block.h - the mappings of struct tb_thread (thread.h): a guard, the alternate stack, the struct.
 *
 * 1. Only what is touched takes memory, also after mlockall.
 * 2. A block that a thread left may still be in use: the thread runs on it (pthread_exit in a
 *    handler), or sets it again as its alternate stack, in a key destructor that comes after ours.
 *    So it is another's, or unmapped, when the kernel does not know that thread any more. The two
 *    exceptions: more than 1024 that wait at once, and where a seccomp filter may forbid to ask; a
 *    thread that runs on its block has it for good then. */
#ifndef TB_CAPTURE_BLOCK_H
#define TB_CAPTURE_BLOCK_H

#include "capture/threads/thread.h"

/* A kept one, or a new mapping; NULL when there is no room. */
struct tb_thread *tb_block_new(void);
/* Keeps it for the next threads. left_by and is_on_stack say who may still use it. Keeps errno. */
void tb_block_drop(struct tb_thread *thread);
/* Gives it, unless it is NULL, back to the kernel, and all that are kept and not in use; returns
 * how many. Keeps errno. */
int tb_block_give_back(struct tb_thread *thread);
/* The lower end of the stack, which reaches to the struct. */
char *tb_block_stack(const struct tb_thread *thread);
/* How many are mapped. */
int tb_block_count(void);
/* In a fork child. Signal-safe. */
void tb_block_forked(void);

#endif
