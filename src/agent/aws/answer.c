/* answer.c - files, answers of servers, and the keys in them. See aws_internal.h. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/aws/aws_internal.h"
#include "base/fd.h"

void tb_aws_wipe(char *text, size_t len)
{
    if (text == NULL)
        return;
    explicit_bzero(text, len);
    free(text);
}

/* All of fd, ended, in memory that never moves: no copy of it stays anywhere. */
static int read_all(int fd, size_t max, char **out, size_t *len)
{
    char *text = malloc(max + 2);
    if (text == NULL)
        return -ENOMEM;
    ssize_t n = tb_fd_pread_all(fd, text, max + 1, 0);
    if (n < 0 || (size_t)n > max) {
        tb_aws_wipe(text, max + 2);
        return n < 0 ? (int)n : -EFBIG;
    }
    text[n] = '\0';
    *out = text;
    *len = (size_t)n;
    return 0;
}

int tb_aws_read_file(const char *path, size_t max, char **out, size_t *len)
{
    struct stat st;
    /* A pipe would keep the thread waiting for who writes into it. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    int err = fstat(fd, &st) < 0 ? -errno : (S_ISREG(st.st_mode) ? 0 : -EINVAL);
    if (err == 0)
        err = read_all(fd, max, out, len);
    close(fd);
    return err < 0 ? err : 1;
}

bool tb_aws_is_word(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return text[0] != '\0';
}

bool tb_aws_is_key_id(const char *text)
{
    static const char LETTERS[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    return text[0] != '\0' && text[strspn(text, LETTERS)] == '\0';
}

int tb_aws_ask(const struct tb_aws_asker *asker, struct tb_fetch_request *request, const char *what,
               char **out, size_t *len, char *why)
{
    struct tb_fetch_reply reply;
    int fd = memfd_create("towbar-aws", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    request->fd = fd;
    request->max_bytes = TB_AWS_REPLY;
    request->magic = "";
    request->wants_refusal = true;
    request->is_over = asker->is_over;
    int err = tb_fetch(asker->fetcher, request, &reply);
    if (err == 0)
        err = read_all(fd, TB_AWS_REPLY, out, len);
    close(fd);
    if (err == 0)
        return reply.status;
    (void)snprintf(why, TB_AWS_WHY, "%s: %.150s", what,
                   reply.error[0] != '\0' ? reply.error : strerrordesc_np(-err));
    return err;
}

/* "+hh:mm" or "-hh:mm" in minutes, "Z" 0; false for anything else. */
static bool read_zone(const char *text, int64_t *out)
{
    static const char FORM[] = "?00:00";
    if (strcmp(text, "Z") == 0) {
        *out = 0;
        return true;
    }
    if ((text[0] != '+' && text[0] != '-') || strlen(text) != sizeof(FORM) - 1)
        return false;
    for (size_t i = 1; i < sizeof(FORM) - 1; i++) {
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (FORM[i] == '0' ? !is_digit : text[i] != FORM[i])
            return false;
    }
    int64_t hours = (int64_t)(text[1] - '0') * 10 + (text[2] - '0');
    int64_t minutes = hours * 60 + (int64_t)(text[4] - '0') * 10 + (text[5] - '0');
    *out = text[0] == '-' ? -minutes : minutes;
    return true;
}

int64_t tb_aws_time(const char *text)
{
    struct tm tm;
    memset(&tm, 0, sizeof(tm));
    if (text[0] == '\0')
        return 0;
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (end == NULL)
        return -1;
    if (*end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    int64_t offset_min;
    if (!read_zone(end, &offset_min))
        return -1;
    return ((int64_t)timegm(&tm) - offset_min * 60) * 1000;
}

/* ---- keys ---- */

static int take(const char *text, char *out, size_t cap)
{
    size_t len = text ? strlen(text) : 0;
    if (len >= cap || (len > 0 && !tb_aws_is_word(text)))
        return -EBADMSG;
    memcpy(out, text ? text : "", len);
    out[len] = '\0';
    return 0;
}

static int set_keys(const char *key_id, const char *secret, const char *session,
                    const char *expiration, struct tb_aws_keys *out)
{
    int64_t expires_ms = tb_aws_time(expiration ? expiration : "");
    if (take(key_id, out->key_id, sizeof(out->key_id)) < 0 ||
        take(secret, out->secret, sizeof(out->secret)) < 0 ||
        take(session, out->session, sizeof(out->session)) < 0 || expires_ms < 0 ||
        !tb_aws_is_key_id(out->key_id) || out->secret[0] == '\0') {
        explicit_bzero(out, sizeof(*out));
        return -EBADMSG;
    }
    out->expires_ms = expires_ms;
    return 1;
}

static const char *member(const cJSON *json, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
}

static void wipe_json(cJSON *json)
{
    for (cJSON *item = json ? json->child : NULL; item != NULL; item = item->next)
        if (cJSON_IsString(item))
            explicit_bzero(item->valuestring, strlen(item->valuestring));
    cJSON_Delete(json);
}

int tb_aws_keys_of_json(const char *text, size_t len, const char *what, struct tb_aws_keys *out,
                        char *why)
{
    cJSON *json = cJSON_ParseWithLength(text, len);
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(json, "Version");
    const char *session = member(json, "SessionToken");
    /* Programs say the version of what they print; servers none. */
    bool is_known = version == NULL || cJSON_GetNumberValue(version) == 1;
    int err = -EBADMSG;
    if (cJSON_IsObject(json) && is_known)
        err = set_keys(member(json, "AccessKeyId"), member(json, "SecretAccessKey"),
                       session ? session : member(json, "Token"), member(json, "Expiration"), out);
    wipe_json(json);
    if (err < 0)
        (void)snprintf(why, TB_AWS_WHY, "%s: %s", what,
                       is_known ? "no credentials in the answer" : "a version that is not 1");
    return err;
}

/* The text of an element behind from, in its place: the end is cut. */
static char *element(char *from, const char *open)
{
    char *text = from ? strstr(from, open) : NULL;
    if (text == NULL)
        return NULL;
    text += strlen(open);
    text[strcspn(text, "<")] = '\0';
    return text;
}

int tb_aws_keys_of_xml(const char *text, size_t len, struct tb_aws_keys *out, char *why)
{
    static const char *const opens[] = {"<AccessKeyId>", "<SecretAccessKey>", "<SessionToken>",
                                        "<Expiration>"};
    char *values[4] = {NULL};
    int err = -EBADMSG;
    /* Each is looked for in a copy: reading one cuts what is behind it. */
    char *copy = malloc(4 * (len + 1));
    if (copy == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < 4; i++) {
        char *one = copy + i * (len + 1);
        memcpy(one, text, len);
        one[len] = '\0';
        values[i] = element(strstr(one, "<Credentials>"), opens[i]);
    }
    err = set_keys(values[0], values[1], values[2], values[3], out);
    tb_aws_wipe(copy, 4 * (len + 1));
    if (err < 0)
        (void)snprintf(why, TB_AWS_WHY, "STS: no credentials in the answer");
    return err;
}
