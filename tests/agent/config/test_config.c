/* The settings: defaults, file, environment, flags, and what is said about bad ones. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent/config/config.h"
#include "agent/config/config_check.h"
#include "../support/folder.h"

static const char *const variables[] = {
    "ROLLBAR_ACCESS_TOKEN", "ROLLBAR_ENDPOINT", "ROLLBAR_ENVIRONMENT", "TOWBAR_SPOOL",
    "TOWBAR_SOCKET",        "XDG_STATE_HOME",   "XDG_RUNTIME_DIR",     "XDG_CONFIG_HOME"};

static int begin(void **state)
{
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
    return make_test_folder(state);
}

/* The settings of a file with that text; NULL when they are refused, with why. */
static struct tb_config *load(const char *text, char why[TB_CONFIG_WHY])
{
    static struct tb_config config;
    const struct tb_config_flags flags = {.file = put_file("towbard.yaml", text)};
    why[0] = '\0';
    tb_config_done(&config);
    return tb_config_load(&flags, &config, why) == 0 ? &config : NULL;
}

static void without_a_word_the_defaults_count(void **state)
{
    char why[TB_CONFIG_WHY];
    (void)state;
    const struct tb_config *c = load("", why);
    assert_non_null(c);
    assert_string_equal(c->environment, "production");
    assert_string_equal(c->listen, "127.0.0.1:7070");
    assert_string_equal(c->endpoint, "https://api.rollbar.com/api/1/item/");
    assert_string_equal(c->token, "");
    assert_string_equal(c->token_from, "");
    assert_int_equal(c->timeout_ms, 15000);
    assert_int_equal(c->retry_min_ms, 1000);
    assert_int_equal(c->retry_max_ms, 300000);
    assert_int_equal(c->connections, 8);
    assert_int_equal(c->context_lines, 3);
    assert_int_equal(c->cache_bytes, 512 << 20);
    assert_int_equal(c->n_debuginfod, 0);
    assert_int_equal(c->debuginfod_timeout_ms, 5000);
    assert_int_equal(c->user_budget_ms, 10000);
    assert_int_equal(c->max_bytes, 512 << 20);
    assert_int_equal(c->store_max_bytes, 1 << 30);
    assert_int_equal(c->max_percent, 5);
    assert_int_equal(c->keep_free_percent, 5);
    assert_int_equal(c->uid_percent, 25);
    assert_int_equal(c->max_age_hours[0], 2160);
    assert_int_equal(c->max_age_hours[1], 336);
    assert_int_equal(c->max_age_hours[2], 72);
    assert_int_equal(c->max_age_hours[3], 24);
    if (geteuid() == 0) {
        assert_string_equal(c->spool, "/var/spool/towbar");
        assert_string_equal(c->state_dir, "/var/lib/towbar");
        assert_string_equal(c->socket, "/run/towbar/towbard.sock");
        assert_int_equal(c->shared_spool, 1);
    }
}

