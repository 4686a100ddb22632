/* page_token.c - see page_token.h. */
#include "agent/serve/page_token.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/id.h"
#include "http/page.h"

enum { TOKEN_BYTES = 32, TOKEN_DIGITS = 64, TOKEN_MODE = 0640 };

/* Whether the open file holds a token, and nobody else can have changed it. */
static int is_good(int fd)
{
    char text[TOKEN_DIGITS + 1];
    uint8_t bytes[TOKEN_BYTES];
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
        (st.st_mode & (S_IWGRP | S_IWOTH | S_IROTH)) != 0)
        return 0;
    if (tb_fd_pread_all(fd, text, sizeof(text) - 1, 0) != TOKEN_DIGITS)
        return 0;
    text[TOKEN_DIGITS] = '\0';
    return tb_unhex(text, bytes, TOKEN_BYTES) == 0;
}

static int make_new(int state_fd)
{
    uint8_t bytes[TOKEN_BYTES];
    char text[TOKEN_DIGITS + 2];
    tb_id_random(bytes, sizeof(bytes));
    tb_hex(bytes, sizeof(bytes), text);
    text[TOKEN_DIGITS] = '\n';
    /* Replaced in one step and 0600 at first: nobody reads half a token, or one meant for others.
     */
    return tb_fd_replace(state_fd, TB_PAGE_TOKEN_FILE, text, sizeof(text) - 1);
}

int tb_page_token_make(int state_fd)
{
    int fd = openat(state_fd, TB_PAGE_TOKEN_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int err = fd >= 0 && is_good(fd) ? 0 : make_new(state_fd);
    tb_fd_close(&fd);
    if (err == 0 && fchmodat(state_fd, TB_PAGE_TOKEN_FILE, TOKEN_MODE, 0) < 0)
        err = -errno;
    return err;
}
