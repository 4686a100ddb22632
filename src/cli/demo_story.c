/* demo_story.c - see demo_story.h. The order is chosen so that the agent is killed before it can
 * have done much with the request that matters, and a crash comes while no agent lives: what
 * survives is what was in the spool. */
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

enum { N_STEPS = 6, N_BEFORE_LOOK = 2, WIDTH = 68 };

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
    return counts.occurrences >= demo->n_reports &&
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

enum { PICTURES_MAX = 2 };

struct picture {
    int64_t items[PICTURES_MAX];
    int n_shown;
};

/* What was stored for one request: class, meaning, stack. */
static int show_picture(void *arg, const struct tb_occurrence_row *row)
{
    struct picture *picture = arg;
    cJSON *data = cJSON_ParseWithLength(row->data, row->data_len);
    if (data == NULL || picture->n_shown == PICTURES_MAX)
        return 0;
    picture->items[picture->n_shown++] = row->item;
    printf("        %s", tb_ink(TB_INK_BOLD));
    tb_print_what(data);
    printf("%s\n", tb_ink(TB_INK_NONE));
    (void)tb_print_stack(data, "        ", TB_STACK_SHORT);
    cJSON_Delete(data);
    return 0;
}

static int show(struct tb_demo *demo, const struct tb_demo_request *request)
{
    const struct tb_occurrence_filter filter = {.trace_id = request->trace_id, .max = PICTURES_MAX};
    struct picture picture = {0};
    struct tb_store *store = NULL;
    int err = tb_cli_store(&demo->config, &store);
    if (err == 0)
        err = tb_store_occurrences(store, &filter, show_picture, &picture);
    tb_store_close(store);
    if (err >= 0 && picture.n_shown == 0)
        err = -ENOENT;
    if (err < 0)
        return wrong("what was stored cannot be read", err);
    printf("        trace %s   item", request->trace_id);
    for (int i = 0; i < picture.n_shown; i++)
        printf("%s %" PRId64, i > 0 ? " and" : picture.n_shown > 1 ? "s" : "", picture.items[i]);
    printf("\n");
    demo->crash_item = picture.items[0];
    return 0;
}

