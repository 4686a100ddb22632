/* traced.c - threads with traces of their own, for one who reads them from outside. Each says
 * "TID TRACE_ID SPAN_ID" and waits; "ready" is the last line. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <towbar/towbar.h>

enum { N_THREADS = 3 };

static pthread_barrier_t barrier;

static void *serve(void *arg)
{
    char header[64];
    char trace_id[33];
    char span_id[17];
    unsigned n = (unsigned)(uintptr_t)arg;
    snprintf(header, sizeof(header), "00-%032x-%016x-%02x", n * 0x01010101, n * 0x111, n & 1);
    towbar_trace_push(n == N_THREADS ? NULL : header); /* one has none */
    if (towbar_trace_ids(trace_id, span_id) == 0)
        printf("%d %s %s\n", (int)gettid(), trace_id, span_id);
    else
        printf("%d none none\n", (int)gettid());
    pthread_barrier_wait(&barrier);
    for (;;)
        pause();
    return NULL;
}

int main(void)
{
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, N_THREADS + 1);
    for (uintptr_t i = 1; i <= N_THREADS; i++)
        pthread_create(&thread, NULL, serve, (void *)i);
    pthread_barrier_wait(&barrier);
    printf("ready\n");
    fflush(stdout);
    for (;;)
        pause();
}
