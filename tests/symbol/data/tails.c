/* tails.c - functions that end with a call, which -O2 makes a jump. WAY is the one that main calls.
 * Lines are found by their marks. */
#include "probe.h"

#define APART __attribute__((noinline))

volatile int sink;
void (*volatile unknown)(int) = 0;

APART void last(int n)
{
    sink = n;
    probe(); /* mark: last */
    sink = n + 1;
}

APART void hop(int n)
{
    sink = n;
    last(n + 1); /* mark: hop */
}

APART void chain(int n)
{
    sink = n;
    hop(n + 1); /* mark: chain */
}

/* To last by one way only, but from two places. */
APART void twice(int n)
{
    if (sink > 1000) {
        sink = n;
        last(n + 1);
    } else {
        sink = n + 3;
        last(n + 5);
    }
}

/* To last by two ways. */
APART void fork_of(int n)
{
    if (sink > 1000)
        hop(n);
    else
        last(n);
}

/* Where it goes the data do not say. */
APART void doubtful(int n)
{
    sink = n;
    if (unknown)
        unknown(n);
    else
        last(n);
}

int main(void)
{
    WAY(1); /* mark: main */
    sink = 2;
    return 0;
}
