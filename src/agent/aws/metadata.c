/* metadata.c - keys that a server of the host gives out: of a container (ECS, EKS), of the instance
 * (EC2, IMDSv2 alone). No proxy, no redirect, one try. See aws_internal.h. */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/aws/aws_internal.h"

enum { CONTAINER_MS = 2000, OK = 200, NOT_FOUND = 404, TOKEN = 512 };

#define ROLES "/latest/meta-data/iam/security-credentials/"
#define DOCUMENT "/latest/dynamic/instance-identity/document"

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

/* ---- a container ---- */

static bool is_here(const char *host)
{
    static const char *const hosts[] = {"localhost", "169.254.170.2", "169.254.170.23",
                                        "fd00:ec2::23", "::1"};
    struct in_addr v4;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
        if (strcasecmp(host, hosts[i]) == 0)
            return true;
    return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

/* Keys and their token go in the clear over http: to this host alone, and to what stands for it. */
static bool may_ask(const char *url)
{
    char host[256];
    if (strncasecmp(url, "https://", 8) == 0)
        return true;
    if (strncasecmp(url, "http://", 7) != 0)
        return false;
    const char *from = url + 7;
    size_t len = strcspn(from, "/?#");
    if (memchr(from, '@', len) != NULL || len >= sizeof(host))
        return false;
    memcpy(host, from, len);
    host[len] = '\0';
    char *end = host[0] == '[' ? strchr(host, ']') : strchr(host, ':');
    if (end != NULL)
        *end = '\0';
    return is_here(host[0] == '[' ? host + 1 : host);
}

/* The header's value, read anew each time; "" for none. */
static int container_token(char out[TB_AWS_TEXT], char *why)
{
    const char *path = env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *said = env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    char *text = NULL;
    size_t len = 0;
    out[0] = '\0';
    if (path[0] != '\0') {
        int got = tb_aws_read_file(path, TB_AWS_TEXT - 1, &text, &len);
        if (got != 1) {
            (void)snprintf(why, TB_AWS_WHY, "container: %.120s: %s", path,
                           strerrordesc_np(got == 0 ? ENOENT : -got));
            return got == 0 ? -ENOENT : got;
        }
        said = text;
    }
    (void)snprintf(out, TB_AWS_TEXT, "%s", said);
    tb_aws_wipe(text, len);
    out[strcspn(out, "\r\n")] = '\0';
    for (const char *c = out; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~') {
            (void)snprintf(why, TB_AWS_WHY, "container: the authorization token is none");
            return -EINVAL;
        }
    }
    return 0;
}

static int ask_container(const struct tb_aws_asker *asker, const char *url, struct tb_aws_keys *out,
                         char *why)
{
    static const char NAME[] = "container";
    char token[TB_AWS_TEXT], line[TB_AWS_TEXT + 32];
    const char *const headers[] = {line};
    char *text = NULL;
    size_t len = 0;
    int err = container_token(token, why);
    if (err < 0)
        return err;
    (void)snprintf(line, sizeof(line), "Authorization: %s", token);
    struct tb_fetch_request request = {.url = url,
                                       .timeout_ms = CONTAINER_MS,
                                       .headers = headers,
                                       .n_headers = token[0] != '\0',
                                       .is_direct = true};
    int status = tb_aws_ask(asker, &request, NAME, &text, &len, why);
    explicit_bzero(token, sizeof(token));
    explicit_bzero(line, sizeof(line));
    if (status < 0)
        return status;
    int got = -EACCES;
    if (status == OK)
        got = tb_aws_keys_of_json(text, len, NAME, out, why);
    else
        (void)snprintf(why, TB_AWS_WHY, "%s: HTTP %d from its server of credentials", NAME, status);
    tb_aws_wipe(text, TB_AWS_REPLY + 2);
    return got;
}

int tb_aws_from_container(const struct tb_aws_asker *asker, struct tb_aws_keys *out, char *why)
{
    char url[TB_AWS_TEXT];
    const char *path = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (path[0] == '\0' && full[0] == '\0')
        return 0;
    if (path[0] != '\0')
        (void)snprintf(url, sizeof(url), "http://169.254.170.2%s%s", path[0] == '/' ? "" : "/",
                       path);
    else
        (void)snprintf(url, sizeof(url), "%s", full);
    if (!may_ask(url)) {
        (void)snprintf(why, TB_AWS_WHY,
                       "container: AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http to "
                       "this host, 169.254.170.2, 169.254.170.23 or fd00:ec2::23");
        return -EINVAL;
    }
    int got = ask_container(asker, url, out, why);
    if (got == 1)
        (void)snprintf(out->source, sizeof(out->source), "container");
    return got;
}

/* ---- the instance ---- */

static bool is_off(void)
{
    return strcasecmp(env("AWS_EC2_METADATA_DISABLED"), "true") == 0;
}

