/* unload.h - whether a library was unloaded since a module table was made. Signal-safe.
 *
 * Another library may lie where one was, and nothing in memory need tell them apart. So what a
 * table and the rows made with it say of a module is believed only while nothing was unloaded since
 * its mark; afterwards a module must prove what it is (late.h). dlclose is seen by the shared
 * library alone (interpose.c); what the C library unloads by itself is noticed with the next one.
 */
#ifndef TB_CAPTURE_UNLOAD_H
#define TB_CAPTURE_UNLOAD_H

#include <stdint.h>

/* Around a dlclose: meanwhile no mark holds. One that succeeded counts as an unload: the loader
 * could only be asked with its lock, which dlclose itself does not always take. */
void tb_unload_begin(void);
void tb_unload_end(int is_closed);
/* Of a table that is made from now on; or of one for which nothing holds, during a dlclose. */
uint64_t tb_unload_mark(void);
int tb_unload_is_since(uint64_t mark);
/* In a fork child. */
void tb_unload_forked(void);

#endif
