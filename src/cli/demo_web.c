/* demo_web.c - Cruddur's Flask backend in the demo: the real one, with pyrollbar unmodified, or
 * what pyrollbar sent when it was recorded. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "cli/client.h"
#include "cli/demo.h"
#include "cli/demo_story.h"

enum { RECORDED_MAX_BYTES = 16 << 10, HOST_BYTES = 256, TAIL_BYTES = 400 };

/* Where the backend is: in the checkout, or installed beside the tool. */
static const char *const places[] = {"../../samples/cruddur/backend-flask/app.py",
                                     "../share/towbar/cruddur/backend-flask/app.py"};

/* ---- the real one ---- */

static void set_environment(const struct tb_demo *demo)
{
    char endpoint[TB_DEMO_PAGE + 32];
    char feedd[64];
    snprintf(endpoint, sizeof(endpoint), "http://%s/api/1/", demo->page);
    snprintf(feedd, sizeof(feedd), "http://127.0.0.1:%u", demo->port);
    const char *const settings[][2] = {{"REPORTER", "pyrollbar"},
                                       {"ROLLBAR_ACCESS_TOKEN", "towbar"}, /* the agent's own */
                                       {"ROLLBAR_ENVIRONMENT", "demo"},
                                       {"TOWBAR_ENDPOINT", endpoint},
                                       {"TOWBAR_SERVICE", "backend-flask"},
                                       {"TOWBAR_VERSION", "demo"},
                                       {"FEEDD_URL", feedd},
                                       {"PORT", "0"}};
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        (void)setenv(settings[i][0], settings[i][1], 1);
    (void)unsetenv("PYTHONHOME");
    (void)unsetenv("PYTHONPATH");
}

/* TOWBAR_PYTHON, the environment that the scripts make beside the build, or the host's python3. */
static int find_python(char out[TB_DEMO_PATH])
{
    const char *named = getenv("TOWBAR_PYTHON");
    if (named != NULL && *named != '\0') {
        int len = snprintf(out, TB_DEMO_PATH, "%s", named);
        return len < TB_DEMO_PATH && access(out, X_OK) == 0 ? 0 : -ENOENT;
    }
    return tb_demo_beside("../venv/bin/python", X_OK, out) == 0 ? 0
                                                                : tb_demo_in_path("python3", out);
}

/* As its own path says it, so that Python's frames do. */
static int find_app(char out[TB_DEMO_PATH])
{
    char found[TB_DEMO_PATH];
    char whole[PATH_MAX];
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (tb_demo_beside(places[i], R_OK, found) < 0 || realpath(found, whole) == NULL)
            continue;
        return snprintf(out, TB_DEMO_PATH, "%s", whole) < TB_DEMO_PATH ? 0 : -ENAMETOOLONG;
    }
    return -ENOENT;
}

static int replay(struct tb_demo *demo, const char *why)
{
    snprintf(demo->why_no_web, sizeof(demo->why_no_web), "%s", why);
    return 0;
}

/* What it said last, "ModuleNotFoundError: No module named 'flask'", is why it did not come up. */
static int replay_after_its_words(struct tb_demo *demo, const char *python)
{
    char why[TB_DEMO_WHY];
    char path[TB_DEMO_PATH + 32];
    char tail[TAIL_BYTES];
    char last[TAIL_BYTES] = "";
    snprintf(path, sizeof(path), "%s/%s.log", demo->dir, demo->web.name);
    FILE *log = fopen(path, "re");
    while (log != NULL && fgets(tail, sizeof(tail), log) != NULL)
        if (tail[0] != '\n' && tail[0] != ' ')
            memcpy(last, tail, sizeof(last));
    if (log != NULL)
        fclose(log);
    last[strcspn(last, "\n")] = '\0';
    tb_demo_stop(&demo->web, SIGKILL);
    (void)snprintf(why, sizeof(why), "%.100s ended at once", python);
    return replay(demo, last[0] != '\0' ? last : why);
}

