/* login.c - see login.h. */
#include "web/login.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "web/query.h"

static const char COOKIE[] = "towbar_page";

int tb_login_token(const char *state_dir, char out[TB_LOGIN_TOKEN_TEXT])
{
    char path[PATH_MAX];
    char text[TB_LOGIN_TOKEN_TEXT];
    int len = snprintf(path, sizeof(path), "%s/%s", state_dir, TB_PAGE_TOKEN_FILE);
    if (len < 0 || (size_t)len >= sizeof(path))
        return -ENAMETOOLONG;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    ssize_t n = tb_fd_pread_all(fd, text, sizeof(text) - 1, 0);
    close(fd);
    if (n < 0)
        return (int)n;
    text[n] = '\0';
    if (strspn(text, "0123456789abcdef") != TB_LOGIN_TOKEN_TEXT - 1)
        return -EINVAL;
    memcpy(out, text, sizeof(text));
    return 0;
}

bool tb_login_is(const char token[TB_LOGIN_TOKEN_TEXT], const char *offered)
{
    size_t len = strlen(offered);
    unsigned differs = len != TB_LOGIN_TOKEN_TEXT - 1;
    for (size_t i = 0; i < TB_LOGIN_TOKEN_TEXT - 1; i++)
        differs |= (unsigned char)token[i] ^ (unsigned char)offered[i < len ? i : len];
    return differs == 0;
}

bool tb_login_has_cookie(const struct tb_page_request *request,
                         const char token[TB_LOGIN_TOKEN_TEXT])
{
    char offered[TB_LOGIN_TOKEN_TEXT];
    return tb_query_cookie(request->cookie, COOKIE, offered, sizeof(offered)) &&
           tb_login_is(token, offered);
}

void tb_login_cookie(const char token[TB_LOGIN_TOKEN_TEXT], char out[TB_PAGE_COOKIE])
{
    snprintf(out, TB_PAGE_COOKIE, "%s=%s; HttpOnly; SameSite=Strict; Path=/", COOKIE, token);
}
