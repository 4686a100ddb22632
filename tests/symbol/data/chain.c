/* chain.c - a chain of calls, some inlined where the compiler may. Lines are found by their marks.
 */
#include "probe.h"

static volatile int sink;

static inline __attribute__((always_inline)) void innermost(int n)
{
    sink = n;
    probe(); /* mark: innermost */
    sink = n + 1;
}

static inline __attribute__((always_inline)) void middle(int n)
{
    sink = n;
    innermost(n * 2); /* mark: middle */
    sink = n + 2;
}

__attribute__((noinline)) void exported_function(int n)
{
    middle(n + 1); /* mark: exported_function */
    sink = 3;
}

static __attribute__((noinline)) void hidden_function(int n)
{
    exported_function(n); /* mark: hidden_function */
    sink = 4;
}

int main(int argc, char **argv)
{
    (void)argv;
    hidden_function(argc); /* mark: main */
    return 0;
}
