/* plugged.c - plugged NAME loads the plugin NAME and crashes in it. Built with -DPLUGIN it is the
 * plugin. For tests/e2e/test_plugins.py. */
#include <dlfcn.h>
#include <stdio.h>

#include <towbar/towbar.h>

void plugin_fails(void);

#ifdef PLUGIN
static volatile int plugin_sink;

__attribute__((noinline)) void plugin_fails(void)
{
    *(volatile int *)16 = 1;
    plugin_sink++;
}
#else
int main(int argc, char **argv)
{
    void (*run)(void) = NULL;
    if (argc < 2 || towbar_init(NULL) != 0)
        return 2;
    void *plugin = dlopen(argv[1], RTLD_NOW);
    if (plugin)
        *(void **)&run = dlsym(plugin, "plugin_fails");
    if (!run) {
        fprintf(stderr, "%s\n", dlerror());
        return 3;
    }
    run();
    return 0;
}
#endif
