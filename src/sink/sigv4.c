/* sigv4.c - see sigv4.h; what of the request is signed is sigv4_canonical.c. */
#include "sink/sigv4.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SECRET_BYTES = 512, CANONICAL_BYTES = 64 << 10, NAMES_BYTES = 4 << 10 };

static void hex_of(const unsigned char hash[TB_SIGV4_HASH], char out[TB_SIGV4_HEX])
{
    static const char DIGITS[] = "0123456789abcdef";
    for (size_t i = 0; i < TB_SIGV4_HASH; i++) {
        out[2 * i] = DIGITS[hash[i] >> 4];
        out[2 * i + 1] = DIGITS[hash[i] & 15];
    }
    out[TB_SIGV4_HEX - 1] = '\0';
}

static int hmac(const void *key, size_t key_len, const void *data, size_t len,
                unsigned char out[TB_SIGV4_HASH])
{
    unsigned int n = 0;
    if (HMAC(EVP_sha256(), key, (int)key_len, data, len, out, &n) == NULL || n != TB_SIGV4_HASH)
        return -EINVAL;
    return 0;
}

int tb_sigv4_date(int64_t now_ms, char out[TB_SIGV4_DATE])
{
    struct tm tm;
    time_t now = (time_t)(now_ms / 1000);
    if (gmtime_r(&now, &tm) == NULL || strftime(out, TB_SIGV4_DATE, "%Y%m%dT%H%M%SZ", &tm) != 16)
        return -EINVAL;
    return 0;
}

int tb_sigv4_to_sign(const struct tb_sigv4_scope *scope, const struct tb_buf *canonical,
                     struct tb_buf *out)
{
    unsigned char hash[TB_SIGV4_HASH];
    char hex[TB_SIGV4_HEX];
    SHA256((const unsigned char *)tb_buf_str(canonical), canonical->len, hash);
    hex_of(hash, hex);
    tb_buf_addf(out, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s", scope->date, scope->date,
                scope->region, scope->service, hex);
    return out->err;
}

int tb_sigv4_key(const struct tb_sigv4_scope *scope, const char *secret,
                 unsigned char out[TB_SIGV4_HASH])
{
    char first[SECRET_BYTES];
    int err;
    int len = snprintf(first, sizeof(first), "AWS4%s", secret);
    if (len < 0 || (size_t)len >= sizeof(first)) {
        explicit_bzero(first, sizeof(first));
        return -EINVAL;
    }
    /* Each of them is the key of the next. */
    if ((err = hmac(first, (size_t)len, scope->date, 8, out)) == 0 &&
        (err = hmac(out, TB_SIGV4_HASH, scope->region, strlen(scope->region), out)) == 0 &&
        (err = hmac(out, TB_SIGV4_HASH, scope->service, strlen(scope->service), out)) == 0)
        err = hmac(out, TB_SIGV4_HASH, "aws4_request", 12, out);
    explicit_bzero(first, sizeof(first));
    return err;
}

int tb_sigv4_signature(const unsigned char key[TB_SIGV4_HASH], const struct tb_buf *to_sign,
                       char out[TB_SIGV4_HEX])
{
    unsigned char hash[TB_SIGV4_HASH];
    int err = hmac(key, TB_SIGV4_HASH, tb_buf_str(to_sign), to_sign->len, hash);
    if (err == 0)
        hex_of(hash, out);
    return err;
}

/* A blank, a comma or a slash in one of them would make another header than was meant. */
static int is_word(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~' || *c == ',' || *c == '/')
            return 0;
    return text[0] != '\0';
}

static int add_authorization(struct tb_sink_request *request, const struct tb_sigv4_scope *scope,
                             const struct tb_sink_credentials *credentials)
{
    struct tb_buf canonical, names, to_sign;
    unsigned char key[TB_SIGV4_HASH];
    char signature[TB_SIGV4_HEX];
    int err;
    tb_buf_init(&canonical, CANONICAL_BYTES);
    tb_buf_init(&names, NAMES_BYTES);
    tb_buf_init(&to_sign, CANONICAL_BYTES);
    if ((err = tb_sigv4_canonical(request, &canonical, &names)) == 0 &&
        (err = tb_sigv4_to_sign(scope, &canonical, &to_sign)) == 0 &&
        (err = tb_sigv4_key(scope, credentials->secret, key)) == 0 &&
        (err = tb_sigv4_signature(key, &to_sign, signature)) == 0)
        err =
            tb_sink_header(request,
                           "Authorization: AWS4-HMAC-SHA256 "
                           "Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
                           credentials->key_id, scope->date, scope->region, scope->service,
                           tb_buf_str(&names), signature);
    explicit_bzero(key, sizeof(key));
    tb_buf_done(&canonical);
    tb_buf_done(&names);
    tb_buf_done(&to_sign);
    return err;
}

int tb_sigv4_sign(struct tb_sink_request *request, const struct tb_sink_target *target,
                  const char *region, const char *service)
{
    char date[TB_SIGV4_DATE];
    const struct tb_sigv4_scope scope = {.date = date, .region = region, .service = service};
    const struct tb_sink_credentials *credentials = target->credentials;
    int err;
    if (credentials == NULL || !is_word(credentials->key_id) || credentials->secret[0] == '\0' ||
        !is_word(region) || !is_word(service))
        return -EINVAL;
    if ((err = tb_sigv4_date(target->now_ms, date)) ||
        (err = tb_sink_header(request, "X-Amz-Date: %s", date)))
        return err;
    if (credentials->session[0] != '\0') {
        err = tb_sink_header(request, "X-Amz-Security-Token: %s", credentials->session);
        if (err < 0)
            return err;
    }
    return add_authorization(request, &scope, credentials);
}

int tb_sigv4_endpoint(const char *region, const char *service, char *out, size_t cap)
{
    /* The parts of AWS that have a domain of their own. */
    static const char *const domains[][2] = {
        {"cn-", "amazonaws.com.cn"},    {"eusc-", "amazonaws.eu"},
        {"us-iso-", "c2s.ic.gov"},      {"us-isob-", "sc2s.sgov.gov"},
        {"eu-isoe-", "cloud.adc-e.uk"}, {"us-isof-", "csp.hci.ic.gov"}};
    const char *domain = "amazonaws.com";
    if (region == NULL || region[0] == '\0' ||
        region[strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0')
        return -EINVAL;
    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
        if (strncmp(region, domains[i][0], strlen(domains[i][0])) == 0)
            domain = domains[i][1];
    int n = snprintf(out, cap, "https://%s.%s.%s/", service, region, domain);
    return n > 0 && (size_t)n < cap ? 0 : -EINVAL;
}
