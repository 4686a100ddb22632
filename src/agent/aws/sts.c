/* sts.c - keys that AWS's Security Token Service gives for others: for a token of a web identity
 * (EKS and the like), unsigned, and for keys that may take a role, signed. See aws_internal.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/aws/aws_internal.h"
#include "base/clock.h"
#include "sink/aws_error.h"
#include "sink/sigv4.h"

enum { TIMEOUT_MS = 5000, BODY_BYTES = 64 << 10, HEADERS = 8, OK = 200 };

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

/* ---- a request ---- */

static void add_encoded(struct tb_buf *body, const char *text)
{
    static const char PLAIN[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    for (const char *c = text; *c != '\0'; c++) {
        size_t n = strspn(c, PLAIN);
        tb_buf_add(body, c, n);
        c += n;
        if (*c == '\0')
            return;
        tb_buf_addf(body, "%%%02X", (unsigned char)*c);
    }
}

/* Left out where empty. */
static void add(struct tb_buf *body, const char *name, const char *value)
{
    if (value[0] == '\0')
        return;
    tb_buf_adds(body, body->len > 0 ? "&" : "");
    tb_buf_adds(body, name);
    tb_buf_adds(body, "=");
    add_encoded(body, value);
}

static void set_url(const struct tb_aws_asker *asker, char *out, size_t cap)
{
    const char *said = env("AWS_ENDPOINT_URL_STS");
    if (said[0] == '\0')
        said = env("AWS_ENDPOINT_URL");
    if (said[0] != '\0')
        (void)snprintf(out, cap, "%s", said);
    else if (tb_sigv4_endpoint(asker->region, "sts", out, cap) < 0)
        (void)snprintf(out, cap, "https://sts.amazonaws.com/");
}

/* The body grows in one piece of memory, as it may hold a token that is to be wiped. */
static int begin(const struct tb_aws_asker *asker, const char *action,
                 struct tb_sink_request *request)
{
    char url[sizeof(request->url)];
    static const char room[BODY_BYTES / 2];
    set_url(asker, url, sizeof(url));
    int err = tb_sink_request_init(request, url, BODY_BYTES);
    if (err < 0)
        return err;
    tb_buf_add(&request->body, room, sizeof(room));
    tb_buf_reset(&request->body);
    err = tb_sink_header(request, "Content-Type: application/x-www-form-urlencoded");
    add(&request->body, "Action", action);
    add(&request->body, "Version", "2011-06-15");
    return err;
}

/* Why the STS gives none, for people. */
static int refuse(const struct tb_sink_credentials *with, int status, const char *text, size_t len,
                  char *why)
{
    const struct tb_sink_target target = {.credentials = with,
                                          .now_ms = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS)};
    const struct tb_sink_reply reply = {
        .status = status, .body = text, .body_len = len, .now_s = target.now_ms / 1000};
    struct tb_aws_error error;
    tb_aws_error_read(&target, &reply, &error);
    (void)snprintf(why, TB_AWS_WHY, "STS: HTTP %d %s%s%.120s", status, error.name,
                   error.said[0] ? ": " : "", error.said);
    return -EACCES;
}

static int ask(const struct tb_aws_asker *asker, struct tb_sink_request *request,
               const struct tb_sink_credentials *with, struct tb_aws_keys *out, char *why)
{
    const char *headers[HEADERS];
    size_t n = 0;
    char *text = NULL;
    size_t len = 0;
    for (const char *line = NULL; (line = tb_sink_next_header(request, line)) && n < HEADERS;)
        headers[n++] = line;
    struct tb_fetch_request fetch = {.url = request->url,
                                     .timeout_ms = TIMEOUT_MS,
                                     .headers = headers,
                                     .n_headers = n,
                                     .post = tb_buf_str(&request->body)};
    int status = tb_aws_ask(asker, &fetch, "STS", &text, &len, why);
    if (status < 0)
        return status;
    int got = status == OK ? tb_aws_keys_of_xml(text, len, out, why)
                           : refuse(with, status, text, len, why);
    tb_aws_wipe(text, TB_AWS_REPLY + 2);
    return got;
}

