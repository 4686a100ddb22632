/* shifting.c - a library whose functions have frames of ROOM bytes: two builds of it are alike in
 * layout, down to the addresses of all calls, but for that. For
 * tests/capture/modules/test_unload.c. */
typedef int (*call)(void);
int shifting(call then);

#define CHAIN(name, next)                                                                          \
    __attribute__((noinline)) static int name(call then)                                           \
    {                                                                                              \
        volatile char room[ROOM];                                                                  \
        room[0] = 1;                                                                               \
        return next + room[0];                                                                     \
    }

CHAIN(third, then())
CHAIN(second, third(then))
CHAIN(first, second(then))

int shifting(call then)
{
    volatile char room[ROOM];
    room[0] = 1;
    return first(then) + room[0];
}
