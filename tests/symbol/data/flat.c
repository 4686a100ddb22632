/* flat.c - what an index must tell: inlined calls inside each other, a function in two pieces,
 * calls that end a function, one that is thrown away. */
#include <stdlib.h>

#define APART __attribute__((noinline))

static volatile int sink;

static inline __attribute__((always_inline)) int leaf(int n)
{
    sink += n;       /* mark: leaf */
    return sink * 3; /* mark: leaf2 */
}

static inline __attribute__((always_inline)) int middle(int n)
{
    int k = leaf(n + 1); /* mark: middle */
    if (k > 7) {
        sink += leaf(k); /* mark: middle2 */
    }
    return k;
}

static __attribute__((noinline, cold)) void give_up(int n)
{
    sink = n;
    abort();
}

APART int split(int n)
{
    int k = middle(n); /* mark: split */
    if (k == 12345) {
        sink = leaf(k);
        give_up(k);
    }
    return k + middle(k); /* mark: split2 */
}

APART int last(int n)
{
    sink += n;
    return sink + n;
}

APART int hop(int n)
{
    sink -= 1;
    return last(n + 1);
}

APART int first(int n)
{
    sink += 2;
    return hop(n + 2);
}

APART int unused(int n)
{
    return middle(n) + middle(n + 2);
}

int main(int argc, char **argv)
{
    (void)argv;
    sink = split(argc);
    sink = first(sink) + 1;
    return sink == 1;
}