static void every_key_of_the_file_arrives(void **state)
{
    char why[TB_CONFIG_WHY];
    (void)state;
    const struct tb_config *c =
        load("environment: staging\nspool: /s\nstate_dir: /st\nsocket: /so\nlisten: '[::1]:0'\n"
             "rollbar:\n  access_token: abc\n  endpoint: http://h/item/\n  timeout_ms: 200\n"
             "  retry_min_ms: 2\n  retry_max_ms: 3\n  connections: 4\n"
             "scrub: {keys: [iban, pin]}\n"
             "symbols: {source_roots: [/src], debug_dirs: [/d1, /d2], context_lines: 0,"
             " debuginfod: ['https://d.example/x', 'http://[::1]:8002'],"
             " debuginfod_timeout_ms: 700,\n"
             " cache_bytes: 0, user_budget_ms: 600, in_app: ['*/ours/*'],"
             " library: [/opt/a/*, /opt/b/*]}\n"
             "store: {max_bytes: 7000000000}\n"
             "spool_limits: {max_bytes: 5000000000, max_percent: 10, keep_free_percent: 0,"
             " uid_percent: 50, max_age_hours: {crash: 4, error: 3, warning: 2, info: 1}}\n",
             why);
    assert_non_null(c);
    assert_string_equal(c->environment, "staging");
    assert_string_equal(c->spool, "/s");
    assert_string_equal(c->state_dir, "/st");
    assert_string_equal(c->socket, "/so");
    assert_string_equal(c->listen, "[::1]:0");
    assert_string_equal(c->token, "abc");
    assert_string_equal(c->token_from, c->file);
    assert_string_equal(c->endpoint, "http://h/item/");
    assert_int_equal(c->timeout_ms, 200);
    assert_int_equal(c->retry_min_ms, 2);
    assert_int_equal(c->retry_max_ms, 3);
    assert_int_equal(c->connections, 4);
    assert_int_equal(c->n_scrub_keys, 2);
    assert_string_equal(c->scrub_keys[1], "pin");
    assert_int_equal(c->n_source_roots, 1);
    assert_int_equal(c->n_debug_dirs, 2);
    assert_string_equal(c->debug_dirs[1], "/d2");
    assert_int_equal(c->context_lines, 0);
    assert_int_equal(c->rules.n_in_app, 1);
    assert_string_equal(c->rules.in_app[0], "*/ours/*");
    assert_int_equal(c->rules.n_library, 2);
    assert_string_equal(c->rules.library[1], "/opt/b/*");
    assert_int_equal(c->cache_bytes, 0);
    assert_int_equal(c->n_debuginfod, 2);
    assert_string_equal(c->debuginfod[0], "https://d.example/x");
    assert_string_equal(c->debuginfod[1], "http://[::1]:8002");
    assert_int_equal(c->debuginfod_timeout_ms, 700);
    assert_int_equal(c->user_budget_ms, 600);
    assert_int_equal(c->shared_spool, 0);
    assert_int_equal(c->max_bytes, 5000000000);
    assert_int_equal(c->store_max_bytes, 7000000000);
    assert_int_equal(c->max_percent, 10);
    assert_int_equal(c->keep_free_percent, 0);
    assert_int_equal(c->uid_percent, 50);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(c->max_age_hours[i], 4 - i);
}

static void switches_are_what_people_write(void **state)
{
    static const struct {
        const char *word;
        bool value;
    } cases[] = {{"true", true},   {"True", true}, {"yes", true},  {"on", true},   {"1", true},
                 {"false", false}, {"no", false},  {"off", false}, {"Off", false}, {"0", false}};
    char yaml[64];
    char why[TB_CONFIG_WHY];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(yaml, sizeof(yaml), "scrub: {builtin_patterns: %s}\n", cases[i].word);
        const struct tb_config *c = load(yaml, why);
        assert_non_null(c);
        assert_int_equal(c->lacks_builtin_patterns, !cases[i].value);
    }
}