/* ---- the six steps ---- */

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
    int err;
    if ((err = tb_demo_start_daemon(demo)) || (err = tb_demo_start_web(demo)))
        return err;
    int status =
        tb_demo_ask_web(demo, "andrew", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    if (status != 200)
        return wrong("the home feed of andrew was not answered with 200", status);
    if (demo->web_port != 0) {
        step(demo, 2, "cruddur", "Flask and feedd up, GET /api/activities/home: 200");
    } else {
        step(demo, 2, "cruddur", "feedd up, GET /feed?user=andrew: 200");
        printf("        no Flask here (%s);\n        what it would report is replayed from a "
               "recording\n",
               demo->why_no_web);
    }
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

/* feedd has crashed over a request: it ends, and not well. */
static int wait_for_death(struct tb_demo *demo)
{
    tb_demo_stop(&demo->feed_daemon, 0);
    if (WIFEXITED(demo->feed_daemon.status) && WEXITSTATUS(demo->feed_daemon.status) == 0)
        return wrong("feedd should have crashed and ended well", -EPROTO);
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

/* The request that matters: feedd dies of it, so Flask fails too. Both are in the spool when Flask
 * has answered, whatever becomes of the agent. */
static int tell_web(struct tb_demo *demo, const struct tb_demo_request **out)
{
    struct tb_demo_request *request = tb_demo_request(demo, "crash");
    request->is_web = 1;
    demo->n_reports++;
    int status = tb_demo_ask_web(demo, request->user, request->traceparent);
    tb_demo_stop(&demo->agent, SIGKILL);
    if (status != 500)
        return wrong("the home feed of crash should have failed with 500", status);
    int err = wait_for_death(demo);
    if (err < 0)
        return err;
    step(demo, 4, "request", "GET /api/activities/home?user=crash: 500, trace %.8s..%s",
         request->trace_id, request->trace_id + TB_TRACE_ID_TEXT - 1 - 6);
    printf("        feedd died (%s), Flask reported its own error%s; then towbard was killed\n",
           death(&demo->feed_daemon), demo->web_port != 0 ? "" : " (replayed)");
    *out = request;
    return 0;
}

static int tell_crash(struct tb_demo *demo)
{
    int err = tb_demo_start_daemon(demo);
    if (err < 0)
        return err;
    struct tb_demo_request *request = tb_demo_request(demo, "abort");
    int status = tb_demo_ask(demo, request->user, request->traceparent);
    if (status >= 0)
        return wrong("feedd should have crashed and answered", status);
    if ((err = wait_for_death(demo)) < 0)
        return err;
    step(demo, 5, "crash", "no agent; GET /feed?user=abort: feedd died (%s)",
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
                "towbar: demo: of %" PRId64 " reports %" PRId64 " are stored, %" PRId64
                " of them wait\n",
                demo->n_reports, counts.occurrences, counts.queued);
    }
    if (err < 0)
        return wrong("not all that was reported was stored and sent", err);
    if ((err = count_stored(demo, &counts)) < 0)
        return wrong("the database cannot be read", err);
    step(demo, 6, "agent",
         "started again: %" PRId64 " items, %" PRId64 " of %" PRId64
         " reports stored%s: nothing lost",
         counts.items, counts.occurrences, demo->n_reports, demo->sends ? " and sent" : "");
    return show(demo, request);
}

int tb_demo_tell(struct tb_demo *demo)
{
    int err;
    printf("%stowbar %s demo%s      everything below is in %s\n", tb_ink(TB_INK_BOLD),
           TOWBAR_VERSION, tb_ink(TB_INK_NONE), demo->dir);
    if ((err = tell_agent(demo)) || (err = tell_request(demo)) || (err = tell_errors(demo)) ||
        (err = tell_web(demo, &demo->shown)) || (err = tell_crash(demo)) ||
        (err = tell_stored(demo, demo->shown)))
        return err;
    return 0;
}

/* ---- what next ---- */

void tb_demo_tell_next(struct tb_demo *demo, int is_check)
{
    char text[TB_CLI_COMMAND];
    char verb[64];
    if (!is_check) {
        printf("\n  Items   http://%s/\n", demo->page);
        printf("  Trace   http://%s/trace/%s\n", demo->page, demo->shown->trace_id);
    }
    if (!is_check || demo->cli->keep) {
        snprintf(verb, sizeof(verb), "item %" PRId64, demo->crash_item);
        printf("  %s   %s\n", is_check ? "Bug  " : "or here", command(demo, verb, text));
    }
    if (!is_check && tb_demo_start_daemon(demo) == 0)
        printf("  Try     curl '127.0.0.1:%u%s?user=andrew'     or missing, crash, abort\n",
               demo->web_port != 0 ? demo->web_port : demo->port,
               demo->web_port != 0 ? "/api/activities/home" : "/feed");
    printf("\n  Next    #include <towbar/towbar.h>     towbar_init(NULL);\n"
           "          cc -g your.c $(pkg-config --cflags --libs towbar)     and run towbard\n"
           "          import towbar; towbar.init_app(app)     in Flask; or pyrollbar with\n"
           "          endpoint=\"http://127.0.0.1:7070/api/1/\": see docs/python.md\n");
    if (!demo->sends)
        printf("          export ROLLBAR_ACCESS_TOKEN=...  before towbard sends the same to "
               "Rollbar\n");
    if (is_check)
        printf("\n  Checked: stacks, sources, traces, counts, pages: all as they must be.\n");
    else
        printf("\n  Ctrl-C stops it all%s.\n", demo->cli->keep ? "" : " and removes the folder");
    fflush(stdout);
}
