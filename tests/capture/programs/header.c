/* header.c - uses all of towbar.h, as C or as C++. Returns 0 when its reports are in the spool. */
#include <towbar/towbar.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A macro of the host around one of ours. */
#define CHECK(is_good, ...) ((is_good) ? 0 : towbar_error(__VA_ARGS__))
/* Ours twice in a line, with the other kind between. */
#define SERVE(header, user)                                                                        \
    TOWBAR_TRACE(NULL);                                                                            \
    TOWBAR_SCOPE("host", "%s", "here");                                                            \
    TOWBAR_TRACE(header);                                                                          \
    TOWBAR_SCOPE("user", "%s", (user))

/* 0 when both are undone at the end of the block, in their order. */
static int serve(void)
{
    char trace_id[33];
    {
        SERVE("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "me");
        if (towbar_trace_ids(trace_id, NULL) != 0)
            return 1;
    }
    int depth = towbar_scope_push("depth", "0");
    towbar_scope_pop(depth);
    return depth != 0 || towbar_trace_ids(trace_id, NULL) == 0;
}

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

static const char *get(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "traceparent") == 0
               ? "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
               : NULL;
}

static void put(void *arg, const char *name, const char *value)
{
    (void)value;
    *(int *)arg += strcmp(name, "traceparent") == 0;
}

/* Hands a trace around; 0 when it is what it was. */
static int hand_around(void)
{
    char memory[TOWBAR_TRACE_ENV_BYTES];
    char *entries[TOWBAR_TRACE_ENV_ENTRIES];
    char line[TOWBAR_TRACE_LOG_BYTES];
    char trace_id[33], span_id[17];
    int n_headers = 0;
    towbar_trace_state before = towbar_trace_extract(get, NULL);
    towbar_trace_state job = towbar_trace_capture();
    towbar_trace_pop(&before);
    TOWBAR_TRACE_ADOPT(&job);
    {
        TOWBAR_TRACE_START();
        TOWBAR_TRACE_EXTRACT(get, NULL);
        TOWBAR_TRACE_ADOPT(NULL);
    }
    if (towbar_trace_inject(put, &n_headers) != 1 || n_headers != 1 ||
        towbar_trace_ids(trace_id, span_id) != 0 || towbar_trace_log(line, sizeof(line)) <= 0)
        return 1;
    return towbar_trace_env(memory, sizeof(memory), entries, TOWBAR_TRACE_ENV_ENTRIES) != 1 ||
           strcmp(span_id, "00f067aa0ba902b7") != 0;
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
        err = towbar_thread_enter("main") | serve() | report() | hand_around();
    if (err != 0)
        fprintf(stderr, "%d: %s\n", err, towbar_status());
    towbar_shutdown();
    return err != 0;
}
