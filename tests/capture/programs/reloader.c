/* reloader.c - reloader WAY FIRST SECOND loads two libraries one after the other, which the C
 * library maps into the same place. It reports from inside of each, twice, and dies in the second
 * when WAY is crash or crash-renamed. With report-renamed and crash-renamed the file SECOND takes
 * the name FIRST before it is loaded. With -early the library is started when FIRST is there. For
 * tests/capture/modules/test_unload.c. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include <towbar/towbar.h>

#define NOINLINE __attribute__((noinline, aligned(256)))

typedef int (*call)(void);

static volatile int sink;
static const char *now;
static int is_dying;

NOINLINE int here(void)
{
    if (is_dying)
        *(volatile int *)16 = 1;
    else
        sink += towbar_error("%s", now);
    return 1;
}

NOINLINE int outer(int (*run)(call))
{
    int result = run(here);
    sink++;
    return result;
}

static void *load(const char *path, int (**run)(call))
{
    Dl_info about;
    void *handle = dlopen(path, RTLD_NOW);
    if (!handle) {
        fprintf(stderr, "%s\n", dlerror());
        return NULL;
    }
    *(void **)run = dlsym(handle, "shifting");
    if (!dladdr(*(void **)run, &about))
        return NULL;
    printf("%s %p\n", now, about.dli_fbase);
    fflush(stdout);
    return handle;
}

int main(int argc, char **argv)
{
    int (*run)(call);
    if (argc < 4)
        return 89;
    int renames = strstr(argv[1], "-renamed") != NULL;
    int is_early = strstr(argv[1], "-early") != NULL;
    if (!is_early && towbar_init(NULL) != 0)
        return 90;
    printf("here %p\nouter %p\nmain %p\n", (void *)(size_t)here, (void *)(size_t)outer,
           (void *)(size_t)main);
    now = "first";
    void *handle = load(argv[2], &run);
    if (!handle || (is_early && towbar_init(NULL) != 0))
        return 91;
    (void)outer(run);
    (void)outer(run);
    if (dlclose(handle) != 0 || (renames && rename(argv[3], argv[2]) != 0))
        return 92;
    now = "second";
    if (!load(renames ? argv[2] : argv[3], &run))
        return 93;
    is_dying = strncmp(argv[1], "crash", 5) == 0;
    (void)outer(run);
    (void)outer(run);
    return 0;
}
