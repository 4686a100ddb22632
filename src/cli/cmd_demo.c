/* cmd_demo.c - towbar demo: an agent, a daemon with three bugs, a Flask app that asks it,
 * and what comes of it.
 *
 * 1. Everything is in one temporary folder, on free ports, without root, account or settings.
 * 2. Nothing of it is left when it ends, on whatever path, unless --keep says so for the folder.
 * 3. The settings of the host are not used, so that nothing reaches a real project by accident:
 *    only ROLLBAR_ACCESS_TOKEN together with ROLLBAR_ENDPOINT is taken as a wish to send. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "cli/agent.h"
#include "cli/client.h"
#include "cli/demo.h"
#include "cli/demo_story.h"
#include "cli/print.h"

/* A Unix socket's path has 107 characters at most, and ours is 33 longer than the folder. */
enum { TMPDIR_MAX = 70 };

static int fail(const char *what, int err)
{
    fflush(stdout);
    if (err == -EINTR)
        fprintf(stderr, "towbar: the demo was interrupted\n");
    else
        fprintf(stderr, "towbar: demo: %s: %s\n", what, strerror(-err));
    return err;
}

/* ---- the folder and the programs ---- */

static int write_file(const struct tb_demo *demo, const char *name, const char *text)
{
    char path[TB_DEMO_PATH + 64];
    snprintf(path, sizeof(path), "%s/%s", demo->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    int err = tb_fd_write_all(fd, text, strlen(text));
    tb_fd_close(&fd);
    return err;
}

/* The feeds that feedd reads; "missing" is missing on purpose. */
static int write_feeds(const struct tb_demo *demo)
{
    char dir[TB_DEMO_PATH + 64];
    char too_long[256];
    int err;
    snprintf(dir, sizeof(dir), "%s/feeds", demo->dir);
    if (mkdir(dir, 0700) < 0)
        return -errno;
    memset(too_long, 'x', sizeof(too_long) - 2);
    memcpy(too_long + sizeof(too_long) - 2, "\n", 2);
    if ((err = write_file(demo, "feeds/andrew.feed", "Cloud is the sky for nerds.\n")) ||
        (err = write_file(demo, "feeds/crash.feed", "Gone soon.\n!clear\nNo ring to join.\n")) ||
        (err = write_file(demo, "feeds/abort.feed", too_long)))
        return err;
    return write_file(demo, "towbard.yaml", "environment: demo\n");
}

int tb_demo_beside(const char *relative, int mode, char out[TB_DEMO_PATH])
{
    char self[TB_DEMO_PATH];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash == NULL)
        return -ENOENT;
    *slash = '\0';
    len = snprintf(out, TB_DEMO_PATH, "%s/%s", self, relative);
    return len < TB_DEMO_PATH && access(out, mode) == 0 ? 0 : -ENOENT;
}

int tb_demo_in_path(const char *name, char out[TB_DEMO_PATH])
{
    const char *path = getenv("PATH");
    while (path != NULL && *path != '\0') {
        size_t len = strcspn(path, ":");
        int full = snprintf(out, TB_DEMO_PATH, "%.*s/%s", (int)len, path, name);
        if (len > 0 && full < TB_DEMO_PATH && access(out, X_OK) == 0)
            return 0;
        path += len + (path[len] == ':');
    }
    return -ENOENT;
}

static int find_programs(struct tb_demo *demo)
{
    if (tb_demo_beside("towbard", X_OK, demo->towbard) < 0 &&
        tb_demo_in_path("towbard", demo->towbard) < 0)
        return fail("towbard is neither beside this program nor in PATH", -ENOENT);
    if (tb_demo_beside("feedd", X_OK, demo->feedd) < 0 &&
        tb_demo_beside("../libexec/towbar/feedd", X_OK, demo->feedd) < 0)
        return fail("the sample daemon feedd is neither beside this program nor in "
                    "../libexec/towbar",
                    -ENOENT);
    return 0;
}

static int is_set(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0';
}

