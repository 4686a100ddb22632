/* resource.c - see resource.h. */
#include "capture/resource.h"

#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "capture/text.h"

static void trim(const char **text, size_t *len)
{
    while (*len > 0 && ((*text)[0] == ' ' || (*text)[0] == '\t')) {
        (*text)++;
        (*len)--;
    }
    while (*len > 0 && ((*text)[*len - 1] == ' ' || (*text)[*len - 1] == '\t'))
        (*len)--;
}

/* 1, or 0 when it is malformed or does not fit. */
static int decode(const char *text, size_t len, char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            if (len - i < 3 || tb_unhex(text + i + 1, &c, 1) || c == '\0')
                return 0;
            i += 2;
        }
        if (n + 1 >= cap)
            return 0;
        out[n++] = c;
    }
    out[n] = '\0';
    return n > 0;
}

int tb_resource_find(const char *text, const char *key, char *out, size_t cap)
{
    int found = 0;
    out[0] = '\0';
    while (text && *text) {
        size_t len = strcspn(text, ",");
        const char *equals = memchr(text, '=', len);
        const char *name = text;
        size_t name_len = equals ? (size_t)(equals - text) : 0;
        trim(&name, &name_len);
        if (equals && name_len == strlen(key) && memcmp(name, key, name_len) == 0) {
            const char *value = equals + 1;
            size_t value_len = len - (size_t)(value - text);
            trim(&value, &value_len);
            found = decode(value, value_len, out, cap);
            if (!found)
                out[0] = '\0';
        }
        text += len + (text[len] == ',' ? 1 : 0);
    }
    return found;
}

void tb_resource_complete(char *service, size_t service_cap, char *environment,
                          size_t environment_cap, char *version, size_t version_cap)
{
    const char *text = secure_getenv("OTEL_RESOURCE_ATTRIBUTES");
    if (service[0] == '\0')
        (void)tb_text_copy(service, service_cap, secure_getenv("OTEL_SERVICE_NAME"));
    if (service[0] == '\0')
        (void)tb_resource_find(text, "service.name", service, service_cap);
    if (version[0] == '\0')
        (void)tb_resource_find(text, "service.version", version, version_cap);
    if (environment[0] == '\0' &&
        !tb_resource_find(text, "deployment.environment.name", environment, environment_cap))
        (void)tb_resource_find(text, "deployment.environment", environment, environment_cap);
}