int tb_demo_start_web(struct tb_demo *demo)
{
    char python[TB_DEMO_PATH];
    char app[TB_DEMO_PATH];
    char line[128];
    if (find_app(app) < 0)
        return replay(demo, "samples/cruddur/backend-flask is not beside this program");
    if (find_python(python) < 0)
        return replay(demo, "there is no python3");
    demo->web.set_environment = set_environment;
    char *const argv[] = {python, (char[]){"-B"}, app, NULL};
    int err = tb_demo_start(demo, &demo->web, argv);
    if (err == 0)
        err = tb_demo_read_line(&demo->web, line, sizeof(line));
    const char *colon = err == 0 ? strrchr(line, ':') : NULL;
    demo->web_port = colon != NULL ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
    if (demo->web_port != 0)
        return 0;
    if (err == -EINTR) {
        fprintf(stderr, "towbar: the demo was interrupted\n");
        return err;
    }
    return replay_after_its_words(demo, python);
}

/* ---- the recorded one ---- */

/* Copies the recording, @NAME@ replaced by its value. */
static void fill_in(const char *const values[][2], size_t n_values, struct tb_buf *out)
{
    const char *at = tb_demo_recorded;
    while (*at != '\0') {
        size_t len = strcspn(at, "@");
        size_t i = 0;
        tb_buf_add(out, at, len);
        at += len;
        while (i < n_values && strncmp(at, values[i][0], strlen(values[i][0])) != 0)
            i++;
        if (i < n_values)
            tb_buf_adds(out, values[i][1]);
        else
            tb_buf_add(out, at, *at != '\0');
        at += i < n_values ? strlen(values[i][0]) : *at != '\0';
    }
}

/* The agent's answer: its HTTP status, or a negative errno. */
static int send_recorded(const struct tb_demo *demo, const char *traceparent)
{
    char url[TB_DEMO_PAGE + 32];
    char why[TB_CLIENT_WHY];
    char host[HOST_BYTES] = "";
    char uuid[TB_UUID_TEXT];
    char trace_id[TB_TRACE_ID_TEXT];
    char seconds[24];
    uint8_t id[TB_UUID_BYTES];
    struct tb_buf item;
    struct tb_buf body;
    tb_id_uuid(id);
    tb_id_uuid_text(id, uuid);
    (void)gethostname(host, sizeof(host) - 1);
    snprintf(trace_id, sizeof(trace_id), "%.32s", traceparent + strlen("00-"));
    snprintf(seconds, sizeof(seconds), "%" PRIu64, tb_clock_wall_ns() / TB_NS_PER_S);
    snprintf(url, sizeof(url), "http://%s/api/1/item/", demo->page);
    const char *const values[][2] = {{"@UUID@", uuid},
                                     {"@TIME@", seconds},
                                     {"@TRACEPARENT@", traceparent},
                                     {"@TRACE@", trace_id},
                                     {"@HOST@", host}};
    tb_buf_init(&item, RECORDED_MAX_BYTES);
    tb_buf_init(&body, TB_CLIENT_BODY_MAX);
    fill_in(values, sizeof(values) / sizeof(values[0]), &item);
    const struct tb_client_request request = {
        .url = url, .json = tb_buf_str(&item), .timeout_ms = TB_DEMO_WAIT_MS};
    int status = item.err != 0 ? item.err : tb_client_ask(&request, &body, why);
    tb_buf_done(&item);
    tb_buf_done(&body);
    return status;
}

int tb_demo_ask_web(struct tb_demo *demo, const char *user, const char *traceparent)
{
    char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/api/activities/home?user=%s", demo->web_port,
             user);
    if (demo->web_port != 0)
        return tb_demo_get(url, traceparent);
    int status = tb_demo_ask(demo, user, traceparent);
    if (status >= 0)
        return status;
    status = send_recorded(demo, traceparent);
    return status == 200 ? 500 : status; /* what Flask would have answered */
}
