/* deep.c - deep N crashes N calls deep; without N it recurses until its stack is used up, in a
 * thread when there are two arguments. For tests/e2e/test_deep.py. */
#include <pthread.h>
#include <stdlib.h>

#include <towbar/towbar.h>

#define KEEP __attribute__((noinline))

static volatile int sink;

KEEP static int descend(int n)
{
    if (n == 0)
        *(volatile int *)16 = 1;
    int below = descend(n - 1);
    sink++;
    return below + 1;
}

KEEP static int begin_it(int n)
{
    int below = descend(n);
    sink++;
    return below;
}

static void *work(void *arg)
{
    (void)towbar_thread_enter("deep"); /* under a sanitizer pthread_create is not the library's */
    sink += begin_it(*(int *)arg);
    return NULL;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : -1;
    pthread_t thread;
    if (towbar_init(NULL) != 0)
        return 2;
    if (argc < 3)
        return begin_it(n);
    if (pthread_create(&thread, NULL, work, &n) != 0)
        return 3;
    (void)pthread_join(thread, NULL);
    return 0;
}