static void end(struct tb_sink_request *request)
{
    if (request->body.data != NULL)
        explicit_bzero(request->body.data, request->body.cap);
    explicit_bzero(request->head, sizeof(request->head)); /* the session token is in it */
    tb_sink_request_done(request);
}

/* ---- web identity ---- */

struct identity {
    char file[TB_AWS_TEXT], role[TB_AWS_TEXT], session[TB_AWS_TEXT];
};

static void copy(char out[TB_AWS_TEXT], const char *text)
{
    (void)snprintf(out, TB_AWS_TEXT, "%s", text);
}

/* Of the environment, else of the profile. False: neither has one. */
static bool find_identity(const struct tb_aws_asker *asker, struct identity *out)
{
    const char *profile = asker->profile;
    copy(out->file, env("AWS_WEB_IDENTITY_TOKEN_FILE"));
    copy(out->role, env("AWS_ROLE_ARN"));
    copy(out->session, env("AWS_ROLE_SESSION_NAME"));
    if (out->file[0] == '\0' || asker->is_profile_first) {
        if (!tb_aws_profile_get(asker, profile, "web_identity_token_file", out->file,
                                sizeof(out->file)))
            return false;
        (void)tb_aws_profile_get(asker, profile, "role_arn", out->role, sizeof(out->role));
        (void)tb_aws_profile_get(asker, profile, "role_session_name", out->session,
                                 sizeof(out->session));
    }
    if (out->session[0] == '\0')
        copy(out->session, "towbar");
    return out->file[0] != '\0';
}

/* Read each time: who gives it out puts a new one there before it ends. */
static int read_token(const char *path, char **out, size_t *cap, char *why)
{
    size_t len = 0;
    int got = tb_aws_read_file(path, TB_AWS_TOKEN, out, &len);
    if (got != 1) {
        (void)snprintf(why, TB_AWS_WHY, "web identity: %.120s: %s", path,
                       strerrordesc_np(got == 0 ? ENOENT : -got));
        return got == 0 ? -ENOENT : got;
    }
    *cap = len;
    while (len > 0 && (*out)[len - 1] <= ' ')
        (*out)[--len] = '\0';
    if (tb_aws_is_word(*out))
        return 0;
    (void)snprintf(why, TB_AWS_WHY, "web identity: %.120s holds no token", path);
    return -EINVAL;
}

static int ask_for_identity(const struct tb_aws_asker *asker, const struct identity *identity,
                            const char *token, struct tb_aws_keys *out, char *why)
{
    struct tb_sink_request request;
    int err = begin(asker, "AssumeRoleWithWebIdentity", &request);
    add(&request.body, "RoleArn", identity->role);
    add(&request.body, "RoleSessionName", identity->session);
    add(&request.body, "WebIdentityToken", token);
    if (err == 0)
        err = request.body.err;
    /* What proves who asks is the token: the STS may say it again. */
    const struct tb_sink_credentials hidden = {.key_id = "", .secret = token, .session = ""};
    int got = err < 0 ? err : ask(asker, &request, &hidden, out, why);
    end(&request);
    if (got == 1)
        (void)snprintf(out->source, sizeof(out->source), "web identity");
    return got;
}

int tb_aws_from_web_identity(const struct tb_aws_asker *asker, struct tb_aws_keys *out, char *why)
{
    struct identity identity;
    char *token = NULL;
    size_t cap = 0;
    if (!find_identity(asker, &identity))
        return 0;
    if (identity.role[0] == '\0') {
        (void)snprintf(why, TB_AWS_WHY, "web identity: a token's file, but no AWS_ROLE_ARN");
        return -EINVAL;
    }
    int got = read_token(identity.file, &token, &cap, why);
    if (got == 0)
        got = ask_for_identity(asker, &identity, token, out, why);
    tb_aws_wipe(token, cap);
    return got;
}

/* ---- a role ---- */

/* Keys that stand in the profile itself, of a role of it, or of its program. */
static int keys_of_profile(const struct tb_aws_asker *asker, const char *profile, int depth,
                           bool is_itself, struct tb_aws_keys *out, char *why)
{
    int got = tb_aws_from_ini(&asker->credentials, profile, out, why);
    if (got == 0)
        got = tb_aws_from_ini(&asker->config, profile, out, why);
    if (got == 0 && !is_itself)
        got = tb_aws_from_role(asker, profile, depth + 1, out, why);
    if (got == 0)
        got = tb_aws_from_process(asker, profile, out, why);
    if (got == 0) {
        (void)snprintf(why, TB_AWS_WHY, "profile %.64s has no credentials", profile);
        got = -ENOENT;
    }
    return got;
}

