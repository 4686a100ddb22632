/* job.c - a daemon in miniature, for the tests.
 *
 *   job error [TIMES]    reports an error from read_feed, under main and handle_request
 *   job perror           the same with errno, from open_feed
 *   job crash            writes through a bad pointer in push
 *   job inlined          the same in a function that the compiler inlines (-O2)
 *   job abort            calls abort
 *   job both             an error, then a crash
 * TRACE in the environment is the header of the request that it serves. Prints the return value of
 * each report. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <towbar/towbar.h>

struct message {
    long before[3];
    volatile long next; /* so that the compiler moves nothing across the fault */
};

static struct message *volatile nowhere;

__attribute__((noinline)) static int read_feed(const char *name, int n)
{
    errno = ENOENT;
    int err = towbar_error("feed %s: cannot be read, try %d", name, n); /* here: error */
    printf("%d %s\n", err, errno == ENOENT ? "errno kept" : "errno lost");
    return err;
}

__attribute__((noinline)) static int open_feed(const char *name)
{
    errno = ENOENT;
    int err = towbar_perror("open %s", name); /* here: perror */
    printf("%d\n", err);
    return err;
}

__attribute__((noinline)) static int push(struct message *m)
{
    m->next = 1; /* here: crash */
    return 0;
}

static inline __attribute__((always_inline)) void link_message(struct message *m)
{
    m->next = 2; /* here: inlined */
}

__attribute__((noinline)) static int push_inlined(struct message *m)
{
    link_message(m); /* here: inlining */
    return m->next != 2;
}

__attribute__((noinline)) static int give_up(void)
{
    abort(); /* here: abort */
    return 0;
}

static int is(const char *mode, const char *name)
{
    return strcmp(mode, name) == 0;
}

__attribute__((noinline)) static int handle_request(const char *mode, int times)
{
    TOWBAR_TRACE(getenv("TRACE"));
    TOWBAR_SCOPE("user", "%s", "andrew");
    towbar_note(TOWBAR_INFO, "handling %s", mode);
    int err = 0;
    for (int i = 0; i < times && (is(mode, "error") || is(mode, "both")); i++)
        err += read_feed("andrew", i); /* here: call error */
    if (is(mode, "perror"))
        err += open_feed("andrew"); /* here: call perror */
    fflush(stdout);
    if (is(mode, "crash") || is(mode, "both"))
        err += push(nowhere); /* here: call crash */
    if (is(mode, "inlined"))
        err += push_inlined(nowhere); /* here: call inlined */
    if (is(mode, "abort"))
        err += give_up(); /* here: call abort */
    return err;
}

int main(int argc, char **argv)
{
    int err = towbar_init(NULL);
    if (err < 0) {
        fprintf(stderr, "%d %s\n", err, towbar_status());
        return 3;
    }
    int times = argc > 2 ? (int)strtoul(argv[2], NULL, 10) : 1;
    err = handle_request(argc > 1 ? argv[1] : "", times); /* here: main */
    return err == 0 ? 0 : 4;
}
