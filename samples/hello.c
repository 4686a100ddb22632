/* hello.c - the five lines: one error with its stack, one crash.  cc hello.c -ltowbar */
#include <stdio.h>

#include <towbar/towbar.h>

int main(int argc, char **argv)
{
    towbar_init(NULL);
    fprintf(stderr, "towbar: %s\n", towbar_status());
    if (argc > 1 && !fopen(argv[1], "r"))
        towbar_perror("open %s", argv[1]);
    return argc > 2 ? *(volatile int *)0 : 0;
}