static int keys_of_source(const struct tb_aws_asker *asker, const char *source,
                          struct tb_aws_keys *out, char *why)
{
    int got = 0;
    if (strcmp(source, "Environment") == 0)
        got = tb_aws_from_environment(asker, out, why);
    else if (strcmp(source, "Ec2InstanceMetadata") == 0)
        got = tb_aws_from_imds(asker, out, why);
    else if (strcmp(source, "EcsContainer") == 0)
        got = tb_aws_from_container(asker, out, why);
    if (got == 0) {
        (void)snprintf(why, TB_AWS_WHY, "credential_source %.32s has no credentials", source);
        got = -ENOENT;
    }
    return got;
}

static void add_options(const struct tb_aws_asker *asker, const char *profile, struct tb_buf *body)
{
    static const char *const options[][3] = {{"role_session_name", "RoleSessionName", "towbar"},
                                             {"duration_seconds", "DurationSeconds", ""},
                                             {"external_id", "ExternalId", ""}};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        char value[TB_AWS_TEXT];
        (void)tb_aws_profile_get(asker, profile, options[i][0], value, sizeof(value));
        add(body, options[i][1], value[0] != '\0' ? value : options[i][2]);
    }
}

static int take_role(const struct tb_aws_asker *asker, const char *profile, const char *role,
                     const struct tb_aws_keys *with, struct tb_aws_keys *out, char *why)
{
    const struct tb_sink_credentials credentials = {with->key_id, with->secret, with->session};
    const struct tb_sink_target target = {.credentials = &credentials,
                                          .now_ms = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS)};
    struct tb_sink_request request;
    int err = begin(asker, "AssumeRole", &request);
    add(&request.body, "RoleArn", role);
    add_options(asker, profile, &request.body);
    if (err == 0)
        err = request.body.err;
    if (err == 0)
        err = tb_sigv4_sign(&request, &target,
                            asker->region[0] != '\0' ? asker->region : "us-east-1", "sts");
    int got = err < 0 ? err : ask(asker, &request, &credentials, out, why);
    end(&request);
    if (got == 1)
        (void)snprintf(out->source, sizeof(out->source), "role of profile %.64s", profile);
    return got;
}

int tb_aws_from_role(const struct tb_aws_asker *asker, const char *profile, int depth,
                     struct tb_aws_keys *out, char *why)
{
    char role[TB_AWS_TEXT], from[TB_AWS_TEXT], source[TB_AWS_TEXT], other[TB_AWS_TEXT];
    if (!tb_aws_profile_get(asker, profile, "role_arn", role, sizeof(role)) || role[0] == '\0' ||
        tb_aws_profile_get(asker, profile, "web_identity_token_file", other, sizeof(other)))
        return 0;
    bool has_from = tb_aws_profile_get(asker, profile, "source_profile", from, sizeof(from));
    bool has_source =
        tb_aws_profile_get(asker, profile, "credential_source", source, sizeof(source));
    if (depth > TB_AWS_DEPTH || has_from == has_source ||
        tb_aws_profile_get(asker, profile, "mfa_serial", other, sizeof(other))) {
        (void)snprintf(why, TB_AWS_WHY, "profile %.64s: %s", profile,
                       depth > TB_AWS_DEPTH     ? "its source_profile leads around"
                       : has_from == has_source ? "role_arn needs one of source_profile and "
                                                  "credential_source"
                                                : "nobody is here to answer for mfa_serial");
        return -EINVAL;
    }
    struct tb_aws_keys *with = calloc(1, sizeof(*with));
    if (with == NULL)
        return -ENOMEM;
    int got = has_from ? keys_of_profile(asker, from, depth, strcmp(from, profile) == 0, with, why)
                       : keys_of_source(asker, source, with, why);
    if (got == 1)
        got = take_role(asker, profile, role, with, out, why);
    explicit_bzero(with, sizeof(*with));
    free(with);
    return got;
}