static void the_sections_of_the_whole_agent_arrive(void **state)
{
    char why[TB_CONFIG_WHY];
    char ca_file[512];
    char yaml[2048];
    (void)state;
    (void)snprintf(ca_file, sizeof(ca_file), "%s",
                   put_file("ca.pem", "-----BEGIN CERTIFICATE-----\n"));
    (void)snprintf(
        yaml, sizeof(yaml),
        "log_format: json\ntls: {cert_file: /c.pem, key_file: /k.pem}\n"
        "rollbar: {access_token: own, force_token: true, proxy: 'http://p:3128', ca_file: "
        "%s}\n"
        "projects:\n  - {service: 'feed*', access_token: t1}\n"
        "  - {environment: staging, access_token: t2}\n"
        "rollbar_files: {paths: [/var/tmp/*.rollbar, /srv/app], remove: true}\n"
        "log_files:\n  - {path: /var/log/a.log, pattern: '(?<message>.*)', level: error,"
        " service: a}\n"
        "limits: {item_per_minute: 1, service_per_minute: 2, burst_minutes: 3,"
        " token_per_minute: 4, sender_per_minute: 5}\n"
        "scrub: {patterns: ['AKIA[0-9A-Z]{16}'], builtin_patterns: false}\n",
        ca_file);
    const struct tb_config *c = load(yaml, why);
    assert_non_null(c);
    assert_string_equal(c->log_format, "json");
    assert_string_equal(c->tls_cert_file, "/c.pem");
    assert_string_equal(c->tls_key_file, "/k.pem");
    assert_int_equal(c->force_token, 1);
    assert_string_equal(c->proxy, "http://p:3128");
    assert_string_equal(c->ca_file, ca_file);
    assert_int_equal(c->n_projects, 2);
    assert_string_equal(c->projects[0].service, "feed*");
    assert_string_equal(c->projects[0].token, "t1");
    assert_string_equal(c->projects[1].environment, "staging");
    assert_string_equal(c->projects[1].token_from, c->file);
    assert_int_equal(c->n_rollbar_files, 2);
    assert_string_equal(c->rollbar_files[1], "/srv/app");
    assert_int_equal(c->removes_rollbar_files, 1);
    assert_int_equal(c->n_logs, 1);
    assert_string_equal(c->logs[0].pattern, "(?<message>.*)");
    assert_string_equal(c->logs[0].level, "error");
    assert_string_equal(c->logs[0].framework, "");
    assert_int_equal(c->item_per_minute, 1);
    assert_int_equal(c->service_per_minute, 2);
    assert_int_equal(c->burst_minutes, 3);
    assert_int_equal(c->token_per_minute, 4);
    assert_int_equal(c->sender_per_minute, 5);
    assert_int_equal(c->n_scrub_patterns, 1);
    assert_int_equal(c->lacks_builtin_patterns, 1);
}

static void sections_and_keys_without_a_value_mean_the_default(void **state)
{
    char why[TB_CONFIG_WHY];
    (void)state;
    const struct tb_config *c = load("environment:\nrollbar:\n  # access_token: x\nscrub:\n"
                                     "symbols:\n  context_lines:\n",
                                     why);
    assert_string_equal(why, "");
    assert_non_null(c);
    assert_string_equal(c->environment, "production");
    assert_int_equal(c->context_lines, 3);
}

static void environment_overrides_file_and_flag_overrides_environment(void **state)
{
    char why[TB_CONFIG_WHY];
    struct tb_config c;
    (void)state;
    struct tb_config_flags flags = {
        .file =
            put_file("f.yaml", "spool: /file\nsocket: /file\nenvironment: file\n"
                               "rollbar: {access_token: file, endpoint: 'http://file/item/'}\n")};
    setenv("TOWBAR_SPOOL", "/env", 1);
    setenv("TOWBAR_SOCKET", "/env", 1);
    setenv("ROLLBAR_ENVIRONMENT", "env", 1);
    setenv("ROLLBAR_ACCESS_TOKEN", "env", 1);
    setenv("ROLLBAR_ENDPOINT", "http://env/item", 1);
    flags.spool = "/flag";
    assert_int_equal(tb_config_load(&flags, &c, why), 0);
    assert_string_equal(c.spool, "/flag");
    assert_string_equal(c.socket, "/env");
    assert_string_equal(c.environment, "env");
    assert_string_equal(c.token, "env");
    assert_string_equal(c.token_from, "ROLLBAR_ACCESS_TOKEN");
    assert_string_equal(c.endpoint, "http://env/item");
    tb_config_done(&c);
}

static void an_empty_endpoint_in_the_environment_is_the_default_and_known(void **state)
{
    char why[TB_CONFIG_WHY];
    (void)state;
    const struct tb_config *c = load("environment: e\n", why);
    assert_non_null(c);
    assert_false(c->endpoint_is_blank);
    setenv("ROLLBAR_ENDPOINT", "", 1);
    c = load("environment: e\n", why);
    assert_non_null(c);
    assert_string_equal(c->endpoint, TB_CONFIG_ENDPOINT);
    assert_true(c->endpoint_is_blank);
    setenv("ROLLBAR_ENDPOINT", "http://env/item", 1);
    c = load("environment: e\n", why);
    assert_non_null(c);
    assert_false(c->endpoint_is_blank);
}

