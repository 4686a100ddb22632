/* check_sinks.c - `towbar check`: OTLP, X-Ray and CloudWatch Logs: on or off and why, can they be
 * reached, is there what signs for AWS, is the clock near its. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/aws/aws.h"
#include "agent/serve/status.h"
#include "base/clock.h"
#include "cli/check.h"
#include "cli/client.h"
#include "sink/sigv4.h"

enum {
    CONNECT_MS = 10000,
    REFUSAL_MS = 200, /* on one host an ICMP answer takes microseconds */
    SKEW_MAX_S = 240, /* AWS refuses more than 300 */
    URL_BYTES = 512,
    HOST_BYTES = 256
};

/* ", only group Cruddur", or "". */
static const char *only(const char *group, char out[URL_BYTES])
{
    out[0] = '\0';
    if (group != NULL && group[0] != '\0')
        snprintf(out, URL_BYTES, "; only what group %.64s matches", group);
    return out;
}

/* ---- OTLP ---- */

/* A shell that has no HONEYCOMB_API_KEY makes an empty header of the line that all copy. */
static void check_key(struct tb_check *check)
{
    static const char team[] = "x-honeycomb-team:";
    const struct tb_config_otlp *otlp = &check->config->sinks.otlp;
    if (strstr(otlp->endpoint, ".honeycomb.io") == NULL)
        return;
    for (size_t i = 0; i < otlp->n_headers; i++) {
        const char *value = otlp->headers[i] + sizeof(team) - 1;
        if (strncasecmp(otlp->headers[i], team, sizeof(team) - 1) == 0 &&
            value[strspn(value, " \t")] != '\0')
            return;
    }
    tb_check_mend(check, "otlp", "export HONEYCOMB_API_KEY=...",
                  "Honeycomb takes nothing without a key, and there is none: the agent keeps all "
                  "meanwhile; set it for the agent, or otlp.honeycomb_key_file:");
}

static bool is_set_to(const char *variable, const char *value)
{
    const char *text = getenv(variable);
    return text != NULL && strcasecmp(text, value) == 0;
}

static void check_otlp(struct tb_check *check)
{
    static const char *const forms[] = {"log records", "spans", "log records and spans"};
    const struct tb_config_otlp *otlp = &check->config->sinks.otlp;
    char shown[TB_STATUS_URL];
    char group[URL_BYTES];
    char why[TB_CLIENT_WHY] = "";
    if (otlp->endpoint[0] == '\0') {
        tb_check_off(check, "otlp", otlp->form == TB_OTLP_SPAN ? "otlp-spans" : "otlp",
                     is_set_to("OTEL_SDK_DISABLED", "true")
                         ? "off: OTEL_SDK_DISABLED is true"
                         : "off: HONEYCOMB_API_KEY or OTEL_EXPORTER_OTLP_ENDPOINT turns it on");
        return;
    }
    tb_status_url(otlp->endpoint, shown);
    check_key(check);
    if (check->is_offline) {
        tb_check_line(check, TB_CHECK_NONE, "otlp", "%s not asked: --offline%s", shown,
                      only(otlp->group, group));
        return;
    }
    const struct tb_client_peer peer = {
        .url = otlp->endpoint, .proxy = "", .ca_file = otlp->ca_file, .timeout_ms = CONNECT_MS};
    if (tb_client_connect(&peer, why) == 0)
        tb_check_line(check, TB_CHECK_WELL, "otlp", "%s to %s%s%s%s", forms[otlp->form], shown,
                      otlp->key_from[0] != '\0' ? ", key from " : "", otlp->key_from,
                      only(otlp->group, group));
    else
        tb_check_line(check, TB_CHECK_FAILED, "otlp",
                      "%s cannot be connected to: %s; the agent keeps all meanwhile: look at "
                      "otlp.endpoint, name server, firewall and otlp.ca_file",
                      shown, why);
}

/* ---- what signs for AWS ---- */

struct account {
    struct tb_aws *aws;
    const char *region; /* NULL: none */
};

