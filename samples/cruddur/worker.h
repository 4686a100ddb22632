/* worker.h - a thread that answers one connection after the other. */
#ifndef CRUDDUR_WORKER_H
#define CRUDDUR_WORKER_H

/* Starts worker number n, which reads feeds from folder. 0 or an errno value. */
int worker_start(int n, const char *folder);
/* Hands it a connected socket, which the worker closes. Waits while all hands are full. */
void worker_give(int fd);

#endif
