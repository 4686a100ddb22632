/* deep.c - see deep.h. Compiled with frame pointers, so that the limit of a walk can follow them.
 *
 * Two functions call each other from N_SITES places each, so that no two of 60 frames have the same
 * return address: a walk that meets the same address again and again would flatter a cache. What
 * they return only keeps the places apart. */
#include "deep.h"

enum { N_SITES = 30 };

static int odd(int depth, void (*last)(void *arg), void *arg);

__attribute__((noinline)) static int even(int depth, void (*last)(void *arg), void *arg)
{
    if (depth <= 0) {
        last(arg);
        return 0;
    }
    switch (depth / 2 % N_SITES) {
    case 0:
        return odd(depth - 1, last, arg) ^ 1;
    case 1:
        return odd(depth - 1, last, arg) ^ 2;
    case 2:
        return odd(depth - 1, last, arg) ^ 3;
    case 3:
        return odd(depth - 1, last, arg) ^ 4;
    case 4:
        return odd(depth - 1, last, arg) ^ 5;
    case 5:
        return odd(depth - 1, last, arg) ^ 6;
    case 6:
        return odd(depth - 1, last, arg) ^ 7;
    case 7:
        return odd(depth - 1, last, arg) ^ 8;
    case 8:
        return odd(depth - 1, last, arg) ^ 9;
    case 9:
        return odd(depth - 1, last, arg) ^ 10;
    case 10:
        return odd(depth - 1, last, arg) ^ 11;
    case 11:
        return odd(depth - 1, last, arg) ^ 12;
    case 12:
        return odd(depth - 1, last, arg) ^ 13;
    case 13:
        return odd(depth - 1, last, arg) ^ 14;
    case 14:
        return odd(depth - 1, last, arg) ^ 15;
    case 15:
        return odd(depth - 1, last, arg) ^ 16;
    case 16:
        return odd(depth - 1, last, arg) ^ 17;
    case 17:
        return odd(depth - 1, last, arg) ^ 18;
    case 18:
        return odd(depth - 1, last, arg) ^ 19;
    case 19:
        return odd(depth - 1, last, arg) ^ 20;
    case 20:
        return odd(depth - 1, last, arg) ^ 21;
    case 21:
        return odd(depth - 1, last, arg) ^ 22;
    case 22:
        return odd(depth - 1, last, arg) ^ 23;
    case 23:
        return odd(depth - 1, last, arg) ^ 24;
    case 24:
        return odd(depth - 1, last, arg) ^ 25;
    case 25:
        return odd(depth - 1, last, arg) ^ 26;
    case 26:
        return odd(depth - 1, last, arg) ^ 27;
    case 27:
        return odd(depth - 1, last, arg) ^ 28;
    case 28:
        return odd(depth - 1, last, arg) ^ 29;
    default:
        return odd(depth - 1, last, arg) ^ 30;
    }
}

__attribute__((noinline)) static int odd(int depth, void (*last)(void *arg), void *arg)
{
    if (depth <= 0) {
        last(arg);
        return 0;
    }
    switch (depth / 2 % N_SITES) {
    case 0:
        return even(depth - 1, last, arg) ^ 31;
    case 1:
        return even(depth - 1, last, arg) ^ 32;
    case 2:
        return even(depth - 1, last, arg) ^ 33;
    case 3:
        return even(depth - 1, last, arg) ^ 34;
    case 4:
        return even(depth - 1, last, arg) ^ 35;
    case 5:
        return even(depth - 1, last, arg) ^ 36;
    case 6:
        return even(depth - 1, last, arg) ^ 37;
    case 7:
        return even(depth - 1, last, arg) ^ 38;
    case 8:
        return even(depth - 1, last, arg) ^ 39;
    case 9:
        return even(depth - 1, last, arg) ^ 40;
    case 10:
        return even(depth - 1, last, arg) ^ 41;
    case 11:
        return even(depth - 1, last, arg) ^ 42;
    case 12:
        return even(depth - 1, last, arg) ^ 43;
    case 13:
        return even(depth - 1, last, arg) ^ 44;
    case 14:
        return even(depth - 1, last, arg) ^ 45;
    case 15:
        return even(depth - 1, last, arg) ^ 46;
    case 16:
        return even(depth - 1, last, arg) ^ 47;
    case 17:
        return even(depth - 1, last, arg) ^ 48;
    case 18:
        return even(depth - 1, last, arg) ^ 49;
    case 19:
        return even(depth - 1, last, arg) ^ 50;
    case 20:
        return even(depth - 1, last, arg) ^ 51;
    case 21:
        return even(depth - 1, last, arg) ^ 52;
    case 22:
        return even(depth - 1, last, arg) ^ 53;
    case 23:
        return even(depth - 1, last, arg) ^ 54;
    case 24:
        return even(depth - 1, last, arg) ^ 55;
    case 25:
        return even(depth - 1, last, arg) ^ 56;
    case 26:
        return even(depth - 1, last, arg) ^ 57;
    case 27:
        return even(depth - 1, last, arg) ^ 58;
    case 28:
        return even(depth - 1, last, arg) ^ 59;
    default:
        return even(depth - 1, last, arg) ^ 60;
    }
}

int bench_deep(int depth, void (*last)(void *arg), void *arg)
{
    return even(depth, last, arg) ^ depth;
}