/* The settings of the demo's agent, as this program sees them. */
static int settle(struct tb_demo *demo)
{
    char file[TB_DEMO_PATH + 32];
    char spool[TB_DEMO_PATH + 32];
    char state[TB_DEMO_PATH + 32];
    char socket[TB_DEMO_PATH + 32];
    char why[TB_CONFIG_WHY] = "";
    snprintf(file, sizeof(file), "%s/towbard.yaml", demo->dir);
    snprintf(spool, sizeof(spool), "%s/spool", demo->dir);
    snprintf(state, sizeof(state), "%s/state", demo->dir);
    snprintf(socket, sizeof(socket), "%s/towbard.sock", demo->dir);
    const struct tb_config_flags flags = {.file = file,
                                          .spool = spool,
                                          .state_dir = state,
                                          .socket = socket,
                                          .listen = "127.0.0.1:0"};
    int err = tb_config_load(&flags, &demo->config, why);
    demo->has_config = err == 0;
    return err == 0 ? 0 : fail(why, err);
}

static int prepare(struct tb_demo *demo)
{
    const char *base = getenv("TMPDIR");
    if (base == NULL || *base != '/' || strlen(base) > TMPDIR_MAX)
        base = "/tmp";
    snprintf(demo->dir, sizeof(demo->dir), "%s/towbar-demo.XXXXXX", base);
    if (mkdtemp(demo->dir) == NULL) {
        int err = -errno;
        demo->dir[0] = '\0';
        return fail("cannot make a folder in $TMPDIR or /tmp", err);
    }
    int err = write_feeds(demo);
    if (err < 0)
        return fail("cannot write the feeds", err);
    return settle(demo);
}

/* ---- the agent and the daemon ---- */

static int agent_answers(struct tb_demo *demo)
{
    struct tb_agent_answer answer;
    if (tb_demo_ended(&demo->agent))
        return -ECHILD;
    tb_agent_ask(&demo->config, &answer);
    int is_up = answer.is_up;
    tb_agent_answer_done(&answer);
    return is_up;
}

/* What was bound the first time is asked for again when the agent is started again: Flask and
 * whoever has a page open know it by that address. */
static int keep_address(struct tb_demo *demo)
{
    struct tb_agent_answer answer;
    tb_agent_ask(&demo->config, &answer);
    int len = snprintf(demo->page, sizeof(demo->page), "%s", answer.is_up ? answer.listen : "");
    tb_agent_answer_done(&answer);
    if (len <= 0 || len >= (int)sizeof(demo->page))
        return -EPROTO;
    char *listen = strdup(demo->page);
    if (listen == NULL)
        return -ENOMEM;
    free(demo->config.listen);
    demo->config.listen = listen;
    return 0;
}

int tb_demo_start_agent(struct tb_demo *demo)
{
    char *const argv[] = {demo->towbard,          (char[]){"--config"}, demo->config.file,
                          (char[]){"--spool"},    demo->config.spool,   (char[]){"--state-dir"},
                          demo->config.state_dir, (char[]){"--socket"}, demo->config.socket,
                          (char[]){"--listen"},   demo->config.listen,  NULL};
    int err = tb_demo_start(demo, &demo->agent, argv);
    if (err == 0)
        err = tb_demo_wait(demo, agent_answers);
    if (err == 0)
        err = keep_address(demo);
    return err == 0 ? 0 : fail("towbard does not come up", err);
}

int tb_demo_start_daemon(struct tb_demo *demo)
{
    char feeds[TB_DEMO_PATH + 32];
    char line[128];
    snprintf(feeds, sizeof(feeds), "%s/feeds", demo->dir);
    char port[16];
    snprintf(port, sizeof(port), "%u", demo->port); /* 0 the first time: a free one */
    char *const argv[] = {demo->feedd, port, feeds, NULL};
    int err = tb_demo_start(demo, &demo->feed_daemon, argv);
    if (err == 0)
        err = tb_demo_read_line(&demo->feed_daemon, line, sizeof(line));
    const char *colon = err == 0 ? strrchr(line, ':') : NULL;
    demo->port = colon != NULL ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
    if (err == 0 && demo->port == 0)
        err = -EPROTO;
    return err == 0 ? 0 : fail("feedd does not come up", err);
}

/* ---- requests ---- */

