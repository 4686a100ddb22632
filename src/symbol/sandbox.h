/* sandbox.h - what is left to a symbolizer that hostile debug data have taken over: reading files,
 * and answering on its socket. */
#ifndef TB_SYMBOL_SANDBOX_H
#define TB_SYMBOL_SANDBOX_H

enum { TB_SYMBOL_MEMORY_BYTES_MAX_GIB = 2, TB_SYMBOL_CPU_S_MAX = 30 };

/* Limits memory and descriptors, allows no core, no new privileges and no ptrace, and dies with its
 * parent. Then, as far as the kernel has them: no file can be changed (Landlock), and only the
 * system calls of a reader are left, writing to fd alone (seccomp). A sanitizer needs more than
 * that: under one only the harmless part is done. 0, or why a limit could not be set. */
int tb_symbol_sandbox(int fd);
/* Grants processor time for one answer: past that the kernel ends the process. 0 or an error. */
int tb_symbol_sandbox_renew(void);

#endif
