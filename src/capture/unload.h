/* unload.h - whether a library was unloaded since a module table was made. Signal-safe but for end.
 *
 * Another library may lie where one was, and nothing in memory need tell them apart. So what a
 * table and the rows made with it say of a module is believed only while nothing was unloaded since
 * its mark; afterwards a module must prove what it is (late.h). dlclose is seen by the shared
 * library alone (interpose.c); what the C library unloads by itself is noticed with the next one.
 */
#ifndef TB_CAPTURE_UNLOAD_H
#define TB_CAPTURE_UNLOAD_H

#include <stdint.h>

/* Around a dlclose: meanwhile no mark holds. end asks the loader whether something went, if it may
 * wait for its lock; else, and in fork children, it takes that for granted. */
void tb_unload_begin(void);
void tb_unload_end(int may_ask);
/* Of a table that is made from now on; or of one for which nothing holds, during a dlclose. */
uint64_t tb_unload_mark(void);
int tb_unload_is_since(uint64_t mark);
/* In a fork child. */
void tb_unload_forked(void);

#endif
