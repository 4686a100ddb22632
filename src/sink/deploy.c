/* deploy.c - see deploy.h. Source: docs.rollbar.com "Deploys"; clients read the id of the answer in
 * either of two places. */
#include "sink/deploy.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { BODY_BYTES = 512 << 10 };

static int is_token(const char *token)
{
    for (const char *c = token; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            return 0;
    return token[0] != '\0';
}

/* ".../api/1/item/?q" becomes ".../api/1/deploy/?q", with the id before the question mark. */
static int set_url(const char *endpoint, int64_t id, char *out, size_t cap)
{
    static const char ITEM[] = "/item";
    char number[24] = "";
    size_t len = strcspn(endpoint, "?#");
    const char *query = endpoint[len] == '?' ? endpoint + len : "";
    while (len > 0 && endpoint[len - 1] == '/')
        len--;
    size_t item_len = sizeof(ITEM) - 1;
    if (len < item_len || memcmp(endpoint + len - item_len, ITEM, item_len) != 0)
        return -EINVAL;
    if (id > 0)
        snprintf(number, sizeof(number), "%" PRId64, id);
    int n = snprintf(out, cap, "%.*s/deploy/%s%.*s", (int)(len - item_len), endpoint, number,
                     (int)strcspn(query, "#"), query);
    return n > 0 && (size_t)n < cap ? 0 : -EINVAL;
}

static void write_body(const struct tb_sink_deploy *d, const char *token, struct tb_json *j)
{
    tb_json_object(j);
    tb_json_kstr(j, "access_token", token); /* the header alone is newer than this API */
    if (d->remote_id == 0) {
        tb_json_kstr(j, "environment", d->environment);
        tb_json_kstr(j, "revision", d->revision);
        tb_json_kopt(j, "rollbar_username", d->rollbar_username);
        tb_json_kopt(j, "local_username", d->local_username);
        tb_json_kopt(j, "comment", d->comment);
    }
    tb_json_kstr(j, "status", d->status);
    tb_json_end(j);
}

static int add_body(const struct tb_sink_deploy *deploy, const char *token, struct tb_buf *out)
{
    static const char CONTROL[] = "\\u0000"; /* the longest that one byte becomes */
    size_t cap = (strlen(deploy->comment) + 2048) * (sizeof(CONTROL) - 1);
    char *mem = malloc(cap);
    struct tb_json j;
    if (mem == NULL)
        return -ENOMEM;
    tb_json_init(&j, mem, cap);
    write_body(deploy, token, &j);
    int err = tb_json_finish(&j) == 0 ? 0 : -EMSGSIZE;
    if (err == 0) {
        tb_buf_add(out, mem, j.len);
        err = out->err;
    }
    free(mem);
    return err;
}

int tb_sink_deploy_encode(const struct tb_sink_target *target, const struct tb_sink_deploy *deploy,
                          struct tb_sink_request *out)
{
    out->head_len = 0;
    tb_buf_init(&out->body, BODY_BYTES);
    if (!is_token(target->token) ||
        set_url(target->endpoint, deploy->remote_id, out->url, sizeof(out->url)) != 0)
        return -EINVAL;
    out->method = deploy->remote_id > 0 ? "PATCH" : NULL;
    int err;
    if ((err = tb_sink_header(out, "X-Rollbar-Access-Token: %s", target->token)) ||
        (err = tb_sink_header(out, "Content-Type: application/json")))
        return err;
    return add_body(deploy, target->token, &out->body);
}

int64_t tb_sink_deploy_id(const char *body, size_t len)
{
    static const char *const places[] = {"data", "result"};
    cJSON *json = cJSON_ParseWithLength(body, len);
    int64_t id = 0;
    for (size_t i = 0; i < 2 && id == 0; i++) {
        const cJSON *place = cJSON_GetObjectItemCaseSensitive(json, places[i]);
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(place, "deploy_id");
        if (cJSON_IsNumber(value) && value->valuedouble >= 1 && value->valuedouble < 9e15)
            id = (int64_t)value->valuedouble;
    }
    cJSON_Delete(json);
    return id;
}
