/* plugin.c - a library for torture.c to load. */
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default"), noinline))

int plugin_sink;
static volatile int plugin_zero;

__attribute__((noinline)) static void plugin_inner(void)
{
    *(volatile int *)(size_t)(plugin_zero + 16) = 1;
}

EXPORT void plugin_crash(void)
{
    plugin_inner();
    plugin_sink++;
}

__attribute__((visibility("default"))) const char plugin_text[] = "a text in a library";

EXPORT void plugin_call(void (*back)(void))
{
    back();
    plugin_sink++;
}

__attribute__((constructor)) static void plugin_begin(void)
{
    if (getenv("TORTURE_IN_CONSTRUCTOR"))
        plugin_crash();
}

__attribute__((destructor)) static void plugin_end(void)
{
    if (getenv("TORTURE_IN_DESTRUCTOR"))
        plugin_crash();
}
