/* bench_rate.c - records of 2 KiB a second, by two processes and by 32 threads that want each
 * record on the disk. */
#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store.h"

enum {
    RECORD_BYTES = 2048,
    RATE_APPENDS = 8000,
    PEER_RATE_APPENDS = 1000, /* of each process: they are slower */
    THREADS = 32,
    THREAD_APPENDS = 40,
};

static const char record[RECORD_BYTES];

/* A process of a rate: says that it is ready, and begins when its parent closes go_fd. */
static int append_all(const struct bench_store *store, const char *folder, size_t n, int ready_fd,
                      int go_fd)
{
    void *state = NULL;
    char byte = 0;
    int err = store->open(folder, &state);
    if (err == 0)
        err = store->append(state, record, sizeof(record)); /* makes the files */
    if (write(ready_fd, &byte, 1) != 1 || read(go_fd, &byte, 1) != 0)
        err = -EPIPE;
    for (size_t i = 0; i < n && err == 0; i++)
        err = store->append(state, record, sizeof(record));
    store->close(state);
    return err;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

/* Appends of n_processes together in a second, in a fresh folder; the clock runs from the moment
 * when all of them are ready until the last has ended. */
static int rate_of(const struct bench_store *store, const char *parent, int n_processes, size_t n,
                   double *out)
{
    char folder[BENCH_PATH];
    int ready[2];
    int go[2];
    pid_t pids[2];
    char byte;
    int err = bench_folder(parent, folder);
    if (err < 0)
        return err;
    if (pipe(ready) < 0 || pipe(go) < 0)
        return -errno;
    for (int i = 0; i < n_processes; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            close(go[1]);
            _exit(-append_all(store, folder, n, ready[1], go[0]));
        }
        if (pids[i] < 0 || read(ready[0], &byte, 1) != 1)
            err = -EAGAIN;
    }
    double start = bench_us();
    close(go[1]);
    for (int i = 0; i < n_processes; i++) {
        int status = pids[i] < 0 ? err : wait_for(pids[i]);
        err = err < 0 ? err : status;
    }
    *out = (double)n * n_processes / (bench_us() - start) * 1e6;
    close(ready[0]);
    close(ready[1]);
    close(go[0]);
    bench_remove(folder);
    return err;
}

/* The limit is what one process does in the same time; a peer has two processes on one queue. */
static int two_processes(const char *folder, struct bench_round *out)
{
    const struct bench_store *const peers[BENCH_PEERS] = {&bench_sqlite_normal, bench_lmdb};
    int err = rate_of(&bench_ours, folder, 1, RATE_APPENDS, &out->limit);
    if (err == 0)
        err = rate_of(&bench_ours, folder, 2, RATE_APPENDS, &out->ours);
    for (int i = 0; i < BENCH_PEERS && err == 0; i++) {
        if (!peers[i])
            continue;
        out->peers[i].name = peers[i]->name;
        err = rate_of(peers[i], folder, 2, PEER_RATE_APPENDS, &out->peers[i].value);
    }
    return err;
}

struct crowd {
    const struct bench_store *store;
    const char *folder;
    void *shared; /* one store for all, or NULL: each thread opens its own */
    pthread_barrier_t ready;
};

static void *append_synced(void *of)
{
    struct crowd *crowd = of;
    void *state = crowd->shared;
    int err = state ? 0 : crowd->store->open(crowd->folder, &state);
    (void)pthread_barrier_wait(&crowd->ready);
    for (int i = 0; i < THREAD_APPENDS && err == 0; i++)
        err = crowd->store->append(state, record, sizeof(record));
    if (!crowd->shared)
        crowd->store->close(state);
    return (void *)(intptr_t)err;
}

static int run_crowd(struct crowd *crowd, double *rate)
{
    pthread_t threads[THREADS];
    int err = -pthread_barrier_init(&crowd->ready, NULL, THREADS + 1);
    if (err < 0)
        return err;
    for (int i = 0; i < THREADS; i++) {
        if ((err = -pthread_create(&threads[i], NULL, append_synced, crowd)) < 0)
            return err; /* and the program ends: nobody passes the barrier */
    }
    (void)pthread_barrier_wait(&crowd->ready);
    double start = bench_us();
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        (void)pthread_join(threads[i], &result);
        err = err < 0 ? err : (int)(intptr_t)result;
    }
    *rate = THREADS * THREAD_APPENDS / (bench_us() - start) * 1e6;
    pthread_barrier_destroy(&crowd->ready);
    return err;
}

static int crowd_rate(const struct bench_store *store, int is_shared, const char *parent,
                      double *rate)
{
    char folder[BENCH_PATH];
    struct crowd crowd = {.store = store, .folder = folder};
    int err = bench_folder(parent, folder);
    if (err < 0)
        return err;
    if (is_shared)
        err = store->open(folder, &crowd.shared);
    if (err == 0 && is_shared) /* makes the file */
        err = store->append(crowd.shared, record, sizeof(record));
    if (err == 0)
        err = run_crowd(&crowd, rate);
    store->close(crowd.shared);
    bench_remove(folder);
    return err;
}

/* The limit is the same by write and fdatasync on one descriptor. SQLite wants a connection for
 * each thread. */
static int synced_threads(const char *folder, struct bench_round *out)
{
    out->peers[0].name = bench_sqlite_full.name;
    int err = crowd_rate(&bench_ours_synced, 1, folder, &out->ours);
    if (err == 0)
        err = crowd_rate(&bench_file_synced, 1, folder, &out->limit);
    if (err == 0)
        err = crowd_rate(&bench_sqlite_full, 0, folder, &out->peers[0].value);
    return err;
}

const struct bench bench_rate[] = {
    {"spool.append.2proc", "/s", two_processes},
    {"spool.append.durable.32threads", "/s", synced_threads},
};
const size_t bench_rate_n = sizeof(bench_rate) / sizeof(bench_rate[0]);
