/* syscalls.h - names of Linux system calls on x86-64, by number. Pure. */
#ifndef TB_AGENT_SYSCALLS_H
#define TB_AGENT_SYSCALLS_H

#include <stddef.h>
#include <stdint.h>

enum tb_syscall_arch { TB_SYSCALL_X86_64, TB_SYSCALL_I386, TB_SYSCALL_X32 };
enum { TB_SYSCALL_NAME_BYTES = 40 };

/* Whose numbers a process of 64 bits used: code is the two bytes of the instruction that made the
 * call (NULL: not known), int 0x80 and sysenter call as i386 does. */
enum tb_syscall_arch tb_syscall_arch(const uint8_t *code, uint64_t number);
/* "x86_64", "i386", "x32" */
const char *tb_syscall_arch_name(enum tb_syscall_arch arch);
/* "ptrace" in name, which is returned; NULL for a number that has none here. */
const char *tb_syscall_name(enum tb_syscall_arch arch, uint64_t number,
                            char name[TB_SYSCALL_NAME_BYTES]);

#endif
