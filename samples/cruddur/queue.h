/* queue.h - the messages of one feed, in order: a ring that is held by its tail. */
#ifndef CRUDDUR_QUEUE_H
#define CRUDDUR_QUEUE_H

#include <stdint.h>

struct message {
    uint64_t id;
    int64_t replies;
    char *text;
    struct message *next; /* tail->next is the head */
};

struct queue {
    struct message *tail;
    uint64_t n_pushed;
};

/* 0 or -1: no memory. */
int queue_init(struct queue *q);
/* Appends a copy of text. 0 or -1. */
int queue_push(struct queue *q, const char *text);
/* Takes the first message out, or NULL. Free it with message_free. */
struct message *queue_pop(struct queue *q);
void message_free(struct message *m);
/* Throws all messages away. */
void queue_clear(struct queue *q);

#endif
