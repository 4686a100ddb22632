/* steps.c - crashes 64 calls deep, each of another function: step_00 calls step_01, and so on. For
 * tests/e2e/test_hostile_symbols.py, whose debug data say something else of each of them. */
#define KEEP __attribute__((noinline))

static volatile int sink;

#define STEP(n, next)                                                                              \
    KEEP int step_##n(int depth);                                                                  \
    KEEP int step_##next(int depth);                                                               \
    KEEP int step_##n(int depth)                                                                   \
    {                                                                                              \
        int below = step_##next(depth + 1);                                                        \
        sink += below;                                                                             \
        return below;                                                                              \
    }
#define STEPS(d, next)                                                                             \
    STEP(d##0, d##1)                                                                               \
    STEP(d##1, d##2)                                                                               \
    STEP(d##2, d##3)                                                                               \
    STEP(d##3, d##4)                                                                               \
    STEP(d##4, d##5)                                                                               \
    STEP(d##5, d##6)                                                                               \
    STEP(d##6, d##7)                                                                               \
    STEP(d##7, next)

STEPS(0, 10)
STEPS(1, 20)
STEPS(2, 30)
STEPS(3, 40)
STEPS(4, 50)
STEPS(5, 60)
STEPS(6, 70)
STEPS(7, last)

KEEP int step_last(int depth)
{
    *(volatile int *)16 = depth;
    return depth + sink;
}

int main(void)
{
    return step_00(0) + sink;
}
