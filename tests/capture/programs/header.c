/* header.c - uses all of towbar.h, as C or as C++. Returns 0 when its reports are in the spool. */
#include <towbar/towbar.h>

#include <errno.h>
#include <stdio.h>

/* A macro of the host around one of ours. */
#define CHECK(is_good, ...) ((is_good) ? 0 : towbar_error(__VA_ARGS__))

static int report(void)
{
    int bad = 0;
    TOWBAR_SCOPE("job", "plain");
    TOWBAR_SCOPE("number", "%d", 7);
    TOWBAR_TRACE("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    bad |= towbar_error("the header, as it is");
    bad |= towbar_warning("number %d, %s", 1, "a warning");
    bad |= towbar_report(TOWBAR_INFO, "plain");
    errno = ENOENT;
    bad |= towbar_perror("open %s", "/no/such");
    bad |= CHECK(bad == 0, "reports are lost");
    bad |= CHECK(bad != 0, "through a macro of the host: %d", bad);
    towbar_note(TOWBAR_DEBUG, "plain");
    return bad;
}

static int start(void)
{
#ifdef TOWBAR_OPTIONS
    return towbar_init(TOWBAR_OPTIONS(.service = "header", .version = "1.2"));
#else
    towbar_options options;
    options.service = "header";
    options.version = "1.2";
    return towbar_init(&options);
#endif
}

int main(void)
{
    int err = start();
    if (err == 0)
        err = towbar_thread_enter("main") | report();
    if (err != 0)
        fprintf(stderr, "%d: %s\n", err, towbar_status());
    towbar_shutdown();
    return err != 0;
}
