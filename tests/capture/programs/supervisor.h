/* supervisor.h - a process that answers for the kernel when this one calls ptrace, or wants to be
 * traced: what Yama, a hanging kernel or a stray signal would do to the helper of the crash
 * handler.
 */
#ifndef TB_TEST_CAPTURE_SUPERVISOR_H
#define TB_TEST_CAPTURE_SUPERVISOR_H

enum supervision {
    SUPERVISE_NEVER_ANSWERS, /* calls of ptrace do not return */
    SUPERVISE_FAULTS,        /* who calls ptrace gets SIGSEGV */
    SUPERVISE_CUTS,          /* before the first, the crash slot's file is cut */
    SUPERVISE_YAMA           /* only the one that PR_SET_PTRACER names may trace */
};

/* From now on. It says on standard output what it saw, as one line each. */
void supervise(enum supervision how);

#endif
