/* demo_check_web.c - Flask's side of the demo: its error has the trace of feedd's crash, and the
 * agent's pages show both. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/client.h"
#include "cli/demo_verify.h"
#include "cli/print.h"

int tb_demo_is_web(const cJSON *data)
{
    return strcmp(tb_json_text(data, "framework"), "flask") == 0;
}

/* The exception that Flask ended with, and the one that it came from. */
static void verify_chain(struct tb_demo_verifier *v, const cJSON *data)
{
    const cJSON *chain = tb_json_at(data, "body.trace_chain");
    const cJSON *cause = cJSON_GetArrayItem(chain, 1);
    const cJSON *frame = tb_print_blamed(tb_print_frames(data), tb_json_text(data, "server.root"));
    const char *file = tb_json_text(frame, "filename");
    if (strcmp(tb_print_class(data), "FeedUnavailable") != 0)
        tb_demo_wrong(v, "its class is %s, not FeedUnavailable", tb_print_class(data));
    if (cause == NULL)
        tb_demo_wrong(v, "the exception that it came from is missing");
    if (strstr(file, "services/feedd.py") == NULL)
        tb_demo_wrong(v, "its place is %s, not services/feedd.py", file);
    if (strstr(tb_json_text(frame, "code"), "raise FeedUnavailable") == NULL)
        tb_demo_wrong(v, "the source line is \"%s\"", tb_json_text(frame, "code"));
}

void tb_demo_verify_web(struct tb_demo_verifier *v, const cJSON *data,
                        const struct tb_demo_request *request)
{
    v->n_of_web++;
    v->subject = "flask";
    tb_demo_want(v, data, "custom.trace_id", request->trace_id);
    tb_demo_want(v, data, "custom.span_id", request->span_id);
    tb_demo_want(v, data, "custom.service", "backend-flask");
    tb_demo_want(v, data, "level", "error");
    tb_demo_want(v, data, "environment", "demo");
    tb_demo_want(v, data, "context", "/api/activities/home");
    tb_demo_want(v, data, "notifier.name", "pyrollbar");
    if (strcmp(tb_demo_attribute(data, "trace_id"), request->trace_id) != 0)
        tb_demo_wrong(v, "attributes.trace_id is \"%s\", not \"%s\"",
                      tb_demo_attribute(data, "trace_id"), request->trace_id);
    verify_chain(v, data);
}

/* The first place of the text in the page, or NULL, which is wrong. */
static const char *find(struct tb_demo_verifier *v, const struct tb_buf *page, const char *text)
{
    const char *at = strstr(tb_buf_str(page), text);
    if (at == NULL)
        tb_demo_wrong(v, "\"%s\" is not on it", text);
    return at;
}

static int get_page(struct tb_demo_verifier *v, const char *path, struct tb_buf *page)
{
    char url[TB_DEMO_PAGE + 96];
    char why[TB_CLIENT_WHY] = "";
    snprintf(url, sizeof(url), "http://%s%s", v->demo->page, path);
    const struct tb_client_request request = {.url = url, .timeout_ms = TB_DEMO_WAIT_MS};
    tb_buf_reset(page);
    int status = tb_client_ask(&request, page, why);
    if (status != 200)
        tb_demo_wrong(v, "it answers with %d %s", status, why);
    return status == 200 ? 0 : -1;
}

void tb_demo_verify_pages(struct tb_demo_verifier *v)
{
    char path[64];
    struct tb_buf page;
    tb_buf_init(&page, TB_CLIENT_BODY_MAX);
    v->subject = "the page of the items";
    if (get_page(v, "/", &page) == 0) {
        (void)find(v, &page, "SIGSEGV in queue_push");
        (void)find(v, &page, "FeedUnavailable");
    }
    v->subject = "the page of the trace";
    snprintf(path, sizeof(path), "/trace/%s", v->demo->shown->trace_id);
    if (get_page(v, path, &page) == 0) {
        const char *crash = find(v, &page, "SIGSEGV in queue_push");
        const char *web = find(v, &page, "FeedUnavailable");
        if (find(v, &page, "First failure") != NULL && crash != NULL && web != NULL && crash > web)
            tb_demo_wrong(v, "Flask's error stands before feedd's crash");
    }
    tb_buf_done(&page);
    v->subject = "the trace";
    if (v->crash_ns > v->web_ns)
        tb_demo_wrong(v, "Flask's error is %.1f ms older than feedd's crash",
                      (double)(v->crash_ns - v->web_ns) / 1e6);
}
