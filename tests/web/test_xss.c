/* test_xss.c - a hostile report: markup in every field that a stranger can set, on every page. */
#include "site.h"

#include "base/json.h"

/* Each is text; JSON escapes are written by the test. */
static const char *const CORPUS[] = {
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</title><script>alert(1)</script>",
    "</pre></details></table><svg/onload=alert(1)>",
    "javascript:alert(1)",
    "//evil.example/x",
    "<!--",
    "]]><script>",
    "&lt;script&gt;&#x3c;",
    "\x1b]0;owned\x07\x1b[2J",
    "\xe2\x80\xae-drow\xe2\x80\x8b",
    "\xff\xfe<b>",
    "%h%n%s%r",
    "a\r\nSet-Cookie: x=y\n\n# heading\n```\n<b>",
    "{{7*7}}${7*7}",
    "<a href='jav&#x09;ascript:x'>",
    "\" style=\"position:fixed",
};
enum { N_CORPUS = sizeof(CORPUS) / sizeof(CORPUS[0]), DATA_BYTES = 64 << 10 };

static const char TRACE[] = "4bf92f3577b34da6a3ce929d0e0e4736";

/* One level of an object: every key of the list, and the text itself as a key. */
static void put_members(struct tb_json *j, const char *keys, const char *text)
{
    char key[64];
    tb_json_object(j);
    for (const char *at = keys; *at != '\0';) {
        size_t len = strcspn(at, " ");
        memcpy(key, at, len);
        key[len] = '\0';
        tb_json_kstr(j, key, text);
        at += len;
        at += *at == ' ';
    }
    tb_json_kstr(j, text, text);
}

static void put_object(struct tb_json *j, const char *name, const char *keys, const char *text)
{
    tb_json_key(j, name);
    put_members(j, keys, text);
    tb_json_end(j);
}

static void put_frames(struct tb_json *j, const char *text)
{
    tb_json_key(j, "frames");
    tb_json_array(j);
    for (int i = 0; i < 3; i++) {
        put_members(j, "filename method code address module module_offset build_id trust", text);
        tb_json_kint(j, "lineno", i * 100000);
        tb_json_kbool(j, "in_app", i != 1);
        put_object(j, "locals", "self", text);
        put_object(j, "kwargs", "k", text);
        tb_json_key(j, "args");
        tb_json_array(j);
        tb_json_str(j, text);
        tb_json_end(j);
        tb_json_key(j, "context");
        tb_json_object(j);
        for (int k = 0; k < 2; k++) {
            tb_json_key(j, k == 0 ? "pre" : "post");
            tb_json_array(j);
            tb_json_str(j, text);
            tb_json_end(j);
        }
        tb_json_end(j);
        tb_json_end(j);
    }
    tb_json_end(j);
}

static void put_body(struct tb_json *j, const char *text, int is_chain)
{
    tb_json_key(j, "body");
    tb_json_object(j);
    tb_json_key(j, is_chain ? "trace_chain" : "trace");
    if (is_chain)
        tb_json_array(j);
    for (int i = 0; i < 1 + is_chain; i++) {
        tb_json_object(j);
        put_object(j, "exception", "class message description", text);
        put_frames(j, text);
        tb_json_end(j);
    }
    if (is_chain)
        tb_json_end(j);
    tb_json_key(j, "telemetry");
    tb_json_array(j);
    put_members(j, "type level source", text);
    tb_json_kint(j, "timestamp_ms", SITE_NOW_MS);
    put_object(j, "body", "message", text);
    tb_json_end(j);
    put_members(j, "type level", text);
    put_object(j, "body", "method url status_code", text);
    tb_json_end(j);
    tb_json_end(j);
    tb_json_end(j);
}

static void put_native(struct tb_json *j, const char *text)
{
    tb_json_key(j, "native");
    put_members(j, "signal code address meaning abort_message unwound_by symbols handler_ns", text);
    put_object(j, "registers", "rax", text);
    put_object(j, "thread", "tid name", text);
    put_object(j, "sender", "pid uid", text);
    put_object(j, "exception", "type mangled what", text);
    put_object(j, "syscall", "number name arch", text);
    for (int i = 0; i < 2; i++) {
        tb_json_key(j, i == 0 ? "mappings" : "unloaded");
        tb_json_array(j);
        put_members(j, "lo hi rights offset path", text);
        tb_json_end(j);
        tb_json_end(j);
    }
    tb_json_kstr(j, "threads_note", text);
    tb_json_key(j, "threads");
    tb_json_array(j);
    tb_json_object(j);
    for (int k = 0; k < 2; k++) {
        tb_json_key(j, k == 0 ? "tids" : "names");
        tb_json_array(j);
        tb_json_str(j, text);
        tb_json_str(j, text);
        tb_json_end(j);
    }
    put_frames(j, text);
    tb_json_kbool(j, "cut", true);
    tb_json_end(j);
    tb_json_end(j);
    tb_json_key(j, "modules");
    tb_json_array(j);
    put_members(j, "name path build_id symbols note", text);
    tb_json_end(j);
    tb_json_end(j);
    tb_json_end(j);
}

