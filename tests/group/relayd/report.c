/* report.c - errors that are reported, not died of. */
#include "relayd.h"

#include <errno.h>
#include <towbar/towbar.h>

/* Two reports in one function. */
static void check_queue(int n, int max)
{
    if (n > max)
        towbar_error("queue is full: %d of %d", n, max);
    if (n < 0)
        towbar_error("queue has %d entries", n);
}

static void queue_full(void)
{
    check_queue(100 + run_number, 50);
    served++;
}

static void queue_negative(void)
{
    check_queue(-1 - run_number, 50);
    served++;
}

static int open_file(const char *path)
{
    if (path[0] != '/') {
        errno = ENOENT;
        towbar_perror("open %s", path);
        return -1;
    }
    errno = EACCES;
    towbar_perror("open %s", path);
    return -1;
}

static void open_missing(void)
{
    (void)open_file("missing");
    served++;
}

static void open_closed(void)
{
    (void)open_file("/closed");
    served++;
}

/* One function that reports, and two that have something to say. */
static void complain(const char *what)
{
    towbar_warning("cannot %s", what);
}

static void connect_peer(void)
{
    complain("connect");
    (void)session_open(41);
}

static void bind_port(void)
{
    complain("bind");
    (void)session_open(42);
}

const struct fault report_faults[] = {{"queue-full", NULL, queue_full},
                                      {"queue-negative", NULL, queue_negative},
                                      {"open-missing", NULL, open_missing},
                                      {"open-closed", NULL, open_closed},
                                      {"complain-connect", NULL, connect_peer},
                                      {"complain-bind", NULL, bind_port},
                                      {NULL, NULL, NULL}};
