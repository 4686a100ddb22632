/* config_fixed.c - see config_fixed.h. */
#include "agent/config/config_fixed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Another certificate can be shown, but no listener changes between TLS and none. */
static const char *is_set(const char *path)
{
    return path[0] != '\0' ? "a file" : "";
}

int tb_config_fixed(const struct tb_config *now, const struct tb_config *next,
                    char why[TB_CONFIG_WHY])
{
    const struct {
        const char *key, *now, *next;
    } keys[] = {{"spool", now->spool, next->spool},
                {"state_dir", now->state_dir, next->state_dir},
                {"socket", now->socket, next->socket},
                {"listen", now->listen, next->listen},
                {"tls.cert_file", is_set(now->tls_cert_file), is_set(next->tls_cert_file)}};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(keys[i].now, keys[i].next) == 0)
            continue;
        snprintf(why, TB_CONFIG_WHY,
                 "%s would change from \"%.150s\" to \"%.150s\", which needs a restart: put it "
                 "back, or restart towbard",
                 keys[i].key, keys[i].now, keys[i].next);
        return -EBUSY;
    }
    return 0;
}
