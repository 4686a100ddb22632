/* test_sigv4.c - signatures: every case that botocore signed, and the rules of AWS's own suite. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "sink/sigv4.h"
#include "vectors.h"

static struct tb_sink_request request;
static struct tb_buf canonical, names, to_sign;

static int set_up(void **state)
{
    (void)state;
    tb_buf_init(&canonical, 1 << 20);
    tb_buf_init(&names, 1 << 20);
    tb_buf_init(&to_sign, 1 << 20);
    return tb_sink_request_init(&request, "https://h/", 1 << 20);
}

static int tear_down(void **state)
{
    (void)state;
    tb_buf_done(&canonical);
    tb_buf_done(&names);
    tb_buf_done(&to_sign);
    tb_sink_request_done(&request);
    return 0;
}

static void start(const char *url, const char *body)
{
    tb_sink_request_done(&request);
    assert_int_equal(tb_sink_request_init(&request, url, 1 << 20), 0);
    tb_buf_adds(&request.body, body);
    tb_buf_reset(&canonical);
    tb_buf_reset(&names);
    tb_buf_reset(&to_sign);
}

static const char *text_of(const cJSON *json, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
    return text ? text : "";
}

/* The value of a header of the request, "" for none. */
static const char *header(const char *name)
{
    size_t len = strlen(name);
    for (const char *line = NULL; (line = tb_sink_next_header(&request, line)) != NULL;)
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 2;
    return "";
}

static int start_case(const cJSON *c)
{
    char url[512];
    const cJSON *line;
    const char *query = text_of(c, "query"); /* where it is not a part of path */
    (void)snprintf(url, sizeof(url), "https://%s%s%s%s", text_of(c, "host"), text_of(c, "path"),
                   query[0] != '\0' ? "?" : "", query);
    start(url, text_of(c, "body"));
    request.method = text_of(c, "method");
    cJSON_ArrayForEach(line, cJSON_GetObjectItemCaseSensitive(c, "headers"))
    {
        if (strcmp(line->string, "X-Amz-Security-Token") != 0)
            assert_int_equal(tb_sink_header(&request, "%s: %s", line->string, line->valuestring),
                             0);
    }
    return 0;
}

/* now_ms of "20261122T092741Z". */
static int64_t time_of(const char *date)
{
    struct tm tm = {0};
    assert_int_equal(sscanf(date, "%4d%2d%2dT%2d%2d%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                            &tm.tm_hour, &tm.tm_min, &tm.tm_sec),
                     6);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (int64_t)timegm(&tm) * 1000;
}

static void check_steps(const cJSON *c)
{
    unsigned char key[TB_SIGV4_HASH];
    char hex[TB_SIGV4_HEX];
    const struct tb_sigv4_scope scope = {.date = text_of(c, "x_amz_date"),
                                         .region = text_of(c, "region"),
                                         .service = text_of(c, "service")};
    assert_int_equal(tb_sigv4_canonical(&request, &canonical, &names), 0);
    assert_string_equal(tb_buf_str(&canonical), text_of(c, "canonical_request"));
    const char *hash = strrchr(tb_buf_str(&canonical), '\n');
    assert_string_equal(hash ? hash + 1 : "", text_of(c, "payload_sha256"));
    assert_int_equal(tb_sigv4_to_sign(&scope, &canonical, &to_sign), 0);
    assert_string_equal(tb_buf_str(&to_sign), text_of(c, "string_to_sign"));
    assert_int_equal(tb_sigv4_key(&scope, text_of(c, "secret_key"), key), 0);
    for (size_t i = 0; i < sizeof(key); i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", key[i]);
    assert_string_equal(hex, text_of(c, "signing_key_hex"));
    assert_int_equal(tb_sigv4_signature(key, &to_sign, hex), 0);
    assert_string_equal(hex, text_of(c, "signature"));
}

static void the_cases_of_botocore_have_its_signatures(void **state)
{
    (void)state;
    cJSON *json = vectors_json("sigv4.json");
    const cJSON *c;
    int n = 0;
    assert_non_null(json);
    cJSON_ArrayForEach(c, cJSON_GetObjectItemCaseSensitive(json, "cases"))
    {
        const cJSON *headers = cJSON_GetObjectItemCaseSensitive(c, "headers");
        const struct tb_sink_credentials credentials = {
            .key_id = text_of(c, "access_key"),
            .secret = text_of(c, "secret_key"),
            .session = text_of(headers, "X-Amz-Security-Token")};
        const struct tb_sink_target target = {.credentials = &credentials,
                                              .now_ms = time_of(text_of(c, "x_amz_date"))};
        start_case(c);
        assert_int_equal(
            tb_sigv4_sign(&request, &target, text_of(c, "region"), text_of(c, "service")), 0);
        assert_string_equal(header("X-Amz-Date"), text_of(c, "x_amz_date"));
        assert_string_equal(header("Authorization"), text_of(c, "authorization"));
        check_steps(c);
        n++;
    }
    assert_true(n > 0);
    cJSON_Delete(json);
}

/* line: 1 is the path, 2 the query, 3 on the headers. */
static void assert_line(int line, const char *expected)
{
    tb_buf_reset(&canonical);
    tb_buf_reset(&names);
    assert_int_equal(tb_sigv4_canonical(&request, &canonical, &names), 0);
    const char *at = tb_buf_str(&canonical);
    for (; line > 0; line--)
        at = strchr(at, '\n') + 1;
    assert_true(strncmp(at, expected, strlen(expected)) == 0);
    assert_int_equal(at[strlen(expected)], '\n');
}

static void a_path_has_one_form(void **state)
{
    static const char *const paths[][2] = {
        {"", "/"},
        {"/", "/"},
        {"//", "/"},
        {"/./", "/"},
        {"/example/..", "/"},
        {"/example1/example2/../..", "/"},
        {"/../../x", "/x"},
        {"/./example", "/example"},
        {"//example//", "/example/"},
        {"/a/./b//c/../d/", "/a/b/d/"},
        {"/example space/", "/example%20space/"},
        {"/example%20space/", "/example%2520space/"},
        {"/\xe1\x88\xb4", "/%E1%88%B4"},
        {"/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
         "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"},
        {"/a:b@c!$&'()*+,;=", "/a%3Ab%40c%21%24%26%27%28%29%2A%2B%2C%3B%3D"},
        {"/...", "/..."}};
    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char url[256];
        (void)snprintf(url, sizeof(url), "https://example.amazonaws.com%s", paths[i][0]);
        start(url, "");
        assert_line(1, paths[i][1]);
    }
}

static void a_query_is_sorted_and_encoded_once(void **state)
{
    static const char *const queries[][2] = {
        {"", ""},
        {"?", ""},
        {"?b=2&a=1", "a=1&b=2"},
        {"?a=2&a=1&a=", "a=&a=1&a=2"},
        {"?Param2=v&Param1=v&param1=V", "Param1=v&Param2=v&param1=V"},
        {"?a", "a="},
        {"?a=b=c", "a=b%3Dc"},
        {"?a=%7e&b=%e1%88%b4&c=%2f%2F", "a=~&b=%E1%88%B4&c=%2F%2F"},
        {"?\xe1\x88\xb4=bar", "%E1%88%B4=bar"},
        {"?a-b=2&a=1&a%20=3", "a=1&a%20=3&a-b=2"},
        {"?a=%&b=%4&c=%zz", "a=%25&b=%254&c=%25zz"},
        {"?a=1&&b=2&", "a=1&b=2"},
        {"?a=1#b=2", "a=1"},
        {"#a?b=2", ""}};
    (void)state;
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        char url[256];
        (void)snprintf(url, sizeof(url), "https://example.amazonaws.com/%s", queries[i][0]);
        start(url, "");
        assert_line(2, queries[i][1]);
    }
}