static void check_credentials(struct tb_check *check, struct account *account)
{
    struct tb_sink_credentials credentials;
    char why[TB_AWS_WHY] = "";
    if (account->region == NULL)
        return;
    if (tb_aws_credentials(account->aws, false, &credentials, why) == 0)
        tb_check_line(check, TB_CHECK_WELL, "aws", "region %s, credentials from %s",
                      account->region, tb_aws_source(account->aws));
    else
        tb_check_line(check, TB_CHECK_FAILED, "aws",
                      "region %s, and no credentials: %s; the agent keeps all meanwhile: set "
                      "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for it, or aws.profile",
                      account->region, why);
}

static void check_aws(struct tb_check *check, struct account *account)
{
    char why[TB_AWS_WHY] = "";
    if (check->is_offline) {
        tb_check_line(check, TB_CHECK_NONE, "aws", "region and credentials not asked: --offline");
        return;
    }
    if (tb_aws_new(&check->config->sinks.aws, &account->aws) < 0)
        return;
    account->region = tb_aws_region(account->aws, why);
    if (account->region == NULL)
        tb_check_line(check, TB_CHECK_FAILED, "aws",
                      "no region: %s; set AWS_REGION for the agent, or aws.region", why);
    check_credentials(check, account);
}

/* "" where it is by region and there is none. */
static const char *aws_endpoint(const char *said, const char *service,
                                const struct account *account, char out[URL_BYTES])
{
    out[0] = '\0';
    if (said[0] != '\0')
        snprintf(out, URL_BYTES, "%s", said);
    else if (tb_sigv4_endpoint(account->region, service, out, URL_BYTES) < 0)
        out[0] = '\0';
    return out;
}

static void say_skew(struct tb_check *check, const char *what, int64_t date_s)
{
    int64_t ahead_s = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_S) - date_s;
    if (date_s != 0 && (ahead_s > SKEW_MAX_S || ahead_s < -SKEW_MAX_S))
        tb_check_line(check, TB_CHECK_WARNING, what,
                      "the clock of this host is %lld s %s Amazon's, which refuses what is signed "
                      "more than 300 s off: set it, and install an NTP client",
                      (long long)(ahead_s < 0 ? -ahead_s : ahead_s),
                      ahead_s < 0 ? "behind" : "ahead of");
}

static void check_service(struct tb_check *check, const char *what, const char *url,
                          const char *rest)
{
    char shown[TB_STATUS_URL];
    char why[TB_CLIENT_WHY] = "";
    int64_t date_s = 0;
    const struct tb_client_peer peer = {
        .url = url, .proxy = "", .ca_file = "", .timeout_ms = CONNECT_MS};
    if (url[0] == '\0') {
        tb_check_line(check, TB_CHECK_NONE, what, "not asked%s",
                      check->is_offline ? ": --offline" : "");
        return;
    }
    tb_status_url(url, shown);
    if (check->is_offline)
        tb_check_line(check, TB_CHECK_NONE, what, "%s not asked: --offline%s", shown, rest);
    else if (tb_client_date(&peer, &date_s, why) == 0)
        tb_check_line(check, TB_CHECK_WELL, what, "%s answers%s", shown, rest);
    else
        tb_check_line(check, TB_CHECK_FAILED, what,
                      "%s does not answer: %s; the agent keeps all meanwhile: look at region, name "
                      "server, firewall and AWS_ENDPOINT_URL",
                      shown, why);
    say_skew(check, what, date_s);
}

/* ---- X-Ray ---- */

static int resolve(const char *address, int type, struct addrinfo **out)
{
    char host[HOST_BYTES];
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = type};
    const char *colon = strrchr(address, ':');
    if (colon == NULL || (size_t)(colon - address) >= sizeof(host))
        return -EINVAL;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
    size_t len = strlen(host);
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        memmove(host, host + 1, len - 2);
        host[len - 2] = '\0';
    }
    return getaddrinfo(host, colon + 1, &hints, out) == 0 ? 0 : -EHOSTUNREACH;
}

/* Sends nothing: an empty datagram, which the daemon passes over. A port where nobody listens
 * answers that with ICMP; silence means no more than that nobody refused. 0 or a negative errno. */
