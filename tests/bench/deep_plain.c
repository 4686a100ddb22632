/* deep_plain.c - deep.c once more, for CMakeLists.txt to compile without frame pointers. */
#define bench_deep bench_deep_plain
#include "deep.c"
