/* interposed.h - what the two files of the program share. */
#ifndef TEST_INTERPOSED_H
#define TEST_INTERPOSED_H

#include <stddef.h>
#include <stdio.h>

extern int bad; /* how often something was not as expected */
extern volatile int sink;

#define EXPECT(what)                                                                               \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "line %d: %s\n", __LINE__, #what);                                     \
            bad++;                                                                                 \
        }                                                                                          \
    } while (0)

/* Of the running thread's alternate stack; 0: there is none. */
size_t stack_bytes(void);
void *raise_in_thread(void *arg);

/* interposed_room.c */
void dlclose_beside(void);
void much_stack(void);
void too_much_stack(void);
void locked(void);
void no_room(void);
void no_room_c11(void);

#endif
