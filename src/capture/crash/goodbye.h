/* goodbye.h - a process that ends without running its exit handlers, by _exit, _Exit or quick_exit,
 * has not died: its slot says so, or the agent would take it for one that was killed. */
#ifndef TB_CAPTURE_GOODBYE_H
#define TB_CAPTURE_GOODBYE_H

/* Says good-bye for this process: its slot, if it is its own and no crash is on its way, is done.
 * Signal-safe. */
void tb_goodbye(void);
/* From now on quick_exit does so. 0 or a negative errno. Not signal-safe. */
int tb_goodbye_watch(void);

#endif
