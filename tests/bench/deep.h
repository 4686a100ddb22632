/* deep.h - a stack of a known depth. */
#ifndef TB_BENCH_DEEP_H
#define TB_BENCH_DEEP_H

/* Calls last(arg) with depth frames below it, of which the innermost 60 return to different
 * addresses. The result means nothing. */
int bench_deep(int depth, void (*last)(void *arg), void *arg);
/* The same without frame pointers, as most code is compiled. */
int bench_deep_plain(int depth, void (*last)(void *arg), void *arg);

#endif