static void hostile_data(const char *text, int is_chain, char out[DATA_BYTES])
{
    struct tb_json j;
    tb_json_init(&j, out, DATA_BYTES);
    put_members(&j, "title level environment platform language framework context code_version uuid",
                text);
    put_object(&j, "server", "host root branch pid", text);
    put_object(&j, "notifier", "name version", text);
    put_object(&j, "person", "id username email", text);
    tb_json_key(&j, "request");
    put_members(&j, "method url user_ip query_string body", text);
    put_object(&j, "headers", "User-Agent Traceparent", text);
    put_object(&j, "GET", "q", text);
    tb_json_end(&j);
    tb_json_key(&j, "custom");
    put_members(&j, "trace_id span_id service occurred_at", text);
    put_object(&j, "scope", "user", text);
    if (!is_chain)
        put_native(&j, text);
    tb_json_end(&j);
    put_body(&j, text, is_chain);
    tb_json_end(&j);
    assert_int_equal(tb_json_finish(&j), 0);
}

/* Item 2n + 1 and 2n + 2 are hostile in their columns and bodies; the first of each pair is in
 * TRACE, the second in a trace whose id is hostile too. */
static void fill(struct site *site)
{
    static char data[DATA_BYTES];
    char inputs[2048];
    char uuid[37];
    for (size_t i = 0; i < 2 * N_CORPUS; i++) {
        const char *text = CORPUS[i / 2];
        struct tb_json j;
        hostile_data(text, i % 2 == 1, data);
        tb_json_init(&j, inputs, sizeof(inputs));
        put_members(&j, "by class text why", text);
        tb_json_end(&j);
        assert_int_equal(tb_json_finish(&j), 0);
        (void)snprintf(uuid, sizeof(uuid), "%zu%.33s", i, text);
        struct tb_occurrence one = site_occurrence(uuid, data);
        one.title = one.environment = one.service = one.framework = one.level = text;
        one.span_id = text;
        one.group_inputs = inputs;
        one.trace_id = i % 2 == 0 ? TRACE : text;
        one.xray_trace_id = text;
        site_add(site, &one);
    }
}

static int make_hostile(void **state)
{
    (void)site_make(state);
    fill(*state);
    return 0;
}

static void the_list_shows_it_as_text(void **state)
{
    struct site *site = *state;
    const char *page = site_page(site, "/");
    site_has(page, "&lt;script&gt;alert(1)&lt;/script&gt;");
    (void)site_page(site, "/?sort=most&q=script");
    (void)site_page(site, "/traces");
}

static void each_item_shows_it_as_text(void **state)
{
    struct site *site = *state;
    char address[64];
    for (size_t i = 1; i <= 2 * N_CORPUS; i++) {
        (void)snprintf(address, sizeof(address), "/items/%zu", i);
        const char *page = site_page(site, address);
        if (i == 1)
            site_has(page, "&lt;script&gt;alert(1)&lt;/script&gt;");
    }
}

static void the_trace_shows_it_as_text(void **state)
{
    struct site *site = *state;
    char address[64];
    (void)snprintf(address, sizeof(address), "/trace/%s", TRACE);
    site_has(site_page(site, address), "&lt;script&gt;alert(1)&lt;/script&gt;");
}

static void twins_hold_no_control_characters(void **state)
{
    struct site *site = *state;
    static const char *const TWINS[] = {"txt", "md"};
    char address[64];
    for (size_t i = 1; i <= 2 * N_CORPUS; i++)
        for (size_t t = 0; t < 2; t++) {
            (void)snprintf(address, sizeof(address), "/items/%zu.%s", i, TWINS[t]);
            const char *text = site_visit(site, address);
            assert_int_equal(site->reply.status, 200);
            for (const char *c = text; *c != '\0'; c++)
                if ((unsigned char)*c < ' ' && *c != '\n' && *c != '\t')
                    fail_msg("%s holds byte %d", address, *c);
            /* Only our own block ends a block: a fence stands alone on its line. */
            for (const char *fence = strstr(text, "```"); fence; fence = strstr(fence + 3, "```"))
                assert_true(t == 0 || strncmp(fence, "```text\n", 8) == 0 ||
                            strncmp(fence - 1, "\n```\n", 5) == 0 || fence[-1] != '\n');
        }
}

/* What the visitor types is as hostile as a report. */
static void addresses_are_text_too(void **state)
{
    struct site *site = *state;
    static const char *const ADDRESSES[] = {
        "/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&sort=%22x&show=%3Cb%3E&page=%3C",
        "/?q=%00%ff%c3%28%1b",
        "/?show=new&q='onfocus='x",
    };
    for (size_t i = 0; i < sizeof(ADDRESSES) / sizeof(ADDRESSES[0]); i++)
        (void)site_page(site, ADDRESSES[i]);
    static const char *const MISSING[] = {"/items/<script>", "/items/1.<b>",
                                          "/trace/<script>", "/items/1?occurrence=<script>",
                                          "/trace/%s%n",     "/items/99999999999999999999"};
    for (size_t i = 0; i < sizeof(MISSING) / sizeof(MISSING[0]); i++) {
        const char *page = site_visit(site, MISSING[i]);
        assert_int_equal(site->reply.status, 404);
        site_check_html(page);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_shows_it_as_text),
        cmocka_unit_test(each_item_shows_it_as_text),
        cmocka_unit_test(the_trace_shows_it_as_text),
        cmocka_unit_test(twins_hold_no_control_characters),
        cmocka_unit_test(addresses_are_text_too),
    };
    return cmocka_run_group_tests(tests, make_hostile, site_drop);
}
