/* queue.c - crashes under inlined calls, in a callback of the C library, at the end of a chain of
 * functions. For tests/e2e/test_symbols_*.py, which compare its frames with a debugger's. With
 * -DSTARTED it starts libtowbar by itself; with an argument it says so and waits for a line first.
 */
#include <stdio.h>
#include <stdlib.h>

#ifdef STARTED
#include <towbar/towbar.h>
#endif

#define KEEP __attribute__((noinline))
#define INLINE __attribute__((always_inline)) static inline

struct queue {
    int *slots;
    int len;
};

static struct queue queue = {(int *)16, 3};
static volatile int sink;

INLINE void store(int *slot, int value)
{
    *(volatile int *)slot = value; /* here: store */
}

INLINE void push(struct queue *q, int value)
{
    sink = q->len;
    store(q->slots + q->len, value); /* here: push */
    q->len++;
}

KEEP static int compare(const void *a, const void *b)
{
    push(&queue, *(const int *)a); /* here: compare */
    return *(const int *)a - *(const int *)b;
}

KEEP int sort_all(int *values, int n)
{
    qsort(values, (size_t)n, sizeof(*values), compare); /* here: sort_all */
    return values[0];
}

KEEP static int run(int n)
{
    int values[] = {n, 3, 1, 2};
    int first = sort_all(values, 4); /* here: run */
    sink += first;
    return first;
}

KEEP static void wait_for_a_line(void)
{
    puts("ready");
    fflush(stdout);
    sink = getchar();
}

int main(int argc, char **argv)
{
    (void)argv;
#ifdef STARTED
    if (towbar_init(NULL) != 0)
        return 2;
#endif
    if (argc > 1)
        wait_for_a_line();
    return run(4) + sink; /* here: main */
}
