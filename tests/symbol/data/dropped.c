/* dropped.c - a function that the linker throws away, and that is longer than what comes before the
 * code: its lines reach from address 0 into those of the others. */
static volatile int sink;

#define FOUR(x)                                                                                    \
    x;                                                                                             \
    x;                                                                                             \
    x;                                                                                             \
    x
#define MANY FOUR(FOUR(FOUR(FOUR(FOUR(sink += 12345)))))

__attribute__((noinline)) int short_one(int n)
{
    sink += n; /* mark: short */
    return sink;
}

int thrown_away(void)
{
    MANY; /* mark: first dropped */
    sink++;
    return sink; /* mark: last dropped */
}

__attribute__((noinline)) int long_one(int n)
{
    MANY; /* mark: long */
    MANY;
    sink += n; /* mark: end of long */
    return sink;
}

int main(int argc, char **argv)
{
    (void)argv;
    return short_one(argc) + long_one(argc) == 7;
}
