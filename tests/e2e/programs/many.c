/* many.c - reports N errors and says which of them were acknowledged.
 *
 *   many N           prints "ok I" for each report whose call returned 0, else "no I ERR"
 *   many N paced     reads a line of its input before each report
 * Each report has a site of its own, so that no limit for one place in the source holds it back. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <towbar/towbar.h>

static struct towbar_site *sites;

__attribute__((noinline)) static int report(int i)
{
    sites[i] = (struct towbar_site){__FILE__, i + 1, __func__};
    int err = towbar_report_at(&sites[i], TOWBAR_ERROR, 0, "report %d", i);
    if (err == 0)
        printf("ok %d\n", i);
    else
        printf("no %d %d\n", i, err);
    fflush(stdout);
    return err;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? (int)strtoul(argv[1], NULL, 10) : 1;
    int err = towbar_init(NULL);
    if (err < 0 || (sites = calloc((size_t)n, sizeof(*sites))) == NULL) {
        fprintf(stderr, "%d %s\n", err, towbar_status());
        return 3;
    }
    int paced = argc > 2;
    char line[64];
    for (int i = 0; i < n; i++) {
        if (paced && fgets(line, sizeof(line), stdin) == NULL)
            break;
        (void)report(i);
    }
    free(sites);
    return 0;
}
