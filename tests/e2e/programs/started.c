/* started.c - a library to be preloaded into programs that know nothing of towbar: it starts
 * libtowbar before their main. */
#include <towbar/towbar.h>

__attribute__((constructor)) static void start(void)
{
    (void)towbar_init(NULL);
}
