/* fork.h - a fork child becomes a process of its own.
 *
 *   inherited   all of the parent's: files, slot, tables. Until forget.
 *   orphan      nothing but the folder's descriptor and the settings. Until adopt, at the first
 * call. its own     files, slot and process record with its own pid.
 *
 * The handler of pthread_atfork moves a child to orphan at once. A child by raw clone is noticed at
 * its first call or crash, by a page that the kernel wipes in children with memory of their own. */
#ifndef TB_CAPTURE_FORK_H
#define TB_CAPTURE_FORK_H

/* Once for each init. 0 or a negative errno. */
int tb_fork_watch(void);
/* Is this a child that pthread_atfork did not see, with memory of its own? Signal-safe. */
int tb_fork_is_unseen(void);
/* Lets go of all that is the parent's. Signal-safe. */
void tb_fork_forget(void);
/* Gives an orphan its own. 0, or -EAGAIN while that is going on. Not signal-safe: asks the loader.
 */
int tb_fork_adopt(void);

#endif
