/* hello.c - the five lines: one error with its stack, one crash.  cc hello.c -ltowbar */
#include <stdio.h>

#include <towbar/towbar.h>

int main(int argc, char **argv)
{
    towbar_init(NULL);
    fprintf(stderr, "towbar: %s\n", towbar_status());
    FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
    if (argc > 1 && !file)
        towbar_perror("open %s", argv[1]);
    volatile int *nowhere = NULL;
    /* cppcheck-suppress nullPointer */
    return argc > 2 ? *nowhere : 0;
}