static void the_host_is_what_curl_sends(void **state)
{
    static const char *const urls[][2] = {
        {"https://h.example:443/x", "host:h.example"},
        {"http://h.example:80", "host:h.example"},
        {"http://h.example:443/", "host:h.example:443"},
        {"https://user:pass@h.example:8443/", "host:h.example:8443"},
        {"https://user:p%40ss@h.example", "host:h.example"},
        {"http://127.0.0.1:5000?a=1", "host:127.0.0.1:5000"},
        {"http://[::1]:5000/", "host:[::1]:5000"},
        {"http://[::1]/", "host:[::1]"},
        {"http://h.example:/", "host:h.example"}};
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        start(urls[i][0], "");
        assert_line(3, urls[i][1]);
    }
    start("udp://127.0.0.1:2000", "");
    assert_int_equal(tb_sigv4_canonical(&request, &canonical, &names), -EINVAL);
    start("https:///path", "");
    assert_int_equal(tb_sigv4_canonical(&request, &canonical, &names), -EINVAL);
}

static void headers_are_sorted_trimmed_and_joined(void **state)
{
    (void)state;
    start("https://h/", "");
    assert_int_equal(tb_sink_header(&request, "My-Header1: value4"), 0);
    assert_int_equal(tb_sink_header(&request, "My-Header: %s", "  a   b  c   "), 0);
    assert_int_equal(tb_sink_header(&request, "my-header1:value1"), 0);
    assert_int_equal(tb_sink_header(&request, "MY-HEADER2: \"a   b\""), 0);
    assert_int_equal(tb_sink_header(&request, "My-Header1: value3"), 0);
    assert_int_equal(tb_sink_header(&request, "Empty:"), 0);
    assert_line(3, "empty:\nhost:h\nmy-header:a b c\nmy-header1:value4,value1,value3\n"
                   "my-header2:\"a b\"\n\nempty;host;my-header;my-header1;my-header2");
}

static void what_proxies_change_is_not_signed(void **state)
{
    static const char *const lines[] = {
        "User-Agent: towbar", "Expect:",          "Connection: close", "Transfer-Encoding: chunked",
        "X-Amzn-Trace-Id: 1", "Authorization: x", "X-Amz-Date: 1"};
    (void)state;
    start("https://h/", "");
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_int_equal(tb_sink_header(&request, "%s", lines[i]), 0);
    assert_line(3, "host:h\nx-amz-date:1\n\nhost;x-amz-date");
}

