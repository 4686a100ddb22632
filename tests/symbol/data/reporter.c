/* reporter.c - a thread that reports. */
#include <pthread.h>
#include <stddef.h>

void towbar_report_at(void);

static volatile int sink;

static void *work(void *arg)
{
    towbar_report_at(); /* mark: work */
    sink = 1;
    return arg;
}

int main(void)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, work, NULL) || pthread_join(thread, NULL);
}
