/* plugin.c - a shared object that comes by dlopen after towbar_init, and crashes. */
void plugin_crash(void);

static volatile int plugin_sink;

__attribute__((noinline)) void plugin_crash(void)
{
    *(volatile int *)16 = 1;
    plugin_sink++;
}
