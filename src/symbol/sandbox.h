/* sandbox.h - what is left to a symbolizer that hostile files have taken over: reading files, and
 * answering on its socket; and to its child that reads debug data: nothing but memory. */
#ifndef TB_SYMBOL_SANDBOX_H
#define TB_SYMBOL_SANDBOX_H

#include <sys/types.h>

enum { TB_SYMBOL_MEMORY_BYTES_MAX_GIB = 2, TB_SYMBOL_CPU_S_MAX = 30 };

/* Limits memory and descriptors, allows no core, no new privileges and no ptrace, and dies with its
 * parent. Then, as far as the kernel has them: no file can be changed (Landlock), and only the
 * system calls of a reader are left, writing to fd alone (seccomp). A sanitizer needs more than
 * that: under one only the harmless part is done. 0, or why a limit could not be set. */
int tb_symbol_sandbox(int fd);
/* For a child that builds an index, whoever its parent is: it is ended after deadline_ms (by
 * SIGALRM, which it can neither stop nor catch) and with its parent, has no descriptor but those up
 * to stderr, and no system call but those of memory and of the end. 0 or an error, as when parent
 * is gone. */
int tb_symbol_sandbox_builder(pid_t parent, int deadline_ms);
/* Grants processor time for one answer: past that the kernel ends the process. 0 or an error. */
int tb_symbol_sandbox_renew(void);

#endif