int tb_demo_get(const char *url, const char *traceparent)
{
    char header[128];
    char why[TB_CLIENT_WHY];
    struct tb_buf body;
    snprintf(header, sizeof(header), "traceparent: %s", traceparent);
    const struct tb_client_request request = {
        .url = url, .header = header, .timeout_ms = TB_DEMO_WAIT_MS};
    tb_buf_init(&body, TB_CLIENT_BODY_MAX);
    int status = tb_client_ask(&request, &body, why);
    tb_buf_done(&body);
    return status;
}

int tb_demo_ask(struct tb_demo *demo, const char *user, const char *traceparent)
{
    char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/feed?user=%s", demo->port, user);
    return tb_demo_get(url, traceparent);
}

struct tb_demo_request *tb_demo_request(struct tb_demo *demo, const char *user)
{
    struct tb_trace trace = {.flags = 1};
    struct tb_demo_request *request = &demo->requests[demo->n_requests++];
    tb_id_random(trace.trace_id, sizeof(trace.trace_id));
    tb_id_random(trace.span_id, sizeof(trace.span_id));
    trace.trace_id[0] |= 1; /* all zeros mean "none" */
    trace.span_id[0] |= 1;
    demo->n_reports++;
    request->user = user;
    tb_traceparent_text(&trace, request->traceparent);
    tb_trace_id_text(trace.trace_id, request->trace_id);
    tb_span_id_text(trace.span_id, request->span_id);
    return request;
}

/* ---- the whole ---- */

/* The last lines of what a child said on stderr, so that a failure explains itself. */
static void show_log(const struct tb_demo *demo, const char *name)
{
    enum { TAIL_BYTES = 2000 };
    char path[TB_DEMO_PATH + 32];
    char tail[TAIL_BYTES + 1];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s.log", demo->dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    int64_t size = fstat(fd, &st) == 0 ? st.st_size : 0;
    ssize_t len = tb_fd_pread_all(fd, tail, TAIL_BYTES,
                                  size > TAIL_BYTES ? (uint64_t)(size - TAIL_BYTES) : 0);
    tail[len > 0 ? len : 0] = '\0';
    if (len > 0)
        fprintf(stderr, "---- %s said ----\n%s", name, tail);
    tb_fd_close(&fd);
}

static int run(struct tb_demo *demo, int is_check)
{
    int err;
    if ((err = find_programs(demo)) || (err = prepare(demo)) || (err = tb_demo_tell(demo)))
        return err;
    int n_wrong = is_check ? tb_demo_verify(demo) : 0;
    if (n_wrong > 0) {
        fprintf(stderr, "towbar: demo: %d thing%s wrong\n", n_wrong, n_wrong == 1 ? "" : "s");
        return -EBADMSG;
    }
    tb_demo_tell_next(demo, is_check);
    if (!is_check)
        tb_demo_wait_for_end();
    return 0;
}

int tb_cmd_demo(struct tb_cli *cli)
{
    static struct tb_demo demo;
    const int is_check = cli->check || !isatty(STDOUT_FILENO);
    memset(&demo, 0, sizeof(demo));
    demo.cli = cli;
    demo.start_ns = tb_clock_mono_ns();
    demo.agent = (struct tb_demo_child){.name = "towbard", .output_fd = -1};
    demo.feed_daemon = (struct tb_demo_child){.name = "feedd", .output_fd = -1};
    demo.web = (struct tb_demo_child){.name = "flask", .output_fd = -1};
    demo.sends = is_set("ROLLBAR_ACCESS_TOKEN") && is_set("ROLLBAR_ENDPOINT");
    tb_demo_catch_signals();
    int err = run(&demo, is_check);
    tb_demo_stop(&demo.web, SIGTERM);
    tb_demo_stop(&demo.feed_daemon, SIGTERM);
    tb_demo_stop(&demo.agent, SIGTERM);
    if (err < 0 && err != -EINTR && demo.dir[0] != '\0') {
        show_log(&demo, "towbard");
        show_log(&demo, "feedd");
        show_log(&demo, "flask");
    }
    if (demo.has_config)
        tb_config_done(&demo.config);
    if (tb_demo_is_over())
        printf("\nStopped.\n"); /* the terminal has written ^C */
    if (demo.dir[0] != '\0' && cli->keep)
        printf("Everything is kept in %s\n", demo.dir);
    else if (demo.dir[0] != '\0')
        tb_demo_remove(demo.dir);
    return err < 0 ? TB_EXIT_WRONG : TB_EXIT_WELL;
}