static int sign(const struct tb_sink_credentials *credentials, const char *region)
{
    const struct tb_sink_target target = {.credentials = credentials, .now_ms = 1795339661999};
    start("https://h/", "");
    return tb_sigv4_sign(&request, &target, region, "logs");
}

static void what_cannot_be_signed_is_refused(void **state)
{
    static char long_secret[600];
    static char long_session[7000];
    (void)state;
    memset(long_secret, 'x', sizeof(long_secret) - 1);
    memset(long_session, 'x', sizeof(long_session) - 1);
    assert_int_equal(sign(&(struct tb_sink_credentials){"AKID", "s", ""}, "r"), 0);
    assert_string_equal(header("X-Amz-Date"), "20261122T092741Z");
    assert_string_equal(header("X-Amz-Security-Token"), "");
    assert_int_equal(sign(NULL, "r"), -EINVAL);
    assert_int_equal(sign(&(struct tb_sink_credentials){"", "s", ""}, "r"), -EINVAL);
    assert_int_equal(sign(&(struct tb_sink_credentials){"AKID", "", ""}, "r"), -EINVAL);
    assert_int_equal(sign(&(struct tb_sink_credentials){"A, B", "s", ""}, "r"), -EINVAL);
    assert_int_equal(sign(&(struct tb_sink_credentials){"AKID", "s", "a\nb"}, "r"), -EINVAL);
    assert_int_equal(sign(&(struct tb_sink_credentials){"AKID", "s", ""}, "r\n"), -EINVAL);
    assert_int_equal(sign(&(struct tb_sink_credentials){"AKID", "s", ""}, ""), -EINVAL);
    assert_int_equal(sign(&(struct tb_sink_credentials){"AKID", long_secret, ""}, "r"), -EINVAL);
    assert_int_equal(sign(&(struct tb_sink_credentials){"AKID", "s", long_session}, "r"), -EINVAL);
}

static void a_session_of_some_thousand_bytes_fits(void **state)
{
    static char session[4097];
    (void)state;
    memset(session, '/', sizeof(session) - 1);
    assert_int_equal(sign(&(struct tb_sink_credentials){"AKID", "s", session}, "ca-central-1"), 0);
    assert_string_equal(header("X-Amz-Security-Token"), session);
    assert_true(strstr(header("Authorization"), "host;x-amz-date;x-amz-security-token") != NULL);
}

static void more_than_the_bounds_is_refused(void **state)
{
    (void)state;
    start("https://h/", "");
    for (int i = 0; i < 65; i++)
        assert_int_equal(tb_sink_header(&request, "h%d: x", i), 0);
    assert_int_equal(tb_sigv4_canonical(&request, &canonical, &names), -EINVAL);
    char url[700] = "https://h/?";
    for (int i = 0; i < 65; i++)
        memcpy(url + strlen(url), "a&", 3);
    start(url, "");
    assert_int_equal(tb_sigv4_canonical(&request, &canonical, &names), -EINVAL);
}

static void a_service_has_its_address_in_each_region(void **state)
{
    static const char *const urls[][2] = {
        {"ca-central-1", "https://logs.ca-central-1.amazonaws.com/"},
        {"us-gov-west-1", "https://logs.us-gov-west-1.amazonaws.com/"},
        {"cn-north-1", "https://logs.cn-north-1.amazonaws.com.cn/"},
        {"us-iso-east-1", "https://logs.us-iso-east-1.c2s.ic.gov/"},
        {"us-isob-east-1", "https://logs.us-isob-east-1.sc2s.sgov.gov/"},
        {"eusc-de-east-1", "https://logs.eusc-de-east-1.amazonaws.eu/"}};
    static const char *const odd[] = {"", "a.b", "evil.example/", "UP", "a b", "a@b"};
    char url[128];
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        assert_int_equal(tb_sigv4_endpoint(urls[i][0], "logs", url, sizeof(url)), 0);
        assert_string_equal(url, urls[i][1]);
    }
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        assert_int_equal(tb_sigv4_endpoint(odd[i], "logs", url, sizeof(url)), -EINVAL);
    assert_int_equal(tb_sigv4_endpoint(NULL, "logs", url, sizeof(url)), -EINVAL);
    assert_int_equal(tb_sigv4_endpoint("ca-central-1", "logs", url, 20), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cases_of_botocore_have_its_signatures),
        cmocka_unit_test(a_path_has_one_form),
        cmocka_unit_test(a_query_is_sorted_and_encoded_once),
        cmocka_unit_test(the_host_is_what_curl_sends),
        cmocka_unit_test(headers_are_sorted_trimmed_and_joined),
        cmocka_unit_test(what_proxies_change_is_not_signed),
        cmocka_unit_test(what_cannot_be_signed_is_refused),
        cmocka_unit_test(a_session_of_some_thousand_bytes_fits),
        cmocka_unit_test(more_than_the_bounds_is_refused),
        cmocka_unit_test(a_service_has_its_address_in_each_region),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
