/* page_url.c - see page_url.h. */
#include "agent/serve/page_url.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HOST_BYTES = 256 };

void tb_page_url(const struct tb_config *config, const char *address, char out[TB_PAGE_URL])
{
    const char *scheme = config->tls_cert_file[0] != '\0' ? "https" : "http";
    const char *port = strrchr(address, ':');
    char host[HOST_BYTES] = "";
    out[0] = '\0';
    if (port == NULL)
        return;
    size_t len = (size_t)(port - address);
    int is_any = (len == 7 && memcmp(address, "0.0.0.0", len) == 0) ||
                 (len == 4 && memcmp(address, "[::]", len) == 0);
    if (is_any && gethostname(host, sizeof(host) - 1) == 0 && host[0] != '\0')
        snprintf(out, TB_PAGE_URL, "%s://%s%s/", scheme, host, port);
    else
        snprintf(out, TB_PAGE_URL, "%s://%s/", scheme, address);
}

bool tb_page_asks_login(const struct tb_config *config)
{
    return config->shared_spool || tb_config_listens_abroad(config);
}
