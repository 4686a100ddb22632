/* lookups.h - the loader's index in the place of the C library's: a hook sees what was found before
 * the caller does, and may unload it or say something else. Once in a program. */
#ifndef TEST_CAPTURE_LOOKUPS_H
#define TEST_CAPTURE_LOOKUPS_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

typedef int (*lookup_call)(void *, struct dl_find_object *);

static void (*lookup_hook)(struct dl_find_object *);
static lookup_call real_lookup;

__attribute__((constructor)) static void find_real_lookup(void)
{
    real_lookup = (lookup_call)(uintptr_t)dlsym(RTLD_NEXT, "_dl_find_object");
}

int _dl_find_object(void *address, struct dl_find_object *found);
int _dl_find_object(void *address, struct dl_find_object *found)
{
    int err = real_lookup ? real_lookup(address, found) : -1;
    void (*hook)(struct dl_find_object *) = lookup_hook;
    if (err == 0 && hook)
        hook(found);
    return err;
}

#endif
