/* list.c - lists that are linked both ways; whoever removes a link twice crashes here. */
#include "relayd.h"

void list_init(struct link *list)
{
    list->prev = list->next = list;
}

void list_add(struct link *list, struct link *link)
{
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}

void list_remove(struct link *link)
{
    link->next->prev = link->prev;
    link->prev->next = link->next;
    link->next = link->prev = NULL;
}