static void url_of(const char *path, char *out, size_t cap)
{
    const char *base = env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    if (base[0] == '\0')
        base = strcasecmp(env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), "ipv6") == 0
                   ? "http://[fd00:ec2::254]"
                   : "http://169.254.169.254";
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/')
        len--;
    (void)snprintf(out, cap, "%.*s%s", (int)len, base, path);
}

static int ask_imds(const struct tb_aws_asker *asker, const char *method, const char *path,
                    const char *header, char **out, size_t *len, char *why)
{
    char url[TB_AWS_TEXT];
    url_of(path, url, sizeof(url));
    struct tb_fetch_request request = {.url = url,
                                       .method = method,
                                       .timeout_ms = TB_AWS_METADATA_MS,
                                       .headers = &header,
                                       .n_headers = 1,
                                       .is_direct = true};
    int status = tb_aws_ask(asker, &request, "IMDS", out, len, why);
    if (status < 0 || status == OK)
        return status;
    if (status == NOT_FOUND && strncmp(path, ROLES, sizeof(ROLES) - 1) == 0)
        (void)snprintf(why, TB_AWS_WHY, "IMDS: the instance has no role");
    else
        (void)snprintf(why, TB_AWS_WHY, "IMDS: HTTP %d", status);
    tb_aws_wipe(*out, TB_AWS_REPLY + 2);
    return -EACCES;
}

/* The first line of text, as a word that may stand in a header or a path. */
static int take_line(char *text, char *out, size_t cap)
{
    text[strcspn(text, "\r\n")] = '\0';
    if (!tb_aws_is_word(text) || strlen(text) >= cap)
        return -EBADMSG;
    memcpy(out, text, strlen(text) + 1);
    return 0;
}

/* The header with which all else is asked. */
static int imds_token(const struct tb_aws_asker *asker, char out[TOKEN], char *why)
{
    static const char NAME[] = "X-aws-ec2-metadata-token: ";
    char *text = NULL;
    size_t len = 0;
    int got = ask_imds(asker, "PUT", "/latest/api/token",
                       "X-aws-ec2-metadata-token-ttl-seconds: 21600", &text, &len, why);
    if (got < 0)
        return got;
    memcpy(out, NAME, sizeof(NAME));
    int err = take_line(text, out + sizeof(NAME) - 1, TOKEN - sizeof(NAME));
    tb_aws_wipe(text, TB_AWS_REPLY + 2);
    if (err < 0)
        (void)snprintf(why, TB_AWS_WHY, "IMDS: no token in the answer");
    return err;
}

static int ask_role(const struct tb_aws_asker *asker, const char *token, char *path, size_t cap,
                    char *why)
{
    char *text = NULL;
    size_t len = 0;
    int got = ask_imds(asker, NULL, ROLES, token, &text, &len, why);
    if (got < 0)
        return got;
    size_t at = sizeof(ROLES) - 1;
    memcpy(path, ROLES, sizeof(ROLES));
    int err = take_line(text, path + at, cap - at);
    if (err == 0 && strpbrk(path + at, "/?#%\\") != NULL)
        err = -EBADMSG;
    tb_aws_wipe(text, TB_AWS_REPLY + 2);
    if (err < 0)
        (void)snprintf(why, TB_AWS_WHY, "IMDS: the instance has no role");
    return err;
}

int tb_aws_from_imds(const struct tb_aws_asker *asker, struct tb_aws_keys *out, char *why)
{
    char token[TOKEN], path[TOKEN];
    char *text = NULL;
    size_t len = 0;
    if (is_off())
        return 0;
    int got = imds_token(asker, token, why);
    if (got == 0)
        got = ask_role(asker, token, path, sizeof(path), why);
    if (got == 0 && (got = ask_imds(asker, NULL, path, token, &text, &len, why)) == OK) {
        got = tb_aws_keys_of_json(text, len, "IMDS", out, why);
        tb_aws_wipe(text, TB_AWS_REPLY + 2);
    }
    explicit_bzero(token, sizeof(token));
    if (got == 1)
        (void)snprintf(out->source, sizeof(out->source), "IMDS");
    return got;
}

int tb_aws_imds_region(const struct tb_aws_asker *asker, char out[64], char *why)
{
    char token[TOKEN];
    char *text = NULL;
    size_t len = 0;
    if (is_off()) {
        (void)snprintf(why, TB_AWS_WHY, "IMDS is off");
        return -ENOENT;
    }
    int got = imds_token(asker, token, why);
    if (got == 0)
        got = ask_imds(asker, NULL, DOCUMENT, token, &text, &len, why);
    explicit_bzero(token, sizeof(token));
    if (got < 0)
        return got;
    cJSON *json = cJSON_ParseWithLength(text, len);
    const char *region = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "region"));
    int err = region && strlen(region) < 64 && tb_aws_is_word(region) ? 0 : -EBADMSG;
    if (err == 0)
        memcpy(out, region, strlen(region) + 1);
    else
        (void)snprintf(why, TB_AWS_WHY, "IMDS: no region in the answer");
    cJSON_Delete(json);
    tb_aws_wipe(text, TB_AWS_REPLY + 2);
    return err;
}