static int probe_udp(const char *address)
{
    struct addrinfo *found = NULL;
    int err = resolve(address, SOCK_DGRAM, &found);
    if (err < 0)
        return err;
    int fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) < 0 || send(fd, "", 0, 0) < 0) {
        err = -errno;
        goto out;
    }
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    socklen_t len = sizeof(err);
    if (poll(&ready, 1, REFUSAL_MS) > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0)
        err = -err;
out:
    if (fd >= 0)
        close(fd);
    freeaddrinfo(found);
    return err;
}

static void check_daemon(struct tb_check *check)
{
    const struct tb_config_xray *xray = &check->config->sinks.xray;
    char group[URL_BYTES];
    char url[URL_BYTES];
    char why[TB_CLIENT_WHY] = "";
    if (check->is_offline) {
        tb_check_line(check, TB_CHECK_NONE, "x-ray", "daemon at %s not asked: --offline%s",
                      xray->udp_address, only(xray->group, group));
        return;
    }
    int err = probe_udp(xray->udp_address);
    if (err < 0) {
        tb_check_line(check, TB_CHECK_FAILED, "x-ray",
                      "no daemon at %s (UDP): %s; what is sent there is lost: start it, or name "
                      "where it is in AWS_XRAY_DAEMON_ADDRESS, or set xray.mode: api",
                      xray->udp_address,
                      err == -EHOSTUNREACH ? "its name has no address" : strerror(-err));
        return;
    }
    tb_check_line(check, TB_CHECK_WELL, "x-ray", "daemon at %s: nobody refuses what is sent%s",
                  xray->udp_address, only(xray->group, group));
    snprintf(url, sizeof(url), "http://%s/", xray->tcp_address);
    const struct tb_client_peer peer = {
        .url = url, .proxy = "", .ca_file = "", .timeout_ms = CONNECT_MS};
    if (xray->asks_daemon && tb_client_connect(&peer, why) < 0)
        tb_check_line(check, TB_CHECK_WARNING, "x-ray",
                      "the daemon's TCP port %s cannot be connected to: %s; sampling rules cannot "
                      "be asked there: publish the port for TCP too (compose: \"2000:2000/tcp\"), "
                      "or set xray.central_sampling: false",
                      xray->tcp_address, why);
}

static void check_xray(struct tb_check *check, const struct account *account)
{
    const struct tb_config_xray *xray = &check->config->sinks.xray;
    char url[URL_BYTES];
    char group[URL_BYTES];
    if (xray->mode == TB_XRAY_OFF)
        tb_check_off(check, "x-ray", "xray",
                     is_set_to("AWS_XRAY_SDK_ENABLED", "false")
                         ? "off: AWS_XRAY_SDK_ENABLED is false"
                         : "off: AWS_XRAY_DAEMON_ADDRESS or xray.mode: api turns it on");
    else if (xray->mode == TB_XRAY_DAEMON)
        check_daemon(check);
    else
        check_service(check, "x-ray", aws_endpoint(xray->endpoint, "xray", account, url),
                      only(xray->group, group));
}

static void check_cloudwatch(struct tb_check *check, const struct account *account)
{
    const struct tb_config_cloudwatch *cloudwatch = &check->config->sinks.cloudwatch;
    char url[URL_BYTES];
    char group[URL_BYTES];
    char rest[2 * URL_BYTES + HOST_BYTES];
    if (cloudwatch->log_group[0] == '\0') {
        tb_check_off(check, "cloudwatch", "cloudwatch",
                     "off: TOWBAR_CLOUDWATCH_LOG_GROUP or cloudwatch.log_group turns it on");
        return;
    }
    snprintf(rest, sizeof(rest), "; log group %.512s, stream %.128s%s", cloudwatch->log_group,
             cloudwatch->log_stream, only(cloudwatch->group, group));
    check_service(check, "cloudwatch", aws_endpoint(cloudwatch->endpoint, "logs", account, url),
                  rest);
}

void tb_check_sinks(struct tb_check *check)
{
    const struct tb_config_sinks *sinks = &check->config->sinks;
    struct account account = {0};
    check_otlp(check);
    if (sinks->xray.mode == TB_XRAY_API || sinks->cloudwatch.log_group[0] != '\0')
        check_aws(check, &account);
    check_xray(check, &account);
    check_cloudwatch(check, &account);
    tb_aws_free(account.aws);
}
