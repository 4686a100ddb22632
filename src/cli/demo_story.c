/* demo_story.c - see demo_story.h. The order is chosen so that the crash comes while no agent
 * lives: it must survive in the spool. */
#include "cli/demo_story.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "cli/print.h"
#include "cli/show.h"

enum { N_STEPS = 5, N_BEFORE_LOOK = 2, WIDTH = 68 };

/* ---- printing ---- */

static void step(const struct tb_demo *demo, int n, const char *who, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void step(const struct tb_demo *demo, int n, const char *who, const char *format, ...)
{
    char text[300];
    double seconds = (double)(tb_clock_mono_ns() - demo->start_ns) / TB_NS_PER_S;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    printf("  %s%d/%d%s %-8s %-*s %5.1f s\n", tb_ink(TB_INK_BOLD), n, N_STEPS, tb_ink(TB_INK_NONE),
           who, WIDTH, text, seconds);
    fflush(stdout);
}

static const char *command(const struct tb_demo *demo, const char *verb, char out[TB_CLI_COMMAND])
{
    struct tb_cli cli = {.self = demo->cli->self};
    cli.flags.state_dir = demo->config.state_dir;
    return tb_cli_command(&cli, verb, out);
}

static int wrong(const char *what, int got)
{
    fflush(stdout);
    if (got == -EINTR)
        fprintf(stderr, "towbar: the demo was interrupted\n");
    else
        fprintf(stderr, "towbar: demo: %s (%s%s%d)\n", what, got < 0 ? strerror(-got) : "",
                got < 0 ? ", " : "HTTP ", got);
    return got < 0 ? got : -EPROTO;
}

/* ---- waiting for what was stored ---- */

static int count_stored(const struct tb_demo *demo, struct tb_store_counts *out)
{
    struct tb_store *store = NULL;
    memset(out, 0, sizeof(*out));
    int err = tb_cli_store(&demo->config, &store);
    if (err == 0)
        err = tb_store_counts(store, out);
    tb_store_close(store);
    return err == -ENOENT ? 0 : err;
}

/* Everything that was asked for so far is stored, and sent if it is to be. */
static int all_is_stored(struct tb_demo *demo)
{
    struct tb_store_counts counts;
    if (tb_demo_ended(&demo->agent))
        return -ECHILD;
    int err = count_stored(demo, &counts);
    if (err < 0)
        return err;
    return counts.occurrences >= (int64_t)demo->n_requests &&
           (!demo->sends || counts.queued == 0 || counts.parked > 0);
}

static int one_is_stored(struct tb_demo *demo)
{
    struct tb_store_counts counts;
    if (tb_demo_ended(&demo->agent))
        return -ECHILD;
    int err = count_stored(demo, &counts);
    return err < 0 ? err : counts.occurrences > 0;
}

struct picture {
    int64_t item;
    int is_shown;
};

/* What was stored for one request: class, meaning, stack, trace. */
static int show_picture(void *arg, const struct tb_occurrence_row *row)
{
    struct picture *picture = arg;
    cJSON *data = cJSON_ParseWithLength(row->data, row->data_len);
    if (data == NULL)
        return 0;
    picture->item = row->item;
    picture->is_shown = 1;
    printf("        %s", tb_ink(TB_INK_BOLD));
    tb_print_what(data);
    printf("%s\n", tb_ink(TB_INK_NONE));
    tb_print_stack(data, "        ", 1);
    cJSON_Delete(data);
    return 0;
}

static int show(struct tb_demo *demo, const struct tb_demo_request *request)
{
    const struct tb_occurrence_filter filter = {.trace_id = request->trace_id, .max = 1};
    struct picture picture = {0};
    struct tb_store *store = NULL;
    int err = tb_cli_store(&demo->config, &store);
    if (err == 0)
        err = tb_store_occurrences(store, &filter, show_picture, &picture);
    tb_store_close(store);
    if (err >= 0 && !picture.is_shown)
        err = -ENOENT;
    if (err < 0)
        return wrong("what was stored cannot be read", err);
    printf("        trace %s   item %" PRId64 "\n", request->trace_id, picture.item);
    demo->crash_item = picture.item;
    return 0;
}

/* ---- the five steps ---- */

static int tell_agent(struct tb_demo *demo)
{
    int err = tb_demo_start_agent(demo);
    if (err == 0)
        step(demo, 1, "agent", "towbard up, socket ok, %s",
             demo->sends ? "sends to ROLLBAR_ENDPOINT" : "no Rollbar token: keeping errors here");
    return err;
}

static int tell_request(struct tb_demo *demo)
{
    int err = tb_demo_start_daemon(demo);
    if (err < 0)
        return err;
    int status =
        tb_demo_ask(demo, "andrew", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    if (status != 200)
        return wrong("feedd did not answer /feed?user=andrew with 200", status);
    step(demo, 2, "daemon", "feedd up, GET /feed?user=andrew: 200");
    return 0;
}

/* The agent is killed with work under way: of the last errors nothing says that it has seen them.
 */
static int tell_errors(struct tb_demo *demo)
{
    for (int i = 0; i < TB_DEMO_N_ERRORS; i++) {
        struct tb_demo_request *request = tb_demo_request(demo, "missing");
        int status = tb_demo_ask(demo, request->user, request->traceparent);
        if (status != 500)
            return wrong("feedd did not answer /feed?user=missing with 500", status);
        int err = i + 1 == N_BEFORE_LOOK ? tb_demo_wait(demo, one_is_stored) : 0;
        if (err < 0)
            return wrong("the agent did not store an error", err);
    }
    step(demo, 3, "errors", "GET /feed?user=missing, %d times: 500, feedd reported each",
         TB_DEMO_N_ERRORS);
    return show(demo, &demo->requests[0]);
}

/* One request that feedd does not survive. */
static int crash(struct tb_demo *demo, const char *user, const struct tb_demo_request **out)
{
    struct tb_demo_request *request = tb_demo_request(demo, user);
    int status = tb_demo_ask(demo, request->user, request->traceparent);
    if (status >= 0)
        return wrong("feedd should have crashed and answered", status);
    tb_demo_stop(&demo->feed_daemon, 0);
    if (WIFEXITED(demo->feed_daemon.status) && WEXITSTATUS(demo->feed_daemon.status) == 0)
        return wrong("feedd should have crashed and ended well", -EPROTO);
    *out = request;
    return 0;
}

static const char *death(const struct tb_demo_child *child)
{
    if (!WIFSIGNALED(child->status))
        return "as asked";
    return WTERMSIG(child->status) == SIGSEGV   ? "as asked, SIGSEGV"
           : WTERMSIG(child->status) == SIGABRT ? "as asked, SIGABRT"
                                                : "by another signal than expected";
}

static int tell_crashes(struct tb_demo *demo, const struct tb_demo_request **out)
{
    const struct tb_demo_request *unused;
    int err = crash(demo, "abort", &unused);
    if (err < 0 || (err = tb_demo_start_daemon(demo)) < 0)
        return err;
    tb_demo_stop(&demo->agent, SIGKILL);
    if ((err = crash(demo, "crash", out)) < 0)
        return err;
    step(demo, 4, "crash", "towbard killed; GET /feed?user=crash: feedd died (%s)",
         death(&demo->feed_daemon));
    return 0;
}

static int tell_stored(struct tb_demo *demo, const struct tb_demo_request *request)
{
    struct tb_store_counts counts;
    int err = tb_demo_start_agent(demo);
    if (err < 0)
        return err;
    err = tb_demo_wait(demo, all_is_stored);
    if (err < 0 && err != -EINTR) {
        (void)count_stored(demo, &counts);
        fprintf(stderr,
                "towbar: demo: of %zu reports %" PRId64 " are stored, %" PRId64 " of them wait\n",
                demo->n_requests, counts.occurrences, counts.queued);
    }
    if (err < 0)
        return wrong("not all that was reported was stored and sent", err);
    if ((err = count_stored(demo, &counts)) < 0)
        return wrong("the database cannot be read", err);
    step(demo, 5, "agent",
         "started again: %" PRId64 " items, %" PRId64 " of %zu reports stored%s: nothing lost",
         counts.items, counts.occurrences, demo->n_requests, demo->sends ? " and sent" : "");
    return show(demo, request);
}

int tb_demo_tell(struct tb_demo *demo)
{
    const struct tb_demo_request *last = NULL;
    int err;
    printf("%stowbar %s demo%s      everything below is in %s\n", tb_ink(TB_INK_BOLD),
           TOWBAR_VERSION, tb_ink(TB_INK_NONE), demo->dir);
    if ((err = tell_agent(demo)) || (err = tell_request(demo)) || (err = tell_errors(demo)) ||
        (err = tell_crashes(demo, &last)) || (err = tell_stored(demo, last)))
        return err;
    return 0;
}

/* ---- what next ---- */

void tb_demo_tell_next(struct tb_demo *demo, int is_check)
{
    char text[TB_CLI_COMMAND];
    char verb[64];
    const struct tb_demo_request *last = &demo->requests[demo->n_requests - 1];
    if (!is_check || demo->cli->keep) {
        printf("\n  Items   %s\n", command(demo, "items", text));
        snprintf(verb, sizeof(verb), "trace %s", last->trace_id);
        printf("  Trace   %s\n", command(demo, verb, text));
        snprintf(verb, sizeof(verb), "item %" PRId64, demo->crash_item);
        printf("  Bug     %s\n", command(demo, verb, text));
    }
    if (!is_check && tb_demo_start_daemon(demo) == 0)
        printf("  Try     curl '127.0.0.1:%u/feed?user=andrew'     or missing, crash, abort\n",
               demo->port);
    printf("\n  Next    #include <towbar/towbar.h>     towbar_init(NULL);\n"
           "          cc -g your.c $(pkg-config --cflags --libs towbar)     and run towbard\n");
    if (!demo->sends)
        printf("          export ROLLBAR_ACCESS_TOKEN=...  before towbard sends the same to "
               "Rollbar\n");
    if (is_check)
        printf("\n  Checked: stacks, sources, traces, counts: all as they must be.\n");
    else
        printf("\n  Ctrl-C stops it all%s.\n", demo->cli->keep ? "" : " and removes the folder");
    fflush(stdout);
}
