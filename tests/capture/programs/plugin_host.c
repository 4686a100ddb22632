/* plugin_host.c - a program in C that starts towbar, reports, and then loads a C++ plugin. */
#include <dlfcn.h>
#include <stdio.h>

#include <towbar/towbar.h>

int main(int argc, char **argv)
{
    if (argc < 2 || towbar_init(NULL) != 0)
        return 2;
    towbar_error("before the plugin");
    void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    if (!plugin) {
        fprintf(stderr, "%s\n", dlerror());
        return 3;
    }
    void *run = dlsym(plugin, "thrower_run");
    if (!run)
        return 4;
    int answer = ((int (*)(void))run)();
    towbar_error("after the plugin");
    printf("answer %d\n", answer);
    return answer == 42 ? 0 : 5;
}
