/* idle.c - the libraries of towbard, loaded, and nothing else. */
#include <unistd.h>

int main(void)
{
    for (;;)
        (void)pause();
}