static void the_socket_follows_the_state_folder(void **state)
{
    char why[TB_CONFIG_WHY];
    struct tb_config c;
    (void)state;
    const struct tb_config_flags flags = {.file = put_file("f.yaml", ""), .state_dir = "/x/y"};
    assert_int_equal(tb_config_load(&flags, &c, why), 0);
    assert_string_equal(c.socket, "/x/y/towbard.sock");
    tb_config_done(&c);
    /* Unless it was said as well. */
    const struct tb_config_flags both = {
        .file = put_file("g.yaml", "socket: /run/towbar/towbard.sock\n"), .state_dir = "/x/y"};
    assert_int_equal(tb_config_load(&both, &c, why), 0);
    assert_string_equal(c.socket, "/run/towbar/towbard.sock");
    tb_config_done(&c);
}

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void what_is_wrong_is_named_with_place_and_cure(void **state)
{
    static const struct {
        const char *text;
        const char *says[4];
    } cases[] = {
        {"spool: x\nrollbr:\n  a: 1\n", {":2:", "rollbr", "did you mean \"rollbar\""}},
        {"rollbar:\n  acess_token: s3cret\n",
         {":2:", "acess_token", "did you mean \"access_token\""}},
        {"token_file: /x\n", {":1:", "token_file", "did you mean \"rollbar.token_file\""}},
        {"completely: wrong\n", {":1:", "completely", "docs/config.md"}},
        {"rollbar:\n  timeout_ms: soon\n", {":2:", "timeout_ms", "soon"}},
        {"rollbar:\n  timeout_ms: 5\n", {"rollbar.timeout_ms", "100 to 600000"}},
        {"rollbar:\n  retry_min_ms: 900\n  retry_max_ms: 800\n", {"retry_max_ms", "900"}},
        {"rollbar:\n  retry_min_ms: abc\n", {":2: rollbar.retry_min_ms: 'abc' is not a number"}},
        {"rollbar:\n  timeout_ms: -5\n", {":2: rollbar.timeout_ms: '-5' is below 0"}},
        {"rollbar:\n  timeout_ms: 99999999999\n", {"'99999999999' is too large a number"}},
        {"rollbar:\n  timeout_ms: 900s # half a unit\n", {":2: rollbar.timeout_ms: '900s' is not"}},
        {"spool_limits:\n  max_bytes: 512MiB\n", {":2: spool_limits.max_bytes: '512MiB' is not"}},
        {"spool_limits: {max_age_hours: {error: 5, crash: 90d}}\n",
         {":1: max_age_hours.crash: '90d' is not a whole number"}},
        {"spool_limits:\n  uid_percent: 1.5\n", {":2: spool_limits.uid_percent: '1.5' is not"}},
        {"rollbar_files: {paths: [log]}\n", {"rollbar_files.paths", "\"log\" is not an absolute"}},
        {"log_files: [{path: a.log}]\n", {"log_files: path", "\"a.log\" is not an absolute"}},
        {"log_files: [{pattern: a}]\n", {"log_files: path", "not an absolute"}},
        {"log_files: [{path: /a.log, level: loud}]\n",
         {"log_files /a.log: level \"loud\"", "debug, info, warning, error, critical"}},
        {"log_files: [{path: /a.log, pattern: 'a(b'}]\n",
         {"log_files /a.log: pattern: at byte 3", "PCRE2"}},
        {"rollbar: {force_token: maybe}\n",
         {":1: rollbar.force_token is 'maybe'; it must be true or false"}},
        {"scrub:\n  builtin_patterns: 2\n", {":2: scrub.builtin_patterns", "true or false"}},
        {"rollbar_files: {remove: [on]}\n", {"rollbar_files.remove wants true or false"}},
        {"rollbar: hello\n", {":1: rollbar wants keys under it, not a single value"}},
        {"rollbar:\n  - a\n", {":2: rollbar wants keys under it, not a list"}},
        {"scrub:\n  keys: iban\n", {":2: scrub.keys wants a list", "not a single value"}},
        {"scrub: {patterns: ['a(b']}\n",
         {"scrub.patterns: \"a(b\"", "missing closing parenthesis at offset 3", "single quotes"}},
        {"scrub: {patterns: ['\\d*']}\n", {"scrub.patterns: \"\\d*\"", "use + in place of *"}},
        {"scrub: {keys: [[a]]}\n", {":1: scrub.keys wants a text, not a list"}},
        {"symbols: {context_lines: [1]}\n", {"symbols.context_lines wants a number, not a list"}},
        {"- a\n", {"the file wants keys under it, not a list"}},
        {"hello\n", {"the file wants keys under it, not a single value"}},
        {"environment: a\nenvironment: b\n", {"environment is there twice"}},
        {"environment: &x a\nspool: *x\n", {":2: spool", "aliases"}},
        {"environment: [a\n", {"towbard.yaml:1: environment wants a text, not a list"}},
        {"# x\nenvironment: a\n  spool: /b\nsocket: /c\n", {":3: this is not YAML"}},
        {"rollbar:\n\taccess_token: s3cret\n", {":2: this is not YAML", "a tab"}},
        {"environment: a\nspool: /a\nlisten: @x\n", {":3: this is not YAML"}},
        {"groups: [{name: A, filter: service(\"a\") {fault}}]\n",
         {":1: this is not YAML", "filter in '...'"}},
        {"groups:\n  - name: A\n    filter: \"service(\"a\")\"\n",
         {":3: this is not YAML", "filter in '...'"}},
        {"environment: a\nspool: \"/a\nlisten: b\n\n", {":2: this is not YAML"}},
        {"vanished: ignore\n", {"vanished \"ignore\"", "\"report\" nor \"count\""}},
        {"vanished: [report]\n", {"vanished wants a text, not a list"}},
        {"listen: 0.0.0.0:7070\n", {"listen", "0.0.0.0:7070", "loopback"}},
        {"listen: 0.0.0.0:7070\n", {"tls.cert_file and tls.key_file", "ingest.token_file"}},
        {"listen: '[::]:7070'\ntls: {cert_file: /c, key_file: /k}\n",
         {"needs ingest.token_file", "127.0.0.1:7070"}},
        {"tls: {cert_file: /c.pem}\n", {"tls.cert_file is set", "tls.key_file is not"}},
        {"tls: {key_file: /k.pem}\n", {"tls.key_file is set", "tls.cert_file is not"}},
        {"listen: '7070'\n", {"listen", "127.0.0.1:7070"}},
        {"listen: 127.0.0.1:99999\n", {"listen", "99999"}},
        {"rollbar: {endpoint: api.rollbar.com}\n", {"rollbar.endpoint", "URL"}},
        {"rollbar: {endpoint: 'https://api.rollbar.com'}\n",
         {"rollbar.endpoint", "does not end in /item/", "https://api.rollbar.com/api/1/item/"}},
        {"rollbar: {endpoint: 'http://h/items/'}\n", {"does not end in /item/"}},
        {"rollbar: {endpoint: 'http://h/?x=/item/'}\n", {"does not end in /item/"}},
        {"rollbar: {endpoint: 'http://h/item//'}\n", {"does not end in /item/"}},
        {"rollbar: {proxy: proxy.example}\n", {"rollbar.proxy", "http://proxy.example:3128"}},
        {"rollbar: {proxy: 'http://'}\n", {"rollbar.proxy"}},
        {"rollbar: {ca_file: /etc/passwd}\n", {"rollbar.ca_file", "holds no certificate"}},
        {"rollbar: {ca_file: /nowhere/ca.pem}\n", {"rollbar.ca_file", "No such file", "PEM"}},
        {"projects: [{access_token: a, service: '" A64 A64 A64 A64 "'}]\n",
         {"projects", "255 bytes"}},
        {"rollbar: {access_token: 'two words'}\n", {"token", "spaces"}},
        {"rollbar: {token_file: /nowhere/at/all}\n", {"/nowhere/at/all", "token_file", "0600"}},
        {"# spool: here\n\nspool: spool\n", {":3:", "spool \"spool\"", "absolute"}},
        {"environment: spool\nstate_dir: ~/state\n", {":2:", "state_dir", "~ is not expanded"}},
        {"socket: ./s.sock\n", {":1:", "socket", "./s.sock", "absolute"}},
        {"rollbar:\n  token_file: token\n", {":2:", "rollbar.token_file", "absolute"}},
        {"symbols: {source_roots: [src]}\n", {"source_roots", "src", "absolute"}},
        {"symbols: {context_lines: 21}\n", {"context_lines", "0 to 20"}},
        {"symbols: {in_app: ['" A64 A64 A64 A64 "']}\n", {"symbols.in_app", "1 to 255 bytes"}},
        {"symbols: {library: ["
         "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,"
         "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a]}\n",
         {"symbols.library has 65 patterns", "64"}},
        {"symbols: {cache_bytes: 1099511627777}\n",
         {"symbols.cache_bytes is 1099511627777", "1 TiB"}},
        {"symbols: {cache_bytes: 512M}\n", {"'512M' is not a whole number"}},
        {"symbols: {debuginfod_timeout_ms: 99}\n", {"debuginfod_timeout_ms", "100 to 60000"}},
        {"symbols: {user_budget_ms: 0}\n", {"symbols.user_budget_ms", "1 to 60000"}},
        {"symbols: {user_budget_ms: 10s}\n", {"user_budget_ms", "without a unit"}},
        {"symbols: {debuginfod_timeout_ms: 5s}\n", {"debuginfod_timeout_ms", "without a unit"}},
        {"symbols: {debuginfod: ['file:///usr/lib/debug']}\n",
         {"symbols.debuginfod", "file:///usr/lib/debug", "is no server's URL"}},
        {"symbols: {debuginfod: ['https://']}\n", {"symbols.debuginfod", "is no server's URL"}},
        {"symbols: {debuginfod: ['http:///x']}\n", {"symbols.debuginfod", "is no server's URL"}},
        {"symbols: {debuginfod: ['https://a b']}\n", {"symbols.debuginfod"}},
        {"symbols: {debuginfod: ['https://u:s3cret@h/?q']}\n",
         {"symbols.debuginfod", "********@h/?********"}},
        {"symbols: {debuginfod: ['']}\n", {"symbols.debuginfod"}},
        {"symbols: {debuginfod: [http://a, http://a, http://a, http://a, http://a, http://a,"
         " http://a, http://a, http://a]}\n",
         {"symbols.debuginfod", "9 servers", "8"}},
        {"store: {max_bytes: 1000}\n", {"store.max_bytes is 1000", "1 MiB"}},
        {"store: {max_bytes: 1G}\n", {"'1G' is not a whole number"}},
        {"spool_limits: {max_bytes: 1000}\n", {"spool_limits.max_bytes is 1000", "1 MiB"}},
        {"spool_limits: {max_bytes: 512M}\n", {"'512M' is not a whole number"}},
        {"spool_limits: {max_percent: 101}\n", {"spool_limits.max_percent", "1 to 100"}},
        {"spool_limits: {keep_free_percent: 91}\n", {"keep_free_percent", "0 to 90"}},
        {"spool_limits: {uid_percent: 0}\n", {"spool_limits.uid_percent", "1 to 100"}},
        {"spool_limits: {max_age_hours: {error: 0}}\n",
         {"spool_limits.max_age_hours.error", "1 to 87600"}},
        {"spool_limits:\n  max_age_hours: {infos: 3}\n",
         {":2:", "unknown key \"infos\"", "did you mean \"info\""}},
        {"spool_limits: {max_age_hours: 24}\n", {"spool_limits.max_age_hours", "keys under it"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char why[TB_CONFIG_WHY];
        if (load(cases[i].text, why) != NULL)
            fail_msg("taken: %s", cases[i].text);
        for (size_t w = 0; w < 4 && cases[i].says[w] != NULL; w++)
            if (strstr(why, cases[i].says[w]) == NULL)
                fail_msg("\"%s\" is not in: %s", cases[i].says[w], why);
        assert_non_null(strstr(why, "towbard.yaml"));
        assert_null(strstr(why, "s3cret"));
        assert_null(strstr(why, "event"));
    }
}

static void an_endpoint_may_be_a_relay_of_ones_own(void **state)
{
    static const char *const good[] = {"http://127.0.0.1:8080/api/1/item", "https://h/x/item/",
                                       "https://h/item/?key=1"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char why[TB_CONFIG_WHY];
        setenv("ROLLBAR_ENDPOINT", good[i], 1);
        const struct tb_config *c = load("", why);
        assert_string_equal(why, "");
        assert_non_null(c);
        assert_string_equal(c->endpoint, good[i]);
    }
}

static void a_token_that_is_too_long_is_not_shown(void **state)
{
    char why[TB_CONFIG_WHY];
    char text[6000] = "rollbar: {access_token: ";
    (void)state;
    memset(text + strlen(text), 'k', 200);
    strncat(text, "}\n", 3);
    assert_null(load(text, why));
    assert_null(strstr(why, "kkk"));
    memset(text + 24, 'k', 5000);
    memcpy(text + 5024, "}\n", 3);
    assert_null(load(text, why));
    assert_null(strstr(why, "kkk"));
}

static void a_file_that_is_not_there_is_an_error_only_when_it_was_named(void **state)
{
    char why[TB_CONFIG_WHY];
    struct tb_config c;
    (void)state;
    const struct tb_config_flags named = {.file = in_folder("none.yaml")};
    assert_int_equal(tb_config_load(&named, &c, why), -ENOENT);
    assert_non_null(strstr(why, "none.yaml"));
}

static void the_token_file_is_read_to_its_first_line(void **state)
{
    char why[TB_CONFIG_WHY];
    char yaml[256];
    (void)state;
    const char *path = put_file("token", "abc123\nmore\n");
    snprintf(yaml, sizeof(yaml), "rollbar: {token_file: '%s'}\n", path);
    assert_int_equal(chmod(path, 0600), 0);
    const struct tb_config *c = load(yaml, why);
    assert_non_null(c);
    assert_string_equal(c->token, "abc123");
    assert_string_equal(c->token_from, in_folder("token"));
    assert_string_equal(c->warning, "");
    assert_int_equal(chmod(in_folder("token"), 0644), 0);
    c = load(yaml, why);
    assert_non_null(c);
    assert_non_null(strstr(c->warning, "chmod 600"));
    assert_null(strstr(c->warning, "abc123"));
    setenv("AWS_ENDPOINT_URL", "localhost", 1); /* a second thing to warn of */
    c = load(yaml, why);
    unsetenv("AWS_ENDPOINT_URL");
    assert_non_null(c);
    assert_non_null(strstr(c->warning, "chmod 600"));
    assert_non_null(strstr(c->warning, "AWS_ENDPOINT_URL"));
    put_file("token", "\n");
    assert_null(load(yaml, why));
    assert_non_null(strstr(why, "empty"));
}

static void done_twice_and_on_null_is_fine(void **state)
{
    struct tb_config c;
    (void)state;
    memset(&c, 0, sizeof(c));
    tb_config_done(&c);
    tb_config_done(&c);
    tb_config_done(NULL);
}

static int end(void **state)
{
    char why[TB_CONFIG_WHY];
    (void)load("rollbr: 1\n", why); /* frees what the last test loaded */
    return remove_test_folder(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_word_the_defaults_count),
        TEST(every_key_of_the_file_arrives),
        TEST(switches_are_what_people_write),
        TEST(the_sections_of_the_whole_agent_arrive),
        TEST(sections_and_keys_without_a_value_mean_the_default),
        TEST(environment_overrides_file_and_flag_overrides_environment),
        TEST(an_empty_endpoint_in_the_environment_is_the_default_and_known),
        TEST(the_socket_follows_the_state_folder),
        TEST(what_is_wrong_is_named_with_place_and_cure),
        TEST(an_endpoint_may_be_a_relay_of_ones_own),
        TEST(a_token_that_is_too_long_is_not_shown),
        TEST(a_file_that_is_not_there_is_an_error_only_when_it_was_named),
        TEST(the_token_file_is_read_to_its_first_line),
        TEST(done_twice_and_on_null_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
